//! Whether what is installed is just what follows from what is declared.

use std::collections::{BTreeMap, BTreeSet};

use pep440_rs::Version;
use pep508_rs::{
    ExtraName, MarkerEnvironment, MarkerEnvironmentBuilder, Requirement, VerbatimUrl, VersionOrUrl,
};
use serde::Serialize;

use crate::image::Image;
use crate::image::dependencies::declared::{self, Declared};
use crate::image::dependencies::{BOOTSTRAP, normalise_name};
use crate::image::distribution::Distribution;
use crate::image::layer::UnreadReason;
use crate::image::merged::Merged;
use crate::image::path;

/// How many requirements of installed distributions are followed. Each extra that is asked for
/// makes its distribution's be looked at anew.
const MAX_FOLLOWED: usize = 200_000;

/// Names on Python's path that tools leave there and no RECORD lists.
const UNCLAIMED: &[&str] = &["_virtualenv.py", "_virtualenv.pth", "README", "README.txt", "bin"];

/// An installed distribution.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Installed {
    /// The normalised name.
    pub name: String,
    /// The version, as the metadata has it.
    pub version: String,
    /// The metadata folder, without a leading slash.
    pub path: String,
    /// What installed it, where that is known.
    pub installer: Option<String>,
    /// Where it came from, where that is not an index.
    pub url: Option<String>,
}

/// Why an installed distribution needs no reason in the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Exemption {
    /// It belongs to a Debian package.
    Debian,
    /// It is an installer: pip, setuptools, wheel or uv.
    Installer,
}

/// A declared dependency of which another version is installed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unsatisfied {
    /// The requirement as it is declared.
    pub requirement: String,
    /// What is installed.
    pub installed: Installed,
}

/// What comparing the image with the source came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ClosureReport {
    /// Distributions that do not follow from the source.
    pub unexplained: Vec<Installed>,
    /// Files and folders on Python's path that no distribution claims: packages that were copied
    /// there, or whose metadata was removed.
    pub unclaimed: Vec<String>,
    /// Declared dependencies that are not installed.
    pub missing: Vec<String>,
    /// Declared dependencies of which another version is installed.
    pub unsatisfied: Vec<Unsatisfied>,
    /// Distributions that need no reason.
    pub exempt: Vec<(Installed, Exemption)>,
    /// How many distributions follow from the source.
    pub explained: usize,
    /// What could not be read. Where this is not empty, no finding does not mean that all is well.
    pub unread: Vec<String>,
}

/// Compares what a container of the image sees with what is declared. `extras` are the optional
/// dependencies that the image is meant to have.
#[must_use]
pub fn check(image: &Image, declared: &Declared, extras: &[String]) -> ClosureReport {
    let merged = image.merged();
    let mut report = ClosureReport {
        unread: declared.unread.iter().map(|text| format!("requirement `{text}`")).collect(),
        ..ClosureReport::default()
    };
    for (at, layer) in image.layers.iter().enumerate() {
        if layer.facts.whiteouts.dropped + layer.facts.opaque.dropped > 0 {
            report.unread.push(format!("layer {at} hides more paths than were kept"));
        }
        report.unread.extend(layer.unread(at, UnreadReason::hides_dists));
    }
    let installed: Vec<(Installed, &Distribution)> = merged
        .dists
        .values()
        .filter(|dist| !dist.is_vendored())
        .map(|dist| (Installed::of(dist), dist))
        .collect();
    let reached = reach(&installed, declared, extras, &mut report.unread);
    for (one, dist) in &installed {
        if is_debians(&merged, &dist.path) {
            report.exempt.push((one.clone(), Exemption::Debian));
        } else if reached.contains_key(&one.name) || declared.project.as_ref() == Some(&one.name) {
            report.explained += 1;
        } else if BOOTSTRAP.contains(&one.name.as_str()) {
            report.exempt.push((one.clone(), Exemption::Installer));
        } else {
            report.unexplained.push(one.clone());
        }
    }
    demand(&installed, declared, extras, &mut report);
    report.unclaimed = unclaimed(&merged, &installed, &mut report.unread);
    report
}

impl Installed {
    fn of(dist: &Distribution) -> Installed {
        // Without metadata the folder's name still says what it is: `name-version.dist-info`.
        let folder = path::name(&dist.path);
        let stem = folder.rsplit_once('.').map_or(folder, |(stem, _)| stem);
        let (name, version) = stem.split_once('-').unwrap_or((stem, ""));
        let metadata = dist.metadata.as_ref().filter(|metadata| !metadata.name.is_empty());
        Installed {
            name: normalise_name(metadata.map_or(name, |metadata| &metadata.name)),
            version: metadata.map_or(version, |metadata| &metadata.version).to_owned(),
            path: dist.path.clone(),
            installer: dist.installer.clone(),
            url: dist.direct_url.as_ref().map(|url| url.url.clone()),
        }
    }
}

/// Every name that follows from the source, with the extras that are asked of it. Markers other
/// than extras are taken to hold: too much explained is a smaller fault than a true dependency
/// reported.
fn reach(
    installed: &[(Installed, &Distribution)],
    declared: &Declared,
    extras: &[String],
    unread: &mut Vec<String>,
) -> BTreeMap<String, BTreeSet<ExtraName>> {
    let mut requires: BTreeMap<&str, Vec<Requirement<VerbatimUrl>>> = BTreeMap::new();
    for (one, dist) in installed {
        for text in dist.metadata.iter().flat_map(|metadata| &metadata.requires) {
            match declared::parse(text) {
                Some(requirement) => requires.entry(&one.name).or_default().push(requirement),
                None => unread.push(format!("requirement `{text}` of {}", one.name)),
            }
        }
    }
    let mut reached: BTreeMap<String, BTreeSet<ExtraName>> = BTreeMap::new();
    let mut open: Vec<Requirement<VerbatimUrl>> =
        asked(declared, extras).into_iter().cloned().collect();
    let mut followed = 0;
    while let Some(requirement) = open.pop() {
        let name = requirement.name.to_string();
        // `all = ["app[web]"]` asks for the project's own extras.
        if declared.project.as_ref() == Some(&name) {
            for extra in &requirement.extras {
                let unseen = reached.entry(name.clone()).or_default().insert(extra.clone());
                if let (true, Some(more)) = (unseen, declared.extras.get(&extra.to_string())) {
                    open.extend(more.iter().cloned());
                }
            }
            continue;
        }
        let is_new = !reached.contains_key(&name);
        let known = reached.entry(name.clone()).or_default();
        let before = known.len();
        known.extend(requirement.extras.iter().cloned());
        if is_new || known.len() > before {
            let active: Vec<ExtraName> = known.iter().cloned().collect();
            let further = requires.get(name.as_str()).map_or(&[][..], Vec::as_slice);
            followed += further.len() + 1;
            if followed > MAX_FOLLOWED {
                unread.push(format!("more than {MAX_FOLLOWED} requirements lead to one another"));
                break;
            }
            let further = further.iter();
            open.extend(further.filter(|next| next.marker.evaluate_extras(&active)).cloned());
        }
    }
    reached
}

fn asked<'a>(declared: &'a Declared, extras: &[String]) -> Vec<&'a Requirement<VerbatimUrl>> {
    let optional = extras.iter().filter_map(|extra| declared.extras.get(&normalise_name(extra)));
    declared.requirements.iter().chain(optional.flatten()).collect()
}

/// Looks for what is declared among what is installed.
fn demand(
    installed: &[(Installed, &Distribution)],
    declared: &Declared,
    extras: &[String],
    report: &mut ClosureReport,
) {
    for extra in extras.iter().filter(|extra| !declared.extras.contains_key(&normalise_name(extra)))
    {
        report.unread.push(format!("the source declares no extra `{extra}`"));
    }
    let environment = environment(installed);
    for requirement in asked(declared, extras) {
        let name = requirement.name.to_string();
        if declared.project.as_ref() == Some(&name) {
            continue;
        }
        let copies: Vec<&Installed> =
            installed.iter().map(|(one, _)| one).filter(|one| one.name == name).collect();
        if copies.is_empty() {
            let asked = match (&environment, requirement.marker.is_true()) {
                (_, true) => true,
                (Some(environment), false) => requirement.marker.evaluate(environment, &[]),
                (None, false) => {
                    report.unread.push(format!(
                        "whether `{requirement}` applies: the Python version is not known"
                    ));
                    false
                }
            };
            if asked {
                report.missing.push(requirement.to_string());
            }
            continue;
        }
        let Some(VersionOrUrl::VersionSpecifier(versions)) = &requirement.version_or_url else {
            continue;
        };
        for one in copies {
            match one.version.parse::<Version>() {
                Ok(version) if versions.contains(&version) => {}
                Ok(_) => report.unsatisfied.push(Unsatisfied {
                    requirement: requirement.to_string(),
                    installed: one.clone(),
                }),
                Err(_) => report.unread.push(format!("version `{}` of {name}", one.version)),
            }
        }
    }
}

/// The environment of the image's Python: its version stands in the paths.
fn environment(installed: &[(Installed, &Distribution)]) -> Option<MarkerEnvironment> {
    let version = installed.iter().find_map(|(one, _)| {
        one.path.split('/').find_map(|part| {
            let version = part.strip_prefix("python")?;
            let numeric = version.split('.').all(|part| part.parse::<u32>().is_ok());
            (numeric && version.contains('.')).then(|| version.to_owned())
        })
    })?;
    let full = format!("{version}.0");
    MarkerEnvironment::try_from(MarkerEnvironmentBuilder {
        implementation_name: "cpython",
        implementation_version: &full,
        os_name: "posix",
        platform_machine: if cfg!(target_arch = "aarch64") { "aarch64" } else { "x86_64" },
        platform_python_implementation: "CPython",
        platform_release: "",
        platform_system: "Linux",
        platform_version: "",
        python_full_version: &full,
        python_version: &version,
        sys_platform: "linux",
    })
    .ok()
}

/// Whether a Debian package brought the metadata, or what lies beside it under the same name.
fn is_debians(merged: &Merged, metadata: &str) -> bool {
    merged.debian_python.contains(metadata)
}

fn unclaimed(
    merged: &Merged,
    installed: &[(Installed, &Distribution)],
    unread: &mut Vec<String>,
) -> Vec<String> {
    let mut unclaimed = Vec::new();
    for (folder, names) in &merged.sites {
        let mut claimed: BTreeSet<&str> = BTreeSet::new();
        for (one, dist) in installed.iter().filter(|(one, _)| path::parent(&one.path) == folder) {
            match &dist.tops {
                Some(tops) => claimed.extend(tops.iter().map(String::as_str)),
                None if is_debians(merged, &dist.path) => {}
                None => unread.push(format!("/{} has no RECORD", one.path)),
            }
        }
        for name in names {
            let whole = format!("{folder}/{name}");
            // top_level.txt names modules; a module is a folder or a file of one of these kinds.
            let module = name.split('.').next().unwrap_or(name);
            let known = claimed.contains(name.as_str())
                || claimed.contains(module)
                || UNCLAIMED.contains(&name.as_str())
                || merged.debian_python.contains(&whole);
            if !known {
                unclaimed.push(whole);
            }
        }
    }
    unclaimed
}
