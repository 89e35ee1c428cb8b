//! Secrets in the files of every layer and in the image's configuration.
//!
//! A layer that a later one covers still counts: whoever has the image has all its layers. No
//! report shows a secret or a part of one.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::image::Image;
use crate::image::error::ImageError;
use crate::image::glob::Glob;
use crate::image::layer::UnreadReason;

pub(crate) mod assignment;
pub(crate) mod literals;
pub(crate) mod rules;
pub(crate) mod text;

pub use literals::{Encoding, Literal, LiteralHit, SHORTEST};
use text::SecretRules;

/// How many findings of one image are kept.
const MAX_FINDINGS: usize = 10_000;

/// The id under which a value that was known beforehand is reported.
pub const KNOWN: &str = "known-secret";

/// A secret in a file of a layer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretHit {
    /// The file, without a leading slash.
    pub path: String,
    /// The id of the rule.
    pub rule: String,
    /// The line, the first being 1; 0 where the file as a whole is the secret.
    pub line: u64,
    /// What may be shown.
    pub snippet: String,
}

/// Where a secret is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecretPlace {
    /// In a file of a layer.
    File {
        /// The index of the layer, the lowest being 0.
        layer: usize,
        /// The digest of the uncompressed layer.
        diff_id: String,
        /// The file, without a leading slash.
        path: String,
        /// The line, the first being 1; 0 where that is not known.
        line: u64,
        /// The layer that hides the file again, where one does.
        hidden_in: Option<usize>,
    },
    /// In the environment variable of this name.
    Env(String),
    /// In the label of this name.
    Label(String),
    /// In this step of the history, the first being 0.
    History(usize),
    /// In the entry point, the command or the health check.
    Command(&'static str),
}

impl SecretPlace {
    /// How an allow list names the place: `/path` for a file, else `env:NAME`, `label:NAME`,
    /// `history:STEP`, `command:entrypoint` and so on.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            SecretPlace::File { path, .. } => format!("/{path}"),
            SecretPlace::Env(name) => format!("env:{name}"),
            SecretPlace::Label(name) => format!("label:{name}"),
            SecretPlace::History(step) => format!("history:{step}"),
            SecretPlace::Command(which) => format!("command:{which}"),
        }
    }
}

/// A secret that is not allowed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SecretFinding {
    /// Where it is.
    pub place: SecretPlace,
    /// The id of the rule, or [`KNOWN`].
    pub rule: String,
    /// What may be shown.
    pub snippet: String,
}

/// What the search for secrets came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SecretReport {
    /// Secrets that are not allowed: those of the layers first, then those of the configuration.
    pub findings: Vec<SecretFinding>,
    /// How many more findings there were than were kept.
    pub dropped: u64,
    /// Entries of the allow list that nothing matched.
    pub unmatched: Vec<String>,
    /// What could not be looked into: where this is not empty, no finding does not mean no secret.
    pub unread: Vec<String>,
}

/// Looks for secrets in every layer of an image and in its configuration. `allowed` holds globs
/// over the names of places, see [`SecretPlace::name`]. It fails only when the table of rules does
/// not compile.
pub fn find(image: &Image, allowed: &[String]) -> Result<SecretReport, ImageError> {
    let mut report = SecretReport::default();
    let mut all = Vec::new();
    for (layer, one) in image.layers.iter().enumerate() {
        let place = |path: &str, line| SecretPlace::File {
            layer,
            diff_id: one.facts.diff_id.clone(),
            path: path.to_owned(),
            line,
            hidden_in: image.hidden_in(layer, path),
        };
        all.extend(one.facts.secrets.kept.iter().map(|hit| SecretFinding {
            place: place(&hit.path, hit.line),
            rule: hit.rule.clone(),
            snippet: hit.snippet.clone(),
        }));
        all.extend(
            one.literal_hits.iter().map(|hit| known(place(&hit.path, 0), &hit.name, hit.encoding)),
        );
        if one.facts.secrets.dropped > 0 {
            report
                .unread
                .push(format!("layer {layer}: {} further hits", one.facts.secrets.dropped));
        }
        report.unread.extend(one.unread(layer, UnreadReason::hides_secrets));
    }
    let rules = SecretRules::get()?;
    for (place, text) in configuration(image) {
        let hits = rules.search_configuration(&text);
        all.extend(hits.into_iter().map(|hit| SecretFinding {
            place: place.clone(),
            rule: hit.rule.to_owned(),
            snippet: hit.snippet,
        }));
    }
    all.extend(
        image
            .configuration_literals
            .iter()
            .map(|(place, name, encoding)| known(place.clone(), name, *encoding)),
    );
    let mut matched = BTreeSet::new();
    report.findings = all
        .into_iter()
        .filter(|finding| {
            let name = finding.place.name();
            let entries = allowed.iter().enumerate();
            let matching: Vec<usize> = entries
                .filter(|(_, entry)| Glob::new(entry).matches(&name))
                .map(|(at, _)| at)
                .collect();
            matched.extend(matching.iter().copied());
            matching.is_empty()
        })
        .collect();
    report.dropped = report.findings.len().saturating_sub(MAX_FINDINGS) as u64;
    report.findings.truncate(MAX_FINDINGS);
    report.unmatched = allowed
        .iter()
        .enumerate()
        .filter(|(at, _)| !matched.contains(at))
        .map(|(_, entry)| entry.clone())
        .collect();
    Ok(report)
}

/// Takes every secret out of an instruction of the history, so that it can be shown.
pub fn redact(text: &str) -> Result<String, ImageError> {
    let mut shown = String::new();
    let mut from = 0;
    let mut hits: Vec<_> = SecretRules::get()?
        .search_configuration(text)
        .into_iter()
        .map(|hit| (hit.start, hit.end))
        .collect();
    hits.sort_unstable();
    for (start, end) in hits {
        // The patterns match whole characters, as the text is UTF-8.
        if start >= from && text.is_char_boundary(start) && text.is_char_boundary(end) {
            shown.push_str(&text[from..start]);
            shown.push_str("[redacted]");
        }
        from = from.max(end);
    }
    shown.push_str(text.get(from..).unwrap_or_default());
    Ok(shown)
}

/// The texts of the configuration, each with its place.
pub(crate) fn configuration(image: &Image) -> Vec<(SecretPlace, String)> {
    let config = &image.config;
    let mut texts = Vec::new();
    for variable in &config.env {
        let name = variable.split('=').next().unwrap_or_default();
        texts.push((SecretPlace::Env(name.to_owned()), variable.clone()));
    }
    for (name, value) in &config.labels {
        texts.push((SecretPlace::Label(name.clone()), format!("{name}={value}")));
    }
    for (step, history) in config.history.iter().enumerate() {
        let text = format!("{} {}", history.created_by, history.comment);
        texts.push((SecretPlace::History(step), text));
    }
    for (which, words) in [
        ("entrypoint", &config.entrypoint),
        ("cmd", &config.cmd),
        ("healthcheck", &config.healthcheck.clone().unwrap_or_default()),
    ] {
        if !words.is_empty() {
            texts.push((SecretPlace::Command(which), words.join(" ")));
        }
    }
    texts
}

fn known(place: SecretPlace, name: &str, encoding: Encoding) -> SecretFinding {
    let writing = match encoding {
        Encoding::Plain => "as it is",
        Encoding::Base64 => "in base64",
        Encoding::Percent => "percent-encoded",
    };
    SecretFinding {
        place,
        rule: KNOWN.to_owned(),
        snippet: format!("the value of {name}, {writing}"),
    }
}
