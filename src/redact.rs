//! Takes secrets out of everything that is written, and makes hostile text harmless.
//!
//! The order matters: redact, then bound, then make printable. Cutting first could leave half a
//! secret that no longer matches, and escaping first could hide one.

use aho_corasick::AhoCorasick;
use serde_json::Value;

mod credential;
mod forms;
mod listener;
mod mutation;
mod printable;
mod record;

pub use credential::{credential, is_secret_name};
pub use listener::DiscreetListener;
pub use mutation::redact_mutation;
pub use printable::{bounded, one_line, printable};
pub use record::redact_record;

/// What stands in the place of a secret.
pub const MARK: &str = "[redacted]";

/// Secrets with fewer characters are not looked for: they would tear harmless text apart.
pub const SHORTEST: usize = 4;

/// Values that configuration gives to anything, and that therefore hide nothing.
const COMMON: [&str; 6] = ["true", "false", "null", "none", "None", "True"];

/// Finds known secrets in text, as they are and in the encodings in which they leak.
#[derive(Debug, Clone)]
pub struct Redactor {
    matcher: Matcher,
}

#[derive(Debug, Clone)]
enum Matcher {
    /// There is no secret to find.
    Nothing,
    /// The secrets in all their forms.
    Forms(AhoCorasick),
    /// The automaton could not be built, so nothing is let through.
    Everything,
}

impl Redactor {
    /// A redactor for these secrets. White space around a secret is ignored, because files of
    /// secrets end with a newline. Of a secret with several lines, such as a private key, every
    /// long line is a secret too: logs print them one by one.
    #[must_use]
    pub fn new(secrets: impl IntoIterator<Item = String>) -> Redactor {
        let mut needles: Vec<String> = secrets
            .into_iter()
            .map(|secret| secret.trim().to_owned())
            .filter(|secret| secret.chars().count() >= SHORTEST)
            .filter(|secret| !COMMON.contains(&secret.as_str()))
            .flat_map(|secret| forms::of(&secret))
            .collect();
        needles.sort_unstable();
        needles.dedup();
        let matcher = if needles.is_empty() {
            Matcher::Nothing
        } else {
            AhoCorasick::new(needles).map_or(Matcher::Everything, Matcher::Forms)
        };
        Redactor { matcher }
    }

    /// Whether there is no secret to find.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        matches!(self.matcher, Matcher::Nothing)
    }

    /// The text with [`MARK`] in the place of every secret.
    #[must_use]
    pub fn redact(&self, text: &str) -> String {
        let forms = match &self.matcher {
            Matcher::Nothing => return text.to_owned(),
            Matcher::Everything => return MARK.to_owned(),
            Matcher::Forms(forms) => forms,
        };
        // All matches are looked at, not only those that do not overlap: where the end of one
        // secret is the beginning of another, both have to go.
        let mut stretches: Vec<(usize, usize)> = Vec::new();
        for found in forms.find_overlapping_iter(text) {
            let (mut start, end) = (found.start(), found.end());
            while let Some(&(last_start, last_end)) = stretches.last() {
                if last_end < start {
                    break;
                }
                start = start.min(last_start);
                stretches.pop();
            }
            stretches.push((start, end));
        }
        let mut redacted = String::with_capacity(text.len());
        let mut rest = 0;
        for (start, end) in stretches {
            redacted.push_str(&text[rest..start]);
            redacted.push_str(MARK);
            rest = end;
        }
        redacted.push_str(&text[rest..]);
        redacted
    }

    /// Redacts every string of the value, keys too. A number that reads as a secret becomes
    /// [`MARK`].
    pub fn redact_value(&self, value: &mut Value) {
        if self.is_empty() {
            return;
        }
        match value {
            Value::String(text) => *text = self.redact(text),
            Value::Number(number) => {
                let text = number.to_string();
                let redacted = self.redact(&text);
                if redacted != text {
                    *value = Value::String(redacted);
                }
            }
            Value::Array(values) => values.iter_mut().for_each(|value| self.redact_value(value)),
            Value::Object(entries) => {
                // The depth of a value is bounded by the parser it came from: serde_json stops
                // at 128.
                *entries = std::mem::take(entries)
                    .into_iter()
                    .map(|(key, mut value)| {
                        self.redact_value(&mut value);
                        (self.redact(&key), value)
                    })
                    .collect();
            }
            Value::Null | Value::Bool(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn redactor(secrets: &[&str]) -> Redactor {
        Redactor::new(secrets.iter().map(|&secret| secret.to_owned()))
    }

    #[test]
    fn every_occurrence_goes() {
        let text = redactor(&["hunter22"]).redact("hunter22 and hunter22hunter22.");
        assert_eq!(text, "[redacted] and [redacted].");
    }

    #[test]
    fn a_secret_inside_a_longer_one_does_not_leave_the_rest() {
        let redactor = redactor(&["pass", "pass-word", "word-list"]);
        assert_eq!(redactor.redact("a pass-word b"), "a [redacted] b");
        assert_eq!(redactor.redact("a pass-word-list b"), "a [redacted] b");
        assert_eq!(redactor.redact("a pass b"), "a [redacted] b");
    }

    #[test]
    fn short_and_common_values_are_left_alone() {
        let redactor = redactor(&["abc", "", "  ", "true", "\n"]);
        assert!(redactor.is_empty());
        assert_eq!(redactor.redact("true abc"), "true abc");
    }

    #[test]
    fn the_newline_of_a_secret_file_does_not_matter() {
        assert_eq!(redactor(&["s3cr3t-value\n"]).redact("=s3cr3t-value;"), "=[redacted];");
    }

    #[test]
    fn the_lines_of_a_private_key_are_secret_one_by_one() {
        let key = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIDw\nAAAABBBBCCCCDDDDEEEE\n-----END PRIVATE KEY-----\n";
        let redactor = redactor(&[key]);
        assert_eq!(redactor.redact("web-1  | MC4CAQAwBQYDK2VwBCIEIDw"), "web-1  | [redacted]");
        assert_eq!(redactor.redact("-----END PRIVATE KEY-----"), "-----END PRIVATE KEY-----");
    }

    #[test]
    fn encoded_secrets_are_found() {
        let redactor = redactor(&["p@ss \"w<o>rd'é/+"]);
        for leak in [
            // A percent-encoded form of a URL, with both kinds of digits and of space.
            "p%40ss%20%22w%3Co%3Erd%27%C3%A9%2F%2B",
            "p%40ss+%22w%3co%3erd%27%c3%a9%2f%2b",
            // As serde_json, Go and Python print it.
            r#"p@ss \"w<o>rd'é/+"#,
            r#"p@ss \"w\u003co\u003erd'é/+"#,
            r#"p@ss \"w<o>rd'\u00e9/+"#,
            // As a shell quotes it.
            r#"p@ss "w<o>rd'\''é/+"#,
            // As a hex dump.
            "7040737320227 73c6f3e726427c3a92f2b".replace(' ', "").as_str(),
        ] {
            assert_eq!(redactor.redact(&format!("<{leak}>")), "<[redacted]>", "{leak}");
        }
    }

    #[test]
    fn encoders_that_leave_other_characters_alone_are_known() {
        let redactor = redactor(&["s~c*r!t$"]);
        for leak in ["s~c%2Ar%21t%24", "s%7Ec*r%21t%24", "s~c*r!t%24", "s~c%2Ar%21t$"] {
            assert_eq!(redactor.redact(leak), MARK);
        }
    }

    #[test]
    fn the_password_of_a_url_is_found_decoded() {
        let redactor = redactor(&["p%40ss%2Fword"]);
        assert_eq!(redactor.redact("p%40ss%2Fword p@ss/word"), "[redacted] [redacted]");
    }

    #[test]
    fn a_secret_is_found_in_base64_at_any_offset() {
        let redactor = redactor(&["correct horse"]);
        // The base64 of `u:correct horse`, `us:correct horse!` and `correct horse`.
        for encoded in ["dTpjb3JyZWN0IGhvcnNl", "dXM6Y29ycmVjdCBob3JzZSE=", "Y29ycmVjdCBob3JzZQ=="]
        {
            let redacted = redactor.redact(encoded);
            assert!(redacted.contains(MARK), "{encoded} became {redacted}");
            assert!(redacted.len() <= MARK.len() + 8, "{encoded} became {redacted}");
        }
    }

    #[test]
    fn values_are_walked() {
        let mut value = json!({"env": ["A=topsecret"], "topsecret": {"pin": 12345678, "n": 1}});
        redactor(&["topsecret", "12345678"]).redact_value(&mut value);
        assert_eq!(
            value,
            json!({"env": ["A=[redacted]"], "[redacted]": {"pin": "[redacted]", "n": 1}})
        );
    }

    proptest! {
        #[test]
        fn no_secret_survives(
            secrets in prop::collection::vec("[a-zA-Z0-9 %\"'\\\\é]{4,12}", 1..4),
            before in ".{0,20}",
            after in ".{0,20}",
        ) {
            let redactor = Redactor::new(secrets.clone());
            for secret in &secrets {
                let trimmed = secret.trim();
                if trimmed.chars().count() < SHORTEST || COMMON.contains(&trimmed) {
                    continue;
                }
                let redacted = redactor.redact(&format!("{before}{secret}{after}"));
                // What is left, without the marks, does not hold the secret.
                for piece in redacted.split(MARK) {
                    prop_assert!(!piece.contains(trimmed), "{redacted:?} holds {trimmed:?}");
                }
            }
        }
    }
}
