//! The arguments of a command that installs.

use crate::image::dependencies::shell::Word;

/// Options of pip and uv that take a value which installs nothing.
const VALUED: &[&str] = &[
    "-i",
    "--index-url",
    "--extra-index-url",
    "--index",
    "--default-index",
    "-t",
    "--target",
    "--prefix",
    "--root",
    "-f",
    "--find-links",
    "--cache-dir",
    "-p",
    "--python",
    "--trusted-host",
    "--cert",
    "--client-cert",
    "--timeout",
    "--retries",
    "--progress-bar",
    "--only-binary",
    "--no-binary",
    "--platform",
    "--python-version",
    "--implementation",
    "--abi",
    "-C",
    "--config-settings",
    "--config-setting",
    "--global-option",
    "--build-option",
    "--install-option",
    "--upgrade-strategy",
    "--src",
    "--log",
    "--report",
    "--exists-action",
    "--proxy",
    "--use-feature",
    "--use-deprecated",
    "--extra",
    "--group",
    "--only-group",
    "--no-group",
    "--link-mode",
    "--resolution",
    "--prerelease",
    "--exclude-newer",
    "--index-strategy",
    "--keyring-provider",
    "--refresh-package",
    "--no-build-package",
    "--no-binary-package",
    "--allow-insecure-host",
    "--directory",
    "--project",
    "--root-user-action",
    "--color",
    "-w",
    "--wheel-dir",
    "-d",
    "--dest",
    "-o",
    "--output-file",
    "--output",
    "--format",
    "--suffix",
    "--pip-args",
    "--source",
    "--upgrade-package",
    "-P",
    "--no-install-package",
    "--no-emit-package",
    "--prune",
    "--annotation-style",
    "--python-platform",
    "--torch-backend",
    "--dev-group",
];

/// Options that name a list.
const LISTS: &[&str] = &[
    "-r",
    "--requirement",
    "--requirements",
    "-c",
    "--constraint",
    "--constraints",
    "--override",
    "--overrides",
    "--build-constraint",
    "--build-constraints",
    "--excludes",
    "--with-requirements",
];

/// The arguments of an installer, taken apart.
#[derive(Default)]
pub(super) struct Arguments<'a> {
    /// What is installed by itself.
    pub(super) packages: Vec<&'a Word>,
    /// What lists further packages.
    pub(super) lists: Vec<Word>,
    /// Where wheels are put.
    pub(super) wheel_folder: Option<String>,
    /// The file that is written.
    pub(super) output: Option<String>,
}

impl<'a> Arguments<'a> {
    /// Reads the words behind the verb.
    pub(super) fn of(arguments: &'a [Word]) -> Arguments<'a> {
        let mut taken = Arguments::default();
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            let text = word.text.as_str();
            if !text.starts_with('-') || text == "-" {
                taken.packages.push(word);
                continue;
            }
            let (name, mut value) = match text.split_once('=') {
                Some((name, value)) if name.starts_with("--") => (name, Some(value.to_owned())),
                // `-rfile` and `-e.`; a long option stands alone.
                _ if !text.starts_with("--") && text.len() > 2 && text.is_char_boundary(2) => {
                    (&text[..2], Some(text[2..].to_owned()))
                }
                _ => (text, None),
            };
            let is_editable = matches!(name, "-e" | "--editable");
            let is_list = LISTS.contains(&name);
            if is_editable && value.is_none() {
                // The next word is a package as any other.
                continue;
            }
            let mut expands = word.expands;
            if value.is_none() && (is_list || VALUED.contains(&name)) {
                let Some(next) = words.next() else { break };
                value = Some(next.text.clone());
                expands = next.expands;
            }
            let Some(value) = value else { continue };
            if is_list || is_editable {
                // An editable project is judged as the list that stands in its folder.
                let text = if is_editable { format!("{value}/pyproject.toml") } else { value };
                taken.lists.push(Word { text, expands });
            } else if matches!(name, "-w" | "--wheel-dir" | "-d" | "--dest") {
                taken.wheel_folder = Some(value);
            } else if matches!(name, "-o" | "--output-file" | "--output") {
                taken.output = Some(value);
            }
        }
        taken
    }
}

/// The place of the word that is the `count`th verb, options and their values passed over.
pub(super) fn verb(words: &[Word], count: usize) -> Option<usize> {
    let mut at = 0;
    let mut seen = 0;
    while let Some(word) = words.get(at) {
        if word.text.starts_with('-') {
            at += if VALUED.contains(&word.text.as_str()) { 2 } else { 1 };
            continue;
        }
        if seen == count {
            return Some(at);
        }
        seen += 1;
        at += 1;
    }
    None
}

/// The value of an option, by any of its names.
pub(super) fn option(words: &[Word], names: &[&str]) -> Option<String> {
    let at = words.iter().position(|word| names.contains(&word.text.as_str()))?;
    words.get(at + 1).map(|word| word.text.clone())
}
