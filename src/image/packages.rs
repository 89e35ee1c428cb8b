//! The package databases of distributions: dpkg's and apk's.

use serde::{Deserialize, Serialize};

use crate::image::limits::PACKAGES;
use crate::image::path;

/// Who keeps a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PackageManagerKind {
    /// Debian and its descendants.
    Dpkg,
    /// Alpine.
    Apk,
}

/// One file of a package database, as a layer holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackageDatabase {
    /// The file, without a leading slash.
    pub path: String,
    /// Who keeps it.
    pub manager: PackageManagerKind,
    /// The packages in it.
    pub packages: Vec<Package>,
}

impl PackageDatabase {
    /// What it takes of memory, in bytes, roughly.
    pub(crate) fn bytes(&self) -> usize {
        let texts = |one: &Package| one.name.len() + one.version.len() + one.status.len();
        self.path.len()
            + self.packages.iter().map(|one| texts(one) + size_of::<Package>()).sum::<usize>()
    }
}

/// One entry of a package database.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Package {
    /// The name.
    pub name: String,
    /// The version, as the distribution writes it.
    pub version: String,
    /// dpkg's status, such as `install ok installed`; empty where the database has none, which
    /// means installed.
    pub status: String,
}

impl Package {
    /// Whether the package's files are there. Configuration that stayed behind does not count.
    #[must_use]
    pub fn is_installed(&self) -> bool {
        !["not-installed", "config-files"].iter().any(|state| self.status.ends_with(state))
    }
}

/// Who keeps the database at this path, if it is one.
pub(crate) fn database(entry_path: &str) -> Option<PackageManagerKind> {
    match entry_path {
        "var/lib/dpkg/status" => Some(PackageManagerKind::Dpkg),
        "lib/apk/db/installed" | "usr/lib/apk/db/installed" => Some(PackageManagerKind::Apk),
        // Distroless images have a file for each package, and lists of files beside them.
        _ if path::parent(entry_path) == "var/lib/dpkg/status.d"
            && !entry_path.ends_with(".md5sums") =>
        {
            Some(PackageManagerKind::Dpkg)
        }
        _ => None,
    }
}

/// Whether this is a database that nothing here can read.
pub(crate) fn is_foreign_database(entry_path: &str) -> bool {
    ["var/lib/rpm/", "usr/lib/sysimage/rpm/", "usr/share/rpm/"].iter().any(|folder| {
        entry_path
            .strip_prefix(folder)
            .is_some_and(|name| matches!(name, "rpmdb.sqlite" | "Packages" | "Packages.db"))
    }) || entry_path.starts_with("var/lib/pacman/local/") && entry_path.ends_with("/desc")
}

/// Reads a database. Paragraphs without a name are passed over. `None` where there are more
/// packages than a distribution has.
pub(crate) fn parse(manager: PackageManagerKind, text: &[u8]) -> Option<Vec<Package>> {
    let (name, version, status) = match manager {
        PackageManagerKind::Dpkg => ("Package:", "Version:", "Status:"),
        PackageManagerKind::Apk => ("P:", "V:", "\0"),
    };
    let text = String::from_utf8_lossy(text);
    let mut packages = Vec::new();
    let mut package: Option<Package> = None;
    for line in text.lines().chain([""]) {
        if line.is_empty() {
            packages.extend(package.take().filter(|package| !package.name.is_empty()));
            if packages.len() > PACKAGES {
                return None;
            }
            continue;
        }
        let package = package.get_or_insert_with(|| Package {
            name: String::new(),
            version: String::new(),
            status: String::new(),
        });
        // Continuation lines begin with a space and so match none of these.
        if let Some(value) = line.strip_prefix(name) {
            package.name = bounded(value);
        } else if let Some(value) = line.strip_prefix(version) {
            package.version = bounded(value);
        } else if let Some(value) = line.strip_prefix(status) {
            package.status = bounded(value);
        }
    }
    Some(packages)
}

/// The folders and metadata of Python packages in a dpkg file list: what Debian itself put below
/// `dist-packages`.
pub(crate) fn python_files(list: &[u8]) -> impl Iterator<Item = String> {
    const FOLDER: &str = "usr/lib/python3/dist-packages/";
    list.split(|byte| *byte == b'\n').filter_map(|line| {
        let line = std::str::from_utf8(line).ok()?.trim_start_matches('/');
        let rest = line.strip_prefix(FOLDER)?;
        (!rest.is_empty() && !rest.contains('/')).then(|| line.to_owned())
    })
}

fn bounded(value: &str) -> String {
    value.trim().chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[test]
    fn a_dpkg_status_is_read_by_paragraphs() {
        let text = b"Package: gcc-12\nStatus: install ok installed\nVersion: 12.2.0-14\n\
            Description: compiler\n Package: not this one\n\n\
            Package: make\nStatus: deinstall ok config-files\nVersion: 4.3\n";
        let packages = parse(PackageManagerKind::Dpkg, text).unwrap();
        assert_eq!(packages.len(), 2);
        assert_eq!(
            (packages[0].name.as_str(), packages[0].version.as_str()),
            ("gcc-12", "12.2.0-14")
        );
        assert!(packages[0].is_installed());
        assert!(!packages[1].is_installed(), "configuration that stayed is no package");
    }

    #[test]
    fn an_apk_database_is_read_and_counts_as_installed() {
        let text = b"C:Q1\nP:gcc\nV:13.2-r0\n\nP:musl\nV:1\n\n";
        let packages = parse(PackageManagerKind::Apk, text).unwrap();
        assert_eq!(packages.len(), 2);
        assert!(packages.iter().all(Package::is_installed));
        assert_eq!(packages[0].name, "gcc");
    }

    #[test]
    fn a_database_of_more_packages_than_there_are_is_not_read() {
        let text = "P:a\n\n".repeat(PACKAGES);
        assert_eq!(parse(PackageManagerKind::Apk, text.as_bytes()).unwrap().len(), PACKAGES);
        assert_eq!(parse(PackageManagerKind::Apk, format!("{text}P:a\n").as_bytes()), None);
    }

    #[rstest]
    #[case("var/lib/dpkg/status", true)]
    #[case("var/lib/dpkg/status.d/base-files", true)]
    #[case("var/lib/dpkg/status.d/base-files.md5sums", false)]
    #[case("var/lib/dpkg/status-old", false)]
    #[case("lib/apk/db/installed", true)]
    fn databases_are_known_by_path(#[case] path: &str, #[case] expected: bool) {
        assert_eq!(database(path).is_some(), expected);
    }

    #[test]
    fn an_rpm_database_is_known_to_be_unreadable() {
        assert!(is_foreign_database("var/lib/rpm/rpmdb.sqlite"));
        assert!(!is_foreign_database("var/lib/rpm/.rpm.lock"));
    }

    #[test]
    fn a_file_list_names_debians_own_python_packages() {
        let list = b"/.\n/usr/lib/python3/dist-packages\n/usr/lib/python3/dist-packages/six.py\n\
            /usr/lib/python3/dist-packages/six-1.16.0.egg-info\n\
            /usr/lib/python3/dist-packages/a/b.py\n";
        let files: Vec<_> = python_files(list).collect();
        assert_eq!(
            files,
            [
                "usr/lib/python3/dist-packages/six.py",
                "usr/lib/python3/dist-packages/six-1.16.0.egg-info"
            ]
        );
    }
}
