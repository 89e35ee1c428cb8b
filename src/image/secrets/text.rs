//! Searches text for the rules.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use aho_corasick::AhoCorasick;
use regex::bytes::{Captures, Regex};

use crate::image::error::ImageError;
use crate::image::secrets::assignment::{
    is_plausible, looks_generated, looks_random, promises_secret,
};
use crate::image::secrets::rules::{self, EXAMPLES, Origin, RULES, Rule, Scope, Value};

/// How far a rule looks back from its keyword, in bytes.
const BACK: usize = 256;
/// How far a rule of one line looks ahead, in bytes.
const AHEAD: usize = 1024;
/// How far a rule of several lines looks ahead: a 16384-bit RSA key in PEM fits.
const AHEAD_LINES: usize = 16 * 1024;

/// How much of a window must be seen again in the next one, in bytes.
pub(crate) const OVERLAP: usize = AHEAD_LINES + BACK;

/// A match in one text.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TextHit {
    /// Where the secret begins, in bytes from the beginning of the window.
    pub(crate) start: usize,
    /// One past its end.
    pub(crate) end: usize,
    pub(crate) rule: &'static str,
    /// What may be shown: never the secret or a part of it.
    pub(crate) snippet: String,
}

/// The rules, compiled.
pub(crate) struct SecretRules {
    patterns: Vec<Regex>,
    keywords: AhoCorasick,
    /// The rule of each keyword.
    owners: Vec<usize>,
}

/// What of the rules applies to one file.
#[derive(Debug, Clone)]
pub(crate) struct Applicable {
    /// Rules beside those that apply everywhere.
    files: Vec<usize>,
    origin: Origin,
}

impl Applicable {
    /// Asks for the strictest reading, for bytes that are no text.
    pub(crate) fn strict(&mut self) {
        self.files.clear();
        self.origin = Origin::ThirdParty;
    }
}

static COMPILED: LazyLock<Result<SecretRules, String>> = LazyLock::new(SecretRules::compile);

impl SecretRules {
    /// The rules, compiled once for the process.
    pub(crate) fn get() -> Result<&'static SecretRules, ImageError> {
        COMPILED.as_ref().map_err(|problem| ImageError::Table {
            table: "rules for secrets",
            problem: problem.clone(),
        })
    }

    fn compile() -> Result<SecretRules, String> {
        let patterns = RULES.iter().map(|rule| Regex::new(rule.pattern));
        let patterns = patterns.collect::<Result<_, _>>().map_err(|error| error.to_string())?;
        let (mut words, mut owners) = (Vec::new(), Vec::new());
        for (at, rule) in RULES.iter().enumerate() {
            words.extend_from_slice(rule.keywords);
            owners.resize(words.len(), at);
        }
        let keywords = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .build(&words)
            .map_err(|error| error.to_string())?;
        Ok(SecretRules { patterns, keywords, owners })
    }

    /// Which rules apply to the file.
    pub(crate) fn applicable(&self, path: &str) -> Applicable {
        let origin = Origin::of(path);
        let applies = |rule: &Rule| match rule.scope {
            Scope::Files(globs) => {
                // Examples are settings of nobody.
                let example = rules::is_template(path)
                    || rule.value == Value::NamedRandom && origin != Origin::Settings;
                !example
                    && globs.iter().any(|glob| crate::image::glob::Glob::new(glob).matches(path))
            }
            Scope::Everywhere | Scope::Configuration => false,
        };
        let files = (0..RULES.len()).filter(|at| applies(&RULES[*at])).collect();
        Applicable { files, origin }
    }

    /// Searches a window of a text file. `to_try` counts down the bytes that patterns are tried
    /// on; where it comes to nothing, the rest of the window was not searched.
    pub(crate) fn search(
        &self,
        text: &[u8],
        applicable: &Applicable,
        to_try: &mut u64,
    ) -> BTreeSet<TextHit> {
        let mut hits = BTreeSet::new();
        let mut last = (usize::MAX, 0);
        for keyword in self.keywords.find_overlapping_iter(text) {
            let rule = self.owners[keyword.pattern().as_usize()];
            if *to_try == 0 {
                return hits;
            }
            let region = region(text, keyword.start(), &RULES[rule]);
            // Keywords of one line lead to the same place.
            if last == (rule, region.start) && RULES[rule].value != Value::UrlPassword {
                continue;
            }
            last = (rule, region.start);
            if RULES[rule].value == Value::UrlPassword {
                let rest = &text[keyword.end()..region.end];
                if !rest.iter().take(AHEAD).any(|byte| *byte == b'@') {
                    continue;
                }
            }
            *to_try = to_try.saturating_sub(region.len() as u64);
            self.try_rule(rule, text, region, applicable.origin, &mut hits);
        }
        for rule in &applicable.files {
            *to_try = to_try.saturating_sub(text.len() as u64);
            self.try_rule(*rule, text, 0..text.len(), applicable.origin, &mut hits);
        }
        hits
    }

    /// Searches a value of the image's configuration.
    pub(crate) fn search_configuration(&self, text: &str) -> BTreeSet<TextHit> {
        let mut hits = BTreeSet::new();
        for (at, rule) in RULES.iter().enumerate() {
            if !matches!(rule.scope, Scope::Files(_)) {
                self.try_rule(at, text.as_bytes(), 0..text.len(), Origin::Settings, &mut hits);
            }
        }
        hits
    }

    fn try_rule(
        &self,
        at: usize,
        text: &[u8],
        region: std::ops::Range<usize>,
        origin: Origin,
        hits: &mut BTreeSet<TextHit>,
    ) {
        let rule = &RULES[at];
        for captures in self.patterns[at].captures_iter(&text[region.clone()]) {
            let Some(secret) = captures.name("secret").or_else(|| captures.name("secret2")) else {
                continue;
            };
            if counts(rule.value, &captures, secret.as_bytes(), origin) {
                hits.insert(TextHit {
                    start: region.start + secret.start(),
                    end: region.start + secret.end(),
                    rule: rule.id,
                    snippet: snippet(rule, &captures, secret.len()),
                });
            }
        }
    }
}

/// Where a rule looks: the keyword's line, or as many lines as a key has.
fn region(text: &[u8], keyword: usize, rule: &Rule) -> std::ops::Range<usize> {
    let several = matches!(rule.id, "private-key" | "putty-key");
    let earliest = keyword.saturating_sub(BACK);
    let start = text[earliest..keyword]
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(earliest, |at| earliest + at + 1);
    let latest = text.len().min(keyword + if several { AHEAD_LINES } else { AHEAD });
    let end = match text[keyword..latest].iter().position(|byte| *byte == b'\n') {
        Some(at) if !several => keyword + at,
        _ => latest,
    };
    start..end
}

fn counts(value: Value, captures: &Captures<'_>, secret: &[u8], origin: Origin) -> bool {
    let text = String::from_utf8_lossy(secret);
    let name = captures.name("name").map(|name| String::from_utf8_lossy(name.as_bytes()));
    let named = || name.as_ref().is_some_and(|name| promises_secret(name));
    let is_example = || EXAMPLES.iter().any(|example| text.contains(example));
    match value {
        Value::Any => true,
        Value::NotExample => !is_example(),
        Value::Plausible => is_plausible(&text),
        Value::NamedPlausible => named() && is_plausible(&text),
        Value::NamedRandom => named() && looks_random(&text),
        Value::UrlPassword => {
            let same = name.as_ref().is_some_and(|user| *user == text);
            !same
                && is_plausible(&text)
                && match origin {
                    Origin::Settings => true,
                    Origin::Program => looks_random(&text),
                    Origin::ThirdParty => looks_generated(&text),
                }
        }
        Value::EncodedKey => decodes_to_key(secret),
    }
}

/// Whether base64 holds the header of a private key.
fn decodes_to_key(encoded: &[u8]) -> bool {
    let mut decoded = Vec::new();
    for four in encoded.chunks_exact(4).take(16) {
        let bits = four.iter().try_fold(0u32, |bits, byte| Some((bits << 6) | sextet(*byte)?));
        let Some(bits) = bits else { return false };
        decoded.extend_from_slice(&bits.to_be_bytes()[1..]);
    }
    decoded.windows(11).any(|window| window == b"PRIVATE KEY")
}

fn sextet(byte: u8) -> Option<u32> {
    let value = match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    };
    Some(u32::from(value))
}

/// Shows the name, where there is one, and the length. The user of a URL is not shown: it is
/// often the token.
fn snippet(rule: &Rule, captures: &Captures<'_>, length: usize) -> String {
    let name = captures
        .name("name")
        .filter(|_| rule.value != Value::UrlPassword)
        .map(|name| String::from_utf8_lossy(name.as_bytes()).chars().take(60).collect::<String>())
        .filter(|name| !name.is_empty());
    match name {
        Some(name) => format!("{name}=[redacted, {length} bytes]"),
        None => format!("[redacted, {length} bytes]"),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn rules_hit(path: &str, text: &str) -> Vec<&'static str> {
        let rules = SecretRules::get().unwrap();
        let hits = rules.search(text.as_bytes(), &rules.applicable(path), &mut u64::MAX.clone());
        for hit in &hits {
            let secret = &text[hit.start..hit.end];
            assert!(!hit.snippet.contains(secret), "{} shows the secret", hit.rule);
        }
        hits.into_iter().map(|hit| hit.rule).collect()
    }

    // Written in pieces, so that scanners of this repository find no secret in it.
    #[rstest]
    #[case("a", concat!("-----BEGIN RSA PRIV", "ATE KEY-----\nMIIEpAIBAAKCAQEA0Z3VS5JJcds3xfn/ygWyF8PbnGy0AHB7MhgHcTz6sE2I2yPB\naFDrBz9vFqU4\n"), "private-key")]
    #[case("a", concat!("{\"k\": \"-----BEGIN PRIV", "ATE KEY-----\\nMIIEpAIBAAKCAQEA0Z3VS5JJcds3xfn/ygWyF8PbnGy0AHB7MhgHcTz6sE2I2yPB\\n\"}"), "private-key")]
    #[case("a", concat!("-----BEGIN RSA PRIV", "ATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,AA\n\nMIIEpAIBAAKCAQEA0Z3VS5JJcds3xfn/ygWyF8PbnGy0AHB7MhgHcTz6sE2I2yPB\n"), "private-key")]
    #[case("a", concat!("key: LS0tLS1CRUdJTiBQUklWQVRFIEtFWS0tLS0t", "Ck1JSUV2UUlCQURBTkJna3Foa2lHOXcwQkFRRUZBQVNDQktjd2dnU2pBZ0VB"), "private-key-base64")]
    #[case("a", concat!("id AKIA", "Q3EGRIXJ2BDT7WPL"), "aws-access-key")]
    #[case("a", concat!("aws_secret_access_key = ", "wJalrXUtnFEMI0K7MDENG0bPxRfiCYabcdefghij"), "aws-secret-key")]
    #[case("a", concat!("t=ghp_", "abcdefghijABCDEFGHIJ0123456789abcdef"), "github-token")]
    #[case("a", concat!("glpat-", "abcdefghij0123456789"), "gitlab-token")]
    #[case("a", concat!("xoxb-", "123456789012-abcdefghijklm"), "slack-token")]
    #[case("a", concat!("npm_", "abcdefghijABCDEFGHIJ0123456789abcdef"), "npm-token")]
    #[case("a", concat!("pypi-AgE", "IcHlwaS5vcmcCJDU3ZTQ0NzYyLTQ4NTMtNGIxMy1iYjQ1LTk3MGVjMzU5"), "pypi-token")]
    #[case("a", concat!("AIza", "SyA1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q"), "google-api-key")]
    #[case("srv/a.conf", "url=postgres://app:S3cr3tPw@db/app", "url-password")]
    #[case("app/a.py", "u = 'postgres://app:S3cr3tPw9@db/app'", "url-password")]
    #[case(
        "x/site-packages/a.py",
        "u = 'https://u:aB3dE5gH7jK9mN1pQ@index/simple'",
        "url-password"
    )]
    #[case("root/.netrc", "machine h login u password hunter2", "netrc")]
    #[case("root/.pypirc", "[pypi]\npassword = hunter2", "pypirc")]
    #[case("root/.npmrc", "//r/:_password=hunter2", "npmrc")]
    #[case(
        "root/.docker/config.json",
        "{\"auths\":{\"r\":{\"auth\":\"dXNlcjpwYXNz\"}}}",
        "docker-auth"
    )]
    #[case("app/.env", "DEBUG=1\nDB_PASSWORD=hunter2\n", "env-file")]
    #[case("app/prod.env", "export API_TOKEN='abc123def'\n", "env-file")]
    #[case("etc/shadow", "root:$y$j9T$abcdefghijk:19000:0:99999:7:::", "password-hash")]
    #[case("app/config.yaml", "db:\n  password: S3cr3tPw9\n", "assigned-secret")]
    #[case(
        "app/config.json",
        "{\n \"api_key\": \"9f86d081884c7d659a2feaa0\",\n}",
        "assigned-secret"
    )]
    fn a_secret_is_found_and_not_shown(
        #[case] path: &str,
        #[case] text: &str,
        #[case] expected: &str,
    ) {
        assert_eq!(rules_hit(path, text), [expected]);
    }

    #[rstest]
    #[case("a", concat!("-----BEGIN RSA PRIV", "ATE KEY-----\n"))]
    #[case("a.py", concat!("if text.startswith('-----BEGIN PRIV", "ATE KEY-----'):"))]
    #[case(
        "a",
        "-----BEGIN PUBLIC KEY-----\nMIIEpAIBAAKCAQEA0Z3VS5JJcds3xfn/ygWyF8PbnGy0AHB7MhgHcTz6\n"
    )]
    #[case("a", "AKIAIOSFODNN7EXAMPLE")]
    #[case("a.py", "amqp://guest:guest@localhost//")]
    #[case("a.py", "redis://:password@host:6379/0")]
    #[case("a.py", "http://user:pass@host/")]
    #[case("x/site-packages/a.py", "mssql://scott:tiger^5HHH@mssql2017:1433/test")]
    #[case("a.conf", "http://user:${PW}@host/")]
    #[case("a.py", "scp://host:22/path and mail a@b.c")]
    #[case("app/.env.example", "DB_PASSWORD=hunter2\n")]
    #[case("app/.env", "DB_PASSWORD=\nDB_PASSWORD_FILE=/run/secrets/db\nTOKEN=${T}\n")]
    #[case("etc/shadow", "root:*:19000:0:99999:7:::\nd:!:1::::::")]
    #[case(
        "app/config.yaml",
        "password: ${DB_PASSWORD}\npassword: settings.password\ntoken_url: https://host/T0ken1x\n"
    )]
    #[case("x/site-packages/a/config.yaml", "password: S3cr3tPw9\n")]
    #[case("a", concat!("LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0t", "Ck1JSURYVENDQWtXZ0F3SUJBZ0lKQUpDMUhpSUFadzBHQ1NxR1NJYjNEUQ"))]
    fn what_only_resembles_a_secret_is_not_reported(#[case] path: &str, #[case] text: &str) {
        assert_eq!(rules_hit(path, text), [] as [&str; 0]);
    }

    #[rstest]
    #[case("|1 BUILD_PW=topsecretpw /bin/sh -c true", Some("assignment"))]
    #[case("/bin/sh -c #(nop)  ENV DB_PASSWORD=hunter2", Some("assignment"))]
    #[case("RUN curl -u bob:hunter2 https://h/", Some("password-argument"))]
    #[case(
        "RUN curl -H 'Authorization: Bearer abcdef123456' https://h/",
        Some("authorization-header")
    )]
    #[case("/bin/sh -c #(nop)  ENV GPG_KEY=A035C8C19219BA821ECEA86B64E628F8D684696D", None)]
    #[case("RUN set -eux; export GNUPGHOME=\"$(mktemp -d)\"; PW=$BUILD_PW make", None)]
    #[case("CMD [\"uvicorn\" \"app:app\" \"-u\" \"1000:1000\"]", None)]
    fn the_configuration_is_searched(#[case] text: &str, #[case] expected: Option<&str>) {
        let hits = SecretRules::get().unwrap().search_configuration(text);
        assert_eq!(hits.first().map(|hit| hit.rule), expected);
        assert!(hits.iter().all(|hit| !hit.snippet.contains(&text[hit.start..hit.end])));
    }

    #[test]
    fn rule_ids_are_unique() {
        let mut ids: Vec<&str> = RULES.iter().map(|rule| rule.id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), RULES.len());
    }

    #[test]
    fn every_rule_for_all_files_has_a_keyword() {
        let without = RULES.iter().filter(|rule| rule.scope == Scope::Everywhere);
        assert!(without.clone().all(|rule| !rule.keywords.is_empty()));
    }
}
