//! `image-size`.

use std::fs;
use std::path::Path;

use super::archive::{Image, Layer};
use super::project::{ENGINE, Project, assert_verdicts, stackproof, verdicts};

const MIB: usize = 1 << 20;

#[test]
fn a_size_is_the_sum_of_all_layers_and_one_that_is_not_known_is_not_small() {
    let image = |name: &str| {
        Image::new()
            .layer(Layer::default().file("data/big", vec![b'a'; 8 * MIB]))
            .layer(Layer::default().without("data/big"))
            .env(&format!("SERVICE={name}"))
    };
    let services = ["within", "over", "under", "gone"].map(|name| (name, image(name)));
    let project = Project::up(&services, |_| {});
    project.lose_image("gone");
    let found = project.judge(&[
        ("within", "image-size", ", min: 8MiB, max: 20MiB"),
        // A later layer hides the file and makes the image no smaller.
        ("over", "image-size", ", max: 8MiB"),
        ("under", "image-size", ", min: 20MiB"),
        ("gone", "image-size", ", max: 20MiB"),
    ]);
    assert_verdicts(
        &found,
        &[
            ("within", "held", "(the engine's sum of the layers)"),
            ("over", "broken", "is more than 8388608 bytes"),
            ("under", "broken", "is less than 20971520 bytes"),
            ("gone", "inconclusive", "no such image"),
        ],
    );
    assert!(project.written().contains("\"metric\": \"engine\""));
}

#[test]
fn a_service_whose_containers_run_different_images_is_not_judged_by_one_of_them() {
    let image = |data: &str| Image::new().layer(Layer::default().file("data", data));
    let project = Project::up(&[("web", image("one"))], |_| {});
    project.add("web", &image("two"));
    for (code, parameters) in
        [("image-size", ", max: 20MiB"), ("no-build-tools", ""), ("no-secrets-in-image", "")]
    {
        let found = project.judge(&[("web", code, parameters)]);
        assert_verdicts(
            &found,
            &[("web", "inconclusive", "containers of web run different images: sha256:")],
        );
    }
}

#[test]
fn a_ratio_to_a_baseline_is_between_images_that_were_built() {
    let folder = tempfile::tempdir().unwrap();
    let write = |path: &str, data: &[u8]| {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, data).unwrap();
    };
    let dockerfile = b"FROM scratch\nLABEL dev.stackproof.test=1\nCOPY root /\n";
    for (context, size) in [("small", 4 * MIB), ("large", 16 * MIB)] {
        write(&format!("{context}/Dockerfile"), dockerfile);
        write(&format!("{context}/root/data"), &vec![b'a'; size]);
        write(&format!("{context}/root/probe"), stackproof::probe::BINARY);
        let probe = folder.path().join(context).join("root/probe");
        fs::set_permissions(probe, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    }
    let compose = |context: &str| {
        format!(
            "services:\n  web:\n    image: sized-{context}\n    build: {{context: {context}}}\n    entrypoint: [/probe, hold]\n    \
             stop_grace_period: 0s\n    network_mode: none\n"
        )
    };
    write("compose.yaml", compose("small").as_bytes());
    write("baseline.yaml", compose("large").as_bytes());
    let claim = |id: &str, least: u32| {
        format!(
            "  - id: {id}\n    text: It is smaller.\n    severity: low\n    source: test\n    checks:\n      \
             - image-size:\n          services: [web]\n          baseline:\n            compose: baseline.yaml\n            \
             service: web\n            smaller_by_at_least: {least}\n"
        )
    };
    let claims = claim("reached", 40) + &claim("missed", 90);
    let scenario = format!("name: sizes\ncompose: [compose.yaml]\nclaims:\n{claims}");
    write("sizes.yaml", scenario.as_bytes());
    let record = stackproof(folder.path(), Path::new(ENGINE), &["sizes.yaml"]);
    assert_verdicts(
        &verdicts(&record),
        &[
            ("reached", "held", "% smaller than"),
            ("missed", "broken", "% smaller, not 90 to 100 %"),
        ],
    );
}
