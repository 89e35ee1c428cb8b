//! An image as a container sees it: later layers hide and replace what earlier ones hold.

use std::collections::{BTreeMap, BTreeSet};

use crate::image::distribution::Distribution;
use crate::image::packages::PackageDatabase;
use crate::image::path::{ancestors, name, parent};
use crate::image::{Image, Layer};

/// What shows through all layers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Merged {
    /// The package databases, by path.
    pub packages: BTreeMap<String, PackageDatabase>,
    /// The metadata of Python distributions, by path.
    pub dists: BTreeMap<String, Distribution>,
    /// The names in each folder on Python's path.
    pub sites: BTreeMap<String, BTreeSet<String>>,
    /// What Debian itself put below `dist-packages`.
    pub debian_python: BTreeSet<String>,
    /// `/etc/passwd`.
    pub passwd: Option<String>,
    /// `/etc/group`.
    pub group: Option<String>,
}

impl Image {
    /// The first layer above `layer` that hides the path from a container. What replaces a file
    /// by another of the same name is not seen here.
    #[must_use]
    pub fn hidden_in(&self, layer: usize, path: &str) -> Option<usize> {
        let above = self.layers.iter().enumerate().skip(layer + 1);
        above.into_iter().find(|(_, one)| hides(one, path)).map(|(at, _)| at)
    }

    /// Lays the layers over one another.
    #[must_use]
    pub fn merged(&self) -> Merged {
        let mut merged = Merged::default();
        for layer in &self.layers {
            merged.hide(layer);
            let facts = &layer.facts;
            for database in &facts.packages {
                merged.packages.insert(database.path.clone(), database.clone());
            }
            for dist in &facts.dists {
                merged.dists.entry(dist.path.clone()).or_insert_with(|| dist.clone()).overlay(dist);
            }
            for (folder, names) in &facts.sites {
                merged.sites.entry(folder.clone()).or_default().extend(names.iter().cloned());
            }
            merged.debian_python.extend(facts.debian_python.iter().cloned());
            if facts.passwd.is_some() {
                merged.passwd.clone_from(&facts.passwd);
            }
            if facts.group.is_some() {
                merged.group.clone_from(&facts.group);
            }
        }
        merged
    }
}

impl Merged {
    /// Takes out what a layer hides of those below it.
    fn hide(&mut self, layer: &Layer) {
        self.packages.retain(|path, _| !hides(layer, path));
        self.debian_python.retain(|path| !hides(layer, path));
        self.dists.retain(|path, _| !hides(layer, path));
        self.sites.retain(|folder, names| {
            names.retain(|name| !hides(layer, &format!("{folder}/{name}")));
            !names.is_empty()
        });
        for (path, account) in [("etc/passwd", &mut self.passwd), ("etc/group", &mut self.group)] {
            if hides(layer, path) {
                *account = None;
            }
        }
        // An uninstaller removes file by file, and may leave the folder.
        for hidden in &layer.facts.whiteouts.kept {
            if let Some(dist) = self.dists.get_mut(parent(hidden)) {
                match name(hidden) {
                    "METADATA" | "PKG-INFO" => dist.metadata = None,
                    "INSTALLER" => dist.installer = None,
                    "RECORD" => dist.tops = None,
                    "direct_url.json" => dist.direct_url = None,
                    _ => {}
                }
            }
        }
    }
}

fn hides(layer: &Layer, path: &str) -> bool {
    let facts = &layer.facts;
    // Both lists are sorted: one layer can hide tens of thousands of paths, and each of them is
    // asked of every file below.
    let holds =
        |list: &[String], path: &str| list.binary_search_by(|one| one.as_str().cmp(path)).is_ok();
    ancestors(path).any(|one| holds(&facts.whiteouts.kept, one))
        || ancestors(path).skip(1).any(|folder| holds(&facts.opaque.kept, folder))
}
