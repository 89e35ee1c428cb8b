//! `log-rotation`: what a service prints cannot fill the disk (CIS 2.13). The driver `json-file`
//! keeps everything unless it is given `max-size`; `local` keeps five files of 20 MB unless it is
//! told otherwise (Docker's documentation of the two drivers).

use std::collections::BTreeMap;

use serde_json::json;

use super::{Finding, each_container};
use crate::observation::{Evidence, Observation, Vantage};
use crate::scenario::Bytes;
use crate::scenario::check::LogRotation;
use crate::verdict::Verdict;
use crate::world::{Sight, World};

/// What the driver `local` keeps of each file unless it is told otherwise.
const LOCAL_SIZE: u64 = 20_000_000;
/// How many files it keeps.
const LOCAL_FILES: u64 = 5;

pub(super) fn judge(check: &LogRotation, service: &str, world: &World) -> Finding {
    let expected = match check.max {
        Some(max) => format!("a log of at most {max} on the disk"),
        None => "a bounded log".to_owned(),
    };
    each_container(service, world, &expected, |sight| judge_one(check, &expected, sight))
}

fn judge_one(check: &LogRotation, expected: &str, sight: &Sight) -> Finding {
    let name = sight.container.short_name();
    let log = sight.container.host_config.log_config.clone().unwrap_or_default();
    let driver = log.driver.clone().unwrap_or_default();
    let evidence = Evidence::one(Observation::now(
        Vantage::Engine,
        format!("log driver and options of {name}"),
        json!(log),
    ));
    let (verdict, text) = match most(&driver, &log.config.unwrap_or_default()) {
        Kept::Unbounded => {
            (Verdict::Broken, format!("the driver {driver} keeps everything: it has no max-size"))
        }
        Kept::NotUnderstood(what) => {
            (Verdict::Inconclusive, format!("the option {what} is not understood"))
        }
        Kept::Elsewhere => (
            Verdict::Inconclusive,
            format!("the driver {driver} keeps the log where the engine cannot tell its bound"),
        ),
        Kept::Nothing => (Verdict::Held, "no log is kept".to_owned()),
        Kept::AtMost(bytes) => {
            let text = format!("the driver {driver} keeps at most {}", Bytes(bytes));
            match check.max {
                Some(max) if bytes > max.0 => (Verdict::Broken, format!("{text}, not {max}")),
                _ => (Verdict::Held, text),
            }
        }
    };
    Finding::new(verdict, expected, evidence)
        .observed(text.clone())
        .message(text)
        .reproduce(format!("docker inspect {name} --format '{{{{json .HostConfig.LogConfig}}}}'"))
}

/// What a log driver keeps on the disk.
#[derive(Debug, PartialEq, Eq)]
enum Kept {
    AtMost(u64),
    Unbounded,
    Nothing,
    Elsewhere,
    NotUnderstood(String),
}

fn most(driver: &str, options: &BTreeMap<String, String>) -> Kept {
    let (size, files) = match driver {
        "json-file" => (None, 1),
        "local" => (Some(LOCAL_SIZE), LOCAL_FILES),
        "none" => return Kept::Nothing,
        _ => return Kept::Elsewhere,
    };
    let size = match options.get("max-size").map(String::as_str) {
        None => size,
        Some("-1") => None,
        Some(text) => match decimal(text) {
            Some(bytes) => Some(bytes),
            None => return Kept::NotUnderstood(format!("max-size={text}")),
        },
    };
    let files = match options.get("max-file") {
        None => files,
        Some(text) => match text.parse() {
            Ok(count) => count,
            Err(_) => return Kept::NotUnderstood(format!("max-file={text}")),
        },
    };
    size.map_or(Kept::Unbounded, |size| Kept::AtMost(size.saturating_mul(files)))
}

/// A size as the drivers read it: units of 1000 (go-units, `FromHumanSize`).
fn decimal(text: &str) -> Option<u64> {
    let text = text.trim().to_ascii_lowercase();
    let text = text.trim_end_matches('b');
    let at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let factor = match text[at..].trim() {
        "" => 1,
        "k" => 1_000,
        "m" => 1_000_000,
        "g" => 1_000_000_000,
        _ => return None,
    };
    text[..at].parse::<u64>().ok()?.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("json-file", &[], Kept::Unbounded)]
    #[case("json-file", &[("max-file", "3")], Kept::Unbounded)]
    #[case("json-file", &[("max-size", "-1")], Kept::Unbounded)]
    #[case("json-file", &[("max-size", "10m")], Kept::AtMost(10_000_000))]
    #[case("json-file", &[("max-size", "10MB"), ("max-file", "3")], Kept::AtMost(30_000_000))]
    #[case("json-file", &[("max-size", "much")], Kept::NotUnderstood("max-size=much".to_owned()))]
    #[case("local", &[], Kept::AtMost(100_000_000))]
    #[case("local", &[("max-size", "1k"), ("max-file", "2")], Kept::AtMost(2_000))]
    #[case("none", &[], Kept::Nothing)]
    #[case("fluentd", &[], Kept::Elsewhere)]
    fn what_a_driver_keeps_is_known(
        #[case] driver: &str,
        #[case] options: &[(&str, &str)],
        #[case] kept: Kept,
    ) {
        let options =
            options.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        assert_eq!(most(driver, &options), kept);
    }
}
