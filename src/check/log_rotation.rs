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
    let driver = log.driver.clone().filter(|driver| !driver.is_empty());
    let driver = driver.unwrap_or_else(|| "(none is told)".to_owned());
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
            Some(bytes) if bytes > 0 => Some(bytes),
            // The driver refuses 0 when the container is started.
            Some(_) | None => return Kept::NotUnderstood(format!("max-size={text}")),
        },
    };
    let files = match options.get("max-file") {
        None => files,
        Some(text) => match text.parse() {
            Ok(count) if count > 0 => count,
            // The driver refuses 0 when the container is started.
            Ok(_) | Err(_) => return Kept::NotUnderstood(format!("max-file={text}")),
        },
    };
    size.map_or(Kept::Unbounded, |size| Kept::AtMost(size.saturating_mul(files)))
}

/// A size as the drivers read it: a number, which may have a fraction, and units of 1000 however
/// they are spelled (docker/go-units, `FromHumanSize`).
fn decimal(text: &str) -> Option<u64> {
    let text = text.to_ascii_lowercase();
    let at = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(at);
    let thousands = match unit.strip_prefix(' ').unwrap_or(unit) {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 1,
        "m" | "mb" | "mib" => 2,
        "g" | "gb" | "gib" => 3,
        "t" | "tb" | "tib" => 4,
        "p" | "pb" | "pib" => 5,
        _ => return None,
    };
    let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
    let scale = 10_u128.checked_pow(u32::try_from(part.len()).ok()?)?;
    let factor = 1000_u128.pow(thousands);
    let part = u128::from(part.parse::<u64>().ok()?) * factor / scale;
    u64::try_from(u128::from(whole.parse::<u64>().ok()?) * factor + part).ok()
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
    #[case("json-file", &[("max-size", "1.25 KiB")], Kept::AtMost(1_250))]
    #[case("json-file", &[("max-size", "20000p")], Kept::NotUnderstood("max-size=20000p".to_owned()))]
    #[case("json-file", &[("max-size", "1.2.3m")], Kept::NotUnderstood("max-size=1.2.3m".to_owned()))]
    #[case("json-file", &[("max-size", "0.0m")], Kept::NotUnderstood("max-size=0.0m".to_owned()))]
    #[case("json-file", &[("max-size", "1m"), ("max-file", "0")], Kept::NotUnderstood("max-file=0".to_owned()))]
    #[case("json-file", &[("max-size", "1m"), ("max-file", "-1")], Kept::NotUnderstood("max-file=-1".to_owned()))]
    #[case("json-file", &[("max-size", "")], Kept::NotUnderstood("max-size=".to_owned()))]
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
