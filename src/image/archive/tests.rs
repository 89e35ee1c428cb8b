//! Archives that are hostile, each in one way: what a bound keeps from being read is said to be
//! unread, and the other images of the archive are none the worse for it.

use std::io::Write;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use rstest::rstest;
use serde_json::json;

use super::*;
use crate::image::dependencies::{Declared, closure};
use crate::image::tools::{self, ToolPolicy};

/// One file of a layer: its path, its mode and its data.
type File<'a> = (&'a str, u32, &'a [u8]);

const GCC: File<'_> = ("usr/bin/gcc", 0o755, b"#!");

fn tar_of(files: &[File<'_>]) -> Vec<u8> {
    let mut builder = ::tar::Builder::new(Vec::new());
    for (path, mode, data) in files {
        let mut header = ::tar::Header::new_gnu();
        header.set_size(data.len() as u64);
        header.set_mode(*mode);
        builder.append_data(&mut header, path, *data).unwrap();
    }
    builder.into_inner().unwrap()
}

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

/// An archive of images as `docker save` writes it. A layer is given as it is stored and as it is
/// uncompressed.
#[derive(Default)]
struct Archived {
    files: Vec<(String, Vec<u8>)>,
    manifest: Vec<serde_json::Value>,
}

impl Archived {
    fn image(mut self, name: &str, layers: &[Vec<u8>]) -> Archived {
        let layers: Vec<_> = layers.iter().map(|layer| (layer.clone(), layer.clone())).collect();
        self.add(name, &layers, json!({}));
        self
    }

    fn add(&mut self, name: &str, layers: &[(Vec<u8>, Vec<u8>)], more: serde_json::Value) {
        let diff_ids: Vec<String> =
            layers.iter().map(|(_, uncompressed)| meter::sha256(uncompressed)).collect();
        let config = json!({"rootfs": {"diff_ids": diff_ids}, "config": more}).to_string();
        let file = format!("{}.json", &meter::sha256(config.as_bytes())[7..]);
        let paths: Vec<String> =
            (0..layers.len()).map(|at| format!("{name}-{at}/layer.tar")).collect();
        self.files.push((file.clone(), config.into_bytes()));
        for (path, (stored, _)) in paths.iter().zip(layers) {
            self.files.push((path.clone(), stored.clone()));
        }
        let name = format!("{name}:latest");
        self.manifest.push(json!({"Config": file, "RepoTags": [name], "Layers": paths}));
    }

    fn bytes(&self) -> Vec<u8> {
        let manifest = json!(self.manifest).to_string().into_bytes();
        let mut files = self.files.clone();
        files.push((manifest::DOCKER.to_owned(), manifest));
        let files: Vec<File<'_>> =
            files.iter().map(|(path, data)| (path.as_str(), 0o644, data.as_slice())).collect();
        tar_of(&files)
    }

    fn scan(&self, limits: Limits) -> Vec<Saved> {
        let options = ScanOptions { limits, literals: Vec::new() };
        scan(&self.bytes()[..], &options).unwrap()
    }

    /// The only image of the archive.
    fn only(&self, limits: Limits) -> Image {
        let mut saved = self.scan(limits);
        assert_eq!(saved.len(), 1);
        saved.remove(0).image.unwrap()
    }
}

/// What the three searches could not look into.
fn unread(image: &Image) -> [Vec<String>; 3] {
    let declared = Declared::from_pyproject("[project]\nname = 'a'\n").unwrap();
    [
        tools::find(image, &ToolPolicy::default()).unread,
        secrets::find(image, &[]).unwrap().unread,
        closure::check(image, &declared, &[]).unread,
    ]
}

fn found(image: &Image) -> Vec<String> {
    let findings = tools::find(image, &ToolPolicy::default()).findings;
    findings.into_iter().map(|finding| finding.tool).collect()
}

#[test]
fn what_no_bound_keeps_from_being_read_is_read() {
    let image = Archived::default().image("a", &[tar_of(&[GCC])]).only(Limits::default());
    assert_eq!(found(&image), ["gcc"]);
    assert_eq!(unread(&image), [const { Vec::<String>::new() }; 3]);
}

#[rstest]
#[case::entries(Limits { layer_entries: 2, ..Limits::default() }, "more than 2 entries")]
#[case::bytes(Limits { layer_bytes: 2048, ..Limits::default() }, "more than 2048 bytes")]
#[case::bytes_of_all_layers(Limits { total_bytes: 2048, ..Limits::default() }, "more than 2048 bytes")]
fn a_layer_over_a_bound_is_read_up_to_there_and_then_unread(
    #[case] limits: Limits,
    #[case] why: &str,
) {
    let long = tar_of(&[GCC, ("a", 0o644, b"1"), ("usr/bin/make", 0o755, b"2")]);
    let image = Archived::default().image("long", &[long]).only(limits);
    assert_eq!(found(&image), ["gcc"], "what came before the bound counts");
    for unread in unread(&image) {
        assert_eq!(unread.len(), 1, "{unread:?}");
        assert!(unread[0].starts_with("layer 0, from where long-0/layer.tar"), "{unread:?}");
        assert!(unread[0].contains(why), "{unread:?}");
    }
}

#[test]
fn a_layer_over_a_bound_leaves_the_others_and_the_other_images_whole() {
    let long = tar_of(&[("a", 0o644, b"1"), ("b", 0o644, b"2"), ("c", 0o644, b"3")]);
    let archived = Archived::default()
        .image("long", &[tar_of(&[GCC]), long, tar_of(&[("usr/bin/make", 0o755, b"#!")])])
        .image("short", &[tar_of(&[GCC])]);
    let saved = archived.scan(Limits { layer_entries: 2, ..Limits::default() });
    let [long, short] = [0, 1].map(|at| saved[at].image.as_ref().unwrap());
    assert_eq!(found(long), ["gcc", "make"]);
    assert_eq!(
        long.layers.iter().map(|one| one.unread.is_some()).collect::<Vec<_>>(),
        [false, true, false]
    );
    assert_eq!(long.layers[1].facts.diff_id, long.config.diff_ids[1]);
    assert_eq!(unread(short), [const { Vec::<String>::new() }; 3]);
}

#[rstest]
#[case::gzip(gzip as fn(&[u8]) -> Vec<u8>)]
#[case::zstd(|data: &[u8]| zstd::encode_all(data, 19).unwrap())]
fn a_bomb_is_given_up_when_it_is_out_of_proportion(#[case] compress: fn(&[u8]) -> Vec<u8>) {
    let limits = Limits { inflation: 20, inflation_floor: 1 << 20, ..Limits::default() };
    let layer = |zeros: usize| tar_of(&[GCC, ("zeros", 0o644, &vec![0; zeros])]);
    let saved = |uncompressed: Vec<u8>| {
        let mut archived = Archived::default();
        archived.add("a", &[(compress(&uncompressed), uncompressed)], json!({}));
        archived.only(limits)
    };
    let small = saved(layer(1 << 19));
    assert_eq!(small.layers[0].unread, None, "below the floor everything is believed");
    let bomb = saved(layer(64 << 20));
    assert_eq!(found(&bomb), ["gcc"]);
    assert!(bomb.layers[0].facts.tar_bytes < 3 << 20, "{}", bomb.layers[0].facts.tar_bytes);
    let why = bomb.layers[0].unread.clone().unwrap();
    assert!(why.ends_with("more than 20 times its compressed size"), "{why}");
}

#[test]
fn an_image_of_too_many_layers_cannot_be_judged() {
    let layers: Vec<Vec<u8>> =
        (0..4).map(|at| tar_of(&[(&format!("f{at}"), 0o644, b"")])).collect();
    let archived = Archived::default().image("a", &layers).image("b", &layers[..3]);
    let saved = archived.scan(Limits { layers: 3, ..Limits::default() });
    let error = saved[0].image.as_ref().unwrap_err().to_string();
    assert!(error.ends_with(".json is too large: more than 3 layers"), "{error}");
    assert!(saved[1].image.is_ok());
}

#[test]
fn a_path_longer_than_any_file_system_takes_ends_the_layer() {
    let path = "a/".repeat(2100);
    let layer = tar_of(&[GCC, (&path, 0o644, b"x")]);
    let image = Archived::default().image("a", &[layer]).only(Limits::default());
    assert_eq!(found(&image), ["gcc"]);
    let why = image.layers[0].unread.clone().unwrap();
    assert!(why.ends_with("more than 4096 bytes of path"), "{why}");
}

#[test]
fn extension_headers_without_end_end_the_layer() {
    let mut builder = ::tar::Builder::new(Vec::new());
    for _ in 0..200 {
        builder.append_pax_extensions([("comment", &b"x"[..])]).unwrap();
    }
    let layer = builder.into_inner().unwrap();
    let image = Archived::default().image("a", &[layer]).only(Limits::default());
    let why = image.layers[0].unread.clone().unwrap();
    assert!(why.ends_with("more than 64 extension headers before one entry"), "{why}");
}

#[test]
fn a_huge_configuration_blinds_its_own_image_only() {
    let mut archived = Archived::default().image("a", &[tar_of(&[GCC])]);
    let more = json!({"Env": [format!("A={}", "a".repeat(5000))]});
    archived.add("b", &[(tar_of(&[GCC]), tar_of(&[GCC]))], more);
    let saved = archived.scan(Limits { json_bytes: 4096, ..Limits::default() });
    assert!(saved[0].image.is_ok());
    let error = saved[1].image.as_ref().unwrap_err().to_string();
    assert!(error.ends_with(".json is too large: more than 4096 bytes of JSON"), "{error}");
}

#[test]
fn a_huge_manifest_blinds_the_archive() {
    let mut archived = Archived::default().image("a", &[tar_of(&[GCC])]);
    archived.manifest[0]["RepoTags"] = json!(vec!["a:b"; 2000]);
    let limits = Limits { json_bytes: 4096, ..Limits::default() };
    let error = scan(&archived.bytes()[..], &ScanOptions { limits, literals: Vec::new() });
    assert_eq!(
        error.unwrap_err().to_string(),
        "manifest.json is too large: more than 4096 bytes of JSON"
    );
}

#[test]
fn documents_of_old_engines_do_not_count() {
    let mut archived = Archived::default().image("a", &[tar_of(&[GCC])]);
    for at in 0..100 {
        archived.files.push((format!("{at}/json"), vec![b'{'; 50]));
    }
    let limits = Limits { total_json_bytes: 4096, ..Limits::default() };
    assert_eq!(found(&archived.only(limits)), ["gcc"]);
}

#[test]
fn layers_that_are_links_to_one_another_are_missing() {
    let mut archived = Archived::default().image("a", &[tar_of(&[GCC])]);
    archived.files.retain(|(path, _)| !path.ends_with("layer.tar"));
    let mut builder = ::tar::Builder::new(Vec::new());
    for (link, target) in [("a-0/layer.tar", "../b/layer.tar"), ("b/layer.tar", "../a-0/layer.tar")]
    {
        let mut header = ::tar::Header::new_gnu();
        header.set_entry_type(::tar::EntryType::Symlink);
        header.set_size(0);
        builder.append_link(&mut header, link, target).unwrap();
    }
    let mut bytes = builder.into_inner().unwrap();
    bytes.truncate(bytes.len() - 1024);
    bytes.extend(archived.bytes());
    let saved = scan(&bytes[..], &ScanOptions::default()).unwrap();
    let error = saved[0].image.as_ref().unwrap_err().to_string();
    assert!(error.ends_with("names `a-0/layer.tar`, which the archive does not hold"), "{error}");
}

#[test]
fn links_inside_a_layer_that_lead_to_one_another_lead_nowhere() {
    let mut builder = ::tar::Builder::new(Vec::new());
    for kind in [::tar::EntryType::Symlink, ::tar::EntryType::Link] {
        for (link, target) in [("usr/bin/gcc", "cc"), ("usr/bin/cc", "gcc"), ("loop", "loop")] {
            let mut header = ::tar::Header::new_gnu();
            header.set_entry_type(kind);
            header.set_size(0);
            header.set_mode(0o777);
            builder.append_link(&mut header, link, target).unwrap();
        }
    }
    let layer = builder.into_inner().unwrap();
    let image = Archived::default().image("a", &[layer.clone(), layer]).only(Limits::default());
    assert_eq!(found(&image), ["cc", "gcc", "cc", "gcc"]);
    assert_eq!(unread(&image)[0], [] as [&str; 0]);
}

#[test]
fn findings_beyond_what_is_kept_of_a_layer_are_counted() {
    let paths: Vec<String> = (0..50).map(|at| format!("opt/{at}/bin/gcc")).collect();
    let files: Vec<File<'_>> = paths.iter().map(|path| (path.as_str(), 0o755, GCC.2)).collect();
    let limits = Limits { kept_bytes: 1000, ..Limits::default() };
    let image = Archived::default().image("a", &[tar_of(&files)]).only(limits);
    let report = tools::find(&image, &ToolPolicy::default());
    assert!((5..20).contains(&report.findings.len()), "{}", report.findings.len());
    let further = 50 - report.findings.len();
    assert_eq!(report.unread, [format!("layer 0: {further} further tools")]);
}

#[test]
fn all_layers_together_have_their_share_of_memory() {
    let lists = |at: usize| {
        let text = format!("Package: p{at}\nVersion: {}\n\n", "1".repeat(100)).repeat(10);
        tar_of(&[("var/lib/dpkg/status", 0o644, text.as_bytes())])
    };
    let layers: Vec<Vec<u8>> = (0..4).map(lists).collect();
    let limits = Limits { total_kept_bytes: 3000, ..Limits::default() };
    let image = Archived::default().image("a", &layers).only(limits);
    let unread = tools::find(&image, &ToolPolicy::default()).unread;
    let why = |at: usize| {
        let place = format!("layer {at}, from where a-{at}/layer.tar is too large");
        format!("{place}: more than 3000 bytes of findings in all")
    };
    let further = |at: usize| format!("layer {at}: 1 further files");
    assert_eq!(unread, [why(1), why(2), further(2), why(3), further(3)]);
}

#[test]
fn a_package_database_of_absurd_size_is_unread() {
    let text = "Package: a\n\n".repeat(100_001);
    let layer = tar_of(&[("var/lib/dpkg/status", 0o644, text.as_bytes())]);
    let image = Archived::default().image("a", &[layer]).only(Limits::default());
    assert_eq!(
        unread(&image)[0],
        ["layer 0: /var/lib/dpkg/status: lists more than is kept of a layer"]
    );
}

#[test]
fn files_that_are_only_counted_as_unread_may_hold_anything() {
    let packed = [&b"\x7fELF"[..], crate::image::tools::signatures::PACKED.as_bytes()].concat();
    let paths: Vec<String> = (0..2001).map(|at| format!("bin/{at}")).collect();
    let files: Vec<File<'_>> =
        paths.iter().map(|path| (path.as_str(), 0o755, packed.as_slice())).collect();
    let image = Archived::default().image("a", &[tar_of(&files)]).only(Limits::default());
    // Packed programs hide no secret that could be found; what is counted only may be no program.
    let [_, secrets, dists] = unread(&image);
    assert_eq!(secrets, ["layer 0: 1 further files"]);
    assert_eq!(dists, ["layer 0: 1 further files"]);
}

#[test]
fn text_that_has_every_pattern_tried_at_every_word_is_given_up() {
    let text = concat!("-----BEGIN PRIV", "ATE KEY-----\n").repeat(2000);
    let layer = tar_of(&[("a.txt", 0o644, text.as_bytes()), ("b.txt", 0o644, b"just text")]);
    let archived = Archived::default().image("a", &[layer]);
    let limits = Limits { tried_bytes: 1 << 20, ..Limits::default() };
    let unread = secrets::find(&archived.only(limits), &[]).unwrap().unread;
    assert_eq!(
        unread,
        [
            "layer 0: /a.txt: text too long to be searched to its end",
            "layer 0: /b.txt: text too long to be searched to its end"
        ]
    );
    let whole = archived.only(Limits::default());
    assert_eq!(secrets::find(&whole, &[]).unwrap().unread, [] as [&str; 0]);
}

#[test]
fn when_the_time_is_up_the_rest_is_unread() {
    let limits = Limits { time: Duration::ZERO, ..Limits::default() };
    let image = Archived::default().image("a", &[tar_of(&[GCC])]).only(limits);
    let why = image.layers[0].unread.clone().unwrap();
    assert!(why.ends_with("more than 0 seconds of reading"), "{why}");
}

#[test]
fn a_layer_that_is_not_what_the_configuration_says_is_an_error() {
    let mut archived = Archived::default();
    archived.add("a", &[(tar_of(&[GCC]), tar_of(&[]))], json!({}));
    let error = archived.scan(Limits::default()).remove(0).image.unwrap_err().to_string();
    assert!(error.starts_with("a-0/layer.tar is malformed: its digest is"), "{error}");
}

#[test]
fn requirements_that_ask_for_ever_more_extras_are_not_followed_for_ever() {
    // Every extra that is asked for asks for the next one, and all are looked at each time.
    let requires = |at: usize| format!("Requires-Dist: a[x{}]; extra == 'x{at}'\n", at + 1);
    let metadata: String = (0..600).map(requires).collect();
    let metadata = format!("Name: a\nVersion: 1\n{metadata}\n");
    let info = "usr/lib/python3.11/site-packages/a-1.dist-info";
    let layer = tar_of(&[
        (&format!("{info}/METADATA"), 0o644, metadata.as_bytes()),
        (&format!("{info}/RECORD"), 0o644, b""),
    ]);
    let image = Archived::default().image("a", &[layer]).only(Limits::default());
    let declared = Declared::from_pyproject("[project]\ndependencies = ['a[x0]']\n").unwrap();
    let unread = closure::check(&image, &declared, &[]).unread;
    assert_eq!(unread, ["more than 200000 requirements lead to one another"]);
}

#[rstest]
#[case::a_whiteout_of_the_file("usr/bin/.wh.gcc", Some(1))]
#[case::a_whiteout_of_its_folder("usr/.wh.bin", Some(1))]
#[case::nothing_shows_through_its_folder("usr/.wh..wh..opq", Some(1))]
#[case::nothing_shows_through_the_root(".wh..wh..opq", Some(1))]
#[case::a_whiteout_of_a_sibling("usr/bin/.wh.gc", None)]
fn what_a_later_layer_hides_still_counts(#[case] marker: &str, #[case] hidden_in: Option<usize>) {
    let layers = [tar_of(&[GCC]), tar_of(&[(marker, 0o644, b"")])];
    let image = Archived::default().image("a", &layers).only(Limits::default());
    let findings = tools::find(&image, &ToolPolicy::default()).findings;
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].hidden_in, hidden_in);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]

    #[test]
    fn damage_anywhere_is_no_panic(
        damage in proptest::collection::vec((0usize..8192, 0u8..=255), 1..20),
    ) {
        let layer = tar_of(&[GCC, ("var/lib/dpkg/status", 0o644, b"Package: gcc\n\n")]);
        let mut bytes = Archived::default().image("a", &[layer]).bytes();
        for (at, byte) in damage {
            let length = bytes.len();
            bytes[at % length] = byte;
        }
        let _ = scan(&bytes[..], &ScanOptions::default());
    }
}
