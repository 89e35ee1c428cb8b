//! Whether an image's Python dependencies come from one file, and from nowhere else.
//!
//! Three questions, each a pure function. [`context::second_sources`]: does the build context hold
//! another list of dependencies? [`dockerfile::installs`]: does the Dockerfile install anything
//! that the file does not name? [`closure::check`]: is what the image holds just what follows from
//! the file?

pub mod closure;
pub mod context;
pub mod declared;
pub mod dockerfile;
mod install;
mod shell;

pub use declared::Declared;

/// Installers and build backends, which put nothing into an application.
pub(crate) const BOOTSTRAP: &[&str] = &["pip", "setuptools", "wheel", "uv"];

/// Programs that only build or install, and are as a rule left behind in a builder stage.
pub(crate) const BUILDERS: &[&str] = &[
    "build",
    "hatch",
    "hatchling",
    "flit",
    "flit-core",
    "poetry",
    "poetry-core",
    "pdm",
    "pip-tools",
    "virtualenv",
    "pipx",
    "setuptools-scm",
];

/// The name by which PEP 503 compares distributions: lower case, runs of `-`, `_` and `.` one
/// dash.
#[must_use]
pub fn normalise_name(name: &str) -> String {
    let mut normal = String::with_capacity(name.len());
    for c in name.trim().chars() {
        if matches!(c, '-' | '_' | '.') {
            if !normal.ends_with('-') {
                normal.push('-');
            }
        } else {
            normal.extend(c.to_lowercase());
        }
    }
    normal
}

/// The distribution that a requirement begins with, normalised: `Foo.Bar[x]>=1` is `foo-bar`.
/// `None` where it begins with no name.
pub(crate) fn leading_name(requirement: &str) -> Option<String> {
    let end = requirement
        .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')))
        .unwrap_or(requirement.len());
    let rest = requirement[end..].trim_start();
    let follows =
        rest.is_empty() || rest.starts_with(['[', '=', '<', '>', '!', '~', ';', '@', '(']);
    let name = &requirement[..end];
    (follows && name.starts_with(|c: char| c.is_ascii_alphanumeric())).then(|| normalise_name(name))
}

/// Whether a file of this name is a list of requirements.
pub(crate) fn is_requirements_name(path: &str) -> bool {
    let lower = path.to_ascii_lowercase();
    let name = crate::image::path::name(&lower);
    let folder = crate::image::path::name(crate::image::path::parent(&lower));
    let Some((stem, ending)) = name.rsplit_once('.') else { return name == "requirements" };
    matches!(ending, "txt" | "in" | "pip" | "lst" | "req")
        && (["requirement", "constraint"].iter().any(|word| stem.contains(word))
            || matches!(stem, "reqs" | "req" | "deps" | "dependencies" | "pip")
            || stem.starts_with("reqs-")
            || stem.starts_with("reqs_")
            || matches!(folder, "requirements" | "reqs"))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("Foo.Bar", "foo-bar")]
    #[case("foo__bar", "foo-bar")]
    #[case("FOO-.-bar", "foo-bar")]
    fn names_are_compared_as_pep_503_says(#[case] name: &str, #[case] expected: &str) {
        assert_eq!(normalise_name(name), expected);
    }

    #[rstest]
    #[case("requests", Some("requests"))]
    #[case("Requests[socks]>=2", Some("requests"))]
    #[case("uv==${UV_VERSION}", Some("uv"))]
    #[case("a @ https://h/a.whl", Some("a"))]
    #[case("git+https://h/a", None)]
    #[case("./dir", None)]
    #[case("https://h/a", None)]
    #[case("$PKGS", None)]
    fn a_requirement_begins_with_a_name(#[case] text: &str, #[case] expected: Option<&str>) {
        assert_eq!(leading_name(text).as_deref(), expected);
    }

    #[rstest]
    #[case("requirements.txt", true)]
    #[case("requirements-dev.txt", true)]
    #[case("dev-requirements.in", true)]
    #[case("requirements/base.txt", true)]
    #[case("reqs.in", true)]
    #[case("constraints.txt", true)]
    #[case("requirements.md", false)]
    #[case("notes.txt", false)]
    fn lists_of_requirements_are_known_by_name(#[case] path: &str, #[case] expected: bool) {
        assert_eq!(is_requirements_name(path), expected);
    }
}
