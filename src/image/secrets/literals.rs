//! Values that are known to be secret, such as those of the Compose model, searched in all bytes.
//!
//! They are no part of a layer's facts: facts are kept on disk and shared between runs.

use std::collections::BTreeSet;
use std::fmt;

use aho_corasick::AhoCorasick;
use serde::Serialize;

use crate::image::error::ImageError;

/// The shortest value that is searched, in bytes: a shorter one occurs everywhere by chance.
pub const SHORTEST: usize = 6;
/// The longest beginning of a value that is searched, in bytes.
const LONGEST: usize = 1024;

/// How far windows over one file must overlap, in bytes: the longest value in base64.
pub(crate) const OVERLAP: usize = LONGEST * 2;

/// A value that must not be in an image.
#[derive(Clone, PartialEq, Eq)]
pub struct Literal {
    /// What to call it in a report.
    pub name: String,
    /// The value. It appears in no report and in no debug output.
    pub value: String,
}

impl fmt::Debug for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Literal").field("name", &self.name).finish_non_exhaustive()
    }
}

/// How a known value was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Encoding {
    /// As it is.
    Plain,
    /// In base64.
    Base64,
    /// With percent signs, as in a URL.
    Percent,
}

/// A known value that was found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct LiteralHit {
    /// The file, without a leading slash.
    pub path: String,
    /// The name of the value.
    pub name: String,
    /// How it was written.
    pub encoding: Encoding,
}

/// Known values, ready to be searched.
pub(crate) struct Literals {
    automaton: Option<AhoCorasick>,
    owners: Vec<(String, Encoding)>,
}

impl Literals {
    /// Prepares the values. Those that are too short are left out; see [`SHORTEST`].
    pub(crate) fn new(literals: &[Literal]) -> Result<Literals, ImageError> {
        let mut needles: Vec<Vec<u8>> = Vec::new();
        let mut owners = Vec::new();
        for literal in literals.iter().filter(|literal| is_searchable(literal)) {
            let value = &literal.value.as_bytes()[..literal.value.len().min(LONGEST)];
            let mut add = |needle: Vec<u8>, encoding| {
                needles.push(needle);
                owners.push((literal.name.clone(), encoding));
            };
            add(value.to_vec(), Encoding::Plain);
            let percent = percent(value);
            if percent != value {
                add(percent, Encoding::Percent);
            }
            for core in base64_cores(value) {
                add(core, Encoding::Base64);
            }
        }
        let automaton = if needles.is_empty() {
            None
        } else {
            Some(AhoCorasick::new(&needles).map_err(|error| ImageError::Table {
                table: "known secrets",
                problem: error.to_string(),
            })?)
        };
        Ok(Literals { automaton, owners })
    }

    /// Whether there is anything to search for.
    pub(crate) fn is_empty(&self) -> bool {
        self.automaton.is_none()
    }

    /// The values that occur in a window.
    pub(crate) fn search(&self, window: &[u8], found: &mut BTreeSet<(String, Encoding)>) {
        let Some(automaton) = &self.automaton else { return };
        for hit in automaton.find_overlapping_iter(window) {
            let owner = &self.owners[hit.pattern().as_usize()];
            if !found.contains(owner) {
                found.insert(owner.clone());
            }
        }
    }
}

/// Whether the value is long enough to be searched.
pub(crate) fn is_searchable(literal: &Literal) -> bool {
    literal.value.len() >= SHORTEST
}

/// The middle of the value's base64 for each of the three places where it can begin in a longer
/// text. The ends depend on what stands beside the value and are left out.
fn base64_cores(value: &[u8]) -> Vec<Vec<u8>> {
    const TABLE: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    (0..3)
        .filter_map(|shift| {
            let padded: Vec<u8> =
                std::iter::repeat_n(0, shift).chain(value.iter().copied()).collect();
            let encoded: Vec<u8> = padded
                .chunks_exact(3)
                .flat_map(|three| {
                    let bits =
                        three.iter().fold(0usize, |bits, byte| bits << 8 | usize::from(*byte));
                    [18, 12, 6, 0].map(|by| TABLE[bits >> by & 63])
                })
                .collect();
            // A shifted value shares its first group of four with what stands before it.
            let core = encoded.get(if shift == 0 { 0 } else { 4 }..)?;
            (core.len() >= 8).then(|| core.to_vec())
        })
        .collect()
}

fn percent(value: &[u8]) -> Vec<u8> {
    let mut encoded = Vec::new();
    for byte in value {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(byte) {
            encoded.push(*byte);
        } else {
            encoded.extend_from_slice(format!("%{byte:02X}").as_bytes());
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn search(value: &str, text: &str) -> Vec<Encoding> {
        let literal = Literal { name: "pw".to_owned(), value: value.to_owned() };
        let mut found = BTreeSet::new();
        Literals::new(&[literal]).unwrap().search(text.as_bytes(), &mut found);
        found.into_iter().map(|(_, encoding)| encoding).collect()
    }

    #[rstest]
    #[case("x topsecretpw y", &[Encoding::Plain])]
    #[case("dG9wc2VjcmV0cHc=", &[Encoding::Base64])] // topsecretpw
    #[case("dXNlcjp0b3BzZWNyZXRwdw==", &[Encoding::Base64])] // user:topsecretpw
    #[case("eHh0b3BzZWNyZXRwdw==", &[Encoding::Base64])] // xxtopsecretpw
    #[case("top secret pw", &[])]
    fn a_value_is_found_in_every_writing(#[case] text: &str, #[case] expected: &[Encoding]) {
        assert_eq!(search("topsecretpw", text), expected);
    }

    #[test]
    fn a_value_with_signs_is_found_in_a_url() {
        assert_eq!(search("p@ss/word", "redis://:p%40ss%2Fword@h"), [Encoding::Percent]);
    }

    #[test]
    fn a_short_value_is_not_searched() {
        assert!(search("abc", "abc").is_empty());
    }

    #[test]
    fn debug_output_does_not_show_the_value() {
        let literal = Literal { name: "pw".to_owned(), value: "topsecretpw".to_owned() };
        assert!(!format!("{literal:?}").contains("topsecretpw"));
    }
}
