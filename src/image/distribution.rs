//! Installed Python distributions: the metadata that installers leave beside packages.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::image::path;

/// Most top-level names that one RECORD can bring into a layer's facts.
const MAX_TOPS: usize = 2_000;

/// A distribution's metadata folder, as one layer holds it. A later layer can change single files
/// of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Distribution {
    /// The `.dist-info` or `.egg-info` folder or file, without a leading slash.
    pub path: String,
    /// METADATA or PKG-INFO.
    pub metadata: Option<Metadata>,
    /// What installed it, such as `pip`.
    pub installer: Option<String>,
    /// Where it came from, where that is not an index.
    pub direct_url: Option<DirectUrl>,
    /// The files and folders that it put beside its metadata.
    pub tops: Option<BTreeSet<String>>,
}

/// The part of METADATA that matters here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metadata {
    /// The name as it is written.
    pub name: String,
    /// The version.
    pub version: String,
    /// `Requires-Dist`, one PEP 508 requirement each, unparsed.
    pub requires: Vec<String>,
    /// `Requires-Python`.
    pub requires_python: Option<String>,
    /// `Provides-Extra`.
    pub extras: Vec<String>,
}

/// `direct_url.json`, PEP 610.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DirectUrl {
    /// The URL without user, password, query and fragment.
    pub url: String,
    /// Whether the files are used from where they are.
    pub editable: bool,
}

/// A file of a distribution's metadata that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MetadataFile {
    Metadata,
    Record,
    Installer,
    DirectUrl,
    TopLevel,
    Requires,
}

impl Distribution {
    /// Whether another distribution carries this one inside itself: pip and setuptools do. It is
    /// not installed by anybody's choice, and its host is judged instead.
    #[must_use]
    pub fn is_vendored(&self) -> bool {
        let folder = path::parent(&self.path);
        path::name(folder).trim_start_matches('_').starts_with("vendor") || is_below_site(folder)
    }

    /// What it takes of memory, in bytes, roughly.
    pub(crate) fn bytes(&self) -> usize {
        /// What a text takes beside its characters.
        const TEXT: usize = 48;
        let lists = self.metadata.iter().flat_map(|one| one.requires.iter().chain(&one.extras));
        let tops = self.tops.iter().flatten();
        size_of::<Distribution>()
            + self.path.len()
            + lists.chain(tops).map(|text| text.len() + TEXT).sum::<usize>()
    }

    /// Takes over what `upper`, the same folder in a later layer, says anew.
    pub(crate) fn overlay(&mut self, upper: &Distribution) {
        let Distribution { path: _, metadata, installer, direct_url, tops } = upper;
        overlay(&mut self.metadata, metadata);
        overlay(&mut self.installer, installer);
        overlay(&mut self.direct_url, direct_url);
        overlay(&mut self.tops, tops);
    }

    /// Reads one of its files. What cannot be read leaves the field as it was. `false` where the
    /// file lists more than is kept.
    pub(crate) fn read(&mut self, file: MetadataFile, text: &[u8]) -> bool {
        let text = String::from_utf8_lossy(text);
        match file {
            MetadataFile::Metadata => {
                let mut metadata = Metadata::parse(&text);
                // An egg's requires.txt may have been read before.
                if let Some(earlier) = self.metadata.take()
                    && metadata.requires.is_empty()
                {
                    metadata.requires = earlier.requires;
                }
                self.metadata = Some(metadata);
            }
            MetadataFile::Requires => {
                let metadata = self.metadata.get_or_insert_default();
                if metadata.requires.is_empty() {
                    metadata.requires = egg_requirements(&text);
                }
            }
            MetadataFile::Record => {
                self.tops.get_or_insert_default().extend(record_tops(&text));
            }
            MetadataFile::TopLevel => {
                let names = text.lines().map(str::trim).filter(|name| !name.is_empty());
                self.tops.get_or_insert_default().extend(names.take(MAX_TOPS).map(str::to_owned));
            }
            MetadataFile::Installer => {
                self.installer = Some(text.trim().chars().take(80).collect());
            }
            MetadataFile::DirectUrl => self.direct_url = DirectUrl::parse(&text),
        }
        self.tops.as_ref().is_none_or(|tops| tops.len() < MAX_TOPS)
    }
}

impl Metadata {
    /// Reads the headers; the description below the first empty line is of no interest.
    fn parse(text: &str) -> Metadata {
        let mut metadata = Metadata::default();
        for line in text.lines() {
            if line.is_empty() {
                break;
            }
            let Some((key, value)) = line.split_once(':') else { continue };
            let value: String = value.trim().chars().take(1_000).collect();
            match key.to_ascii_lowercase().as_str() {
                "name" => metadata.name = value,
                "version" => metadata.version = value,
                "requires-dist" => metadata.requires.push(value),
                "requires-python" => metadata.requires_python = Some(value),
                "provides-extra" => metadata.extras.push(value),
                _ => {}
            }
        }
        metadata
    }
}

impl DirectUrl {
    fn parse(text: &str) -> Option<DirectUrl> {
        let value: serde_json::Value = serde_json::from_str(text).ok()?;
        let url = value.get("url")?.as_str()?;
        let url = url.split(['?', '#']).next().unwrap_or_default();
        let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
        let (host, tail) = rest.split_once('/').map_or((rest, ""), |(host, tail)| (host, tail));
        let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
        let editable = value.pointer("/dir_info/editable").and_then(|value| value.as_bool());
        Some(DirectUrl {
            url: format!("{scheme}://{host}/{tail}").chars().take(300).collect(),
            editable: editable.unwrap_or(false),
        })
    }
}

/// The metadata folder that this file belongs to, and which file of it this is.
pub(crate) fn metadata_file(entry_path: &str) -> Option<(&str, MetadataFile)> {
    let (folder, name) = (path::parent(entry_path), path::name(entry_path));
    if folder.ends_with(".dist-info") {
        let file = match name {
            "METADATA" => MetadataFile::Metadata,
            "RECORD" => MetadataFile::Record,
            "INSTALLER" => MetadataFile::Installer,
            "direct_url.json" => MetadataFile::DirectUrl,
            "top_level.txt" => MetadataFile::TopLevel,
            _ => return None,
        };
        return Some((folder, file));
    }
    if folder.ends_with(".egg-info") || path::name(folder) == "EGG-INFO" {
        let file = match name {
            "PKG-INFO" => MetadataFile::Metadata,
            "installed-files.txt" => MetadataFile::Record,
            "requires.txt" => MetadataFile::Requires,
            "top_level.txt" => MetadataFile::TopLevel,
            _ => return None,
        };
        return Some((folder, file));
    }
    // Debian's distutils packages have a single file.
    name.ends_with(".egg-info").then_some((entry_path, MetadataFile::Metadata))
}

/// The folder on Python's path and the name in it that this file belongs to:
/// `a/site-packages/b/c.py` is `a/site-packages` and `b`.
pub(crate) fn site_name(entry_path: &str) -> Option<(&str, &str)> {
    for site in ["/site-packages/", "/dist-packages/"] {
        if let Some(at) = entry_path.find(site) {
            let folder = &entry_path[..at + site.len() - 1];
            let rest = &entry_path[at + site.len()..];
            return Some((folder, rest.split('/').next().unwrap_or(rest)));
        }
    }
    None
}

/// Whether a folder lies in something that was itself installed.
fn is_below_site(folder: &str) -> bool {
    site_name(folder).is_some_and(|(_, name)| !name.is_empty() && !name.ends_with(".egg"))
}

fn overlay<T: Clone>(lower: &mut Option<T>, upper: &Option<T>) {
    if upper.is_some() {
        lower.clone_from(upper);
    }
}

/// The first component of every path in a RECORD that stays beside the metadata.
fn record_tops(text: &str) -> BTreeSet<String> {
    let mut tops = BTreeSet::new();
    for line in text.lines() {
        let path = line.trim_start_matches('"').split([',', '"']).next().unwrap_or_default();
        let path = path.strip_prefix("./").unwrap_or(path);
        let top = path.split('/').next().unwrap_or_default();
        let belongs = !top.is_empty() && top != ".." && !top.ends_with("-info");
        if belongs && tops.len() < MAX_TOPS && !tops.contains(top) {
            tops.insert(top.to_owned());
        }
    }
    tops
}

/// Turns an egg's requires.txt into PEP 508: a heading `[extra:marker]` applies to what follows.
fn egg_requirements(text: &str) -> Vec<String> {
    let mut condition = String::new();
    let mut requirements = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if let Some(heading) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            let (extra, marker) = heading.split_once(':').unwrap_or((heading, ""));
            let extra = (!extra.is_empty()).then(|| format!("extra == '{extra}'"));
            let marker = (!marker.is_empty()).then(|| format!("({marker})"));
            let parts: Vec<String> = extra.into_iter().chain(marker).collect();
            condition = parts.join(" and ");
        } else if condition.is_empty() {
            requirements.push(line.to_owned());
        } else {
            requirements.push(format!("{line} ; {condition}"));
        }
    }
    requirements
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[test]
    fn metadata_ends_where_the_description_begins() {
        let mut dist = Distribution::default();
        let text = b"Metadata-Version: 2.1\nName: Foo.Bar\nVersion: 1.0\nRequires-Dist: a>=1\n\
            Requires-Dist: b; extra == 'x'\nProvides-Extra: x\nRequires-Python: >=3.8\n\n\
            Requires-Dist: not-this\n";
        dist.read(MetadataFile::Metadata, text);
        let metadata = dist.metadata.unwrap();
        assert_eq!(metadata.name, "Foo.Bar");
        assert_eq!(metadata.requires, ["a>=1", "b; extra == 'x'"]);
        assert_eq!(metadata.extras, ["x"]);
    }

    #[rstest]
    #[case("v/site-packages/a-1.dist-info/METADATA", Some(("v/site-packages/a-1.dist-info", MetadataFile::Metadata)))]
    #[case("v/site-packages/a-1.dist-info/LICENSE", None)]
    #[case("v/dist-packages/a-1.egg-info", Some(("v/dist-packages/a-1.egg-info", MetadataFile::Metadata)))]
    #[case("v/dist-packages/a-1.egg-info/requires.txt", Some(("v/dist-packages/a-1.egg-info", MetadataFile::Requires)))]
    #[case("usr/share/METADATA", None)]
    fn metadata_files_are_known_by_path(
        #[case] path: &str,
        #[case] expected: Option<(&str, MetadataFile)>,
    ) {
        assert_eq!(metadata_file(path), expected);
    }

    #[rstest]
    #[case("v/site-packages/a-1.dist-info", false)]
    #[case("deps/a-1.dist-info", false)]
    #[case("v/site-packages/setuptools/_vendor/wheel-0.45.dist-info", true)]
    #[case("app/_vendor/a-1.dist-info", true)]
    #[case("v/site-packages/pip/_vendor/a-1.dist-info", true)]
    fn what_another_distribution_carries_is_vendored(#[case] path: &str, #[case] expected: bool) {
        let dist = Distribution { path: path.to_owned(), ..Distribution::default() };
        assert_eq!(dist.is_vendored(), expected);
    }

    #[test]
    fn a_direct_url_loses_its_password() {
        let url = DirectUrl::parse(
            r#"{"url": "https://u:pw@host/x?token=1", "dir_info": {"editable": true}}"#,
        )
        .unwrap();
        assert_eq!(url, DirectUrl { url: "https://host/x".to_owned(), editable: true });
    }

    #[test]
    fn a_record_tells_what_lies_beside_the_metadata() {
        let tops = record_tops(
            "a/__init__.py,sha256=x,1\n../../bin/a,,\na-1.dist-info/RECORD,,\nb.py,,\n",
        );
        assert_eq!(tops.into_iter().collect::<Vec<_>>(), ["a", "b.py"]);
    }

    #[test]
    fn headings_of_an_egg_become_markers() {
        assert_eq!(
            egg_requirements("a\n[x]\nb\n[:python_version<'3']\nc\n"),
            ["a", "b ; extra == 'x'", "c ; (python_version<'3')"]
        );
    }
}
