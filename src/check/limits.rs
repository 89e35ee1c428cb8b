//! The three-way agreement on a limit: what is declared is what the engine has configured, and
//! that is what the kernel enforces.

use serde_json::json;

use super::Finding;
use crate::observation::{Evidence, Observation, Vantage};
use crate::verdict::Verdict;
use crate::world::{Blind, Sight};

/// One limit from every vantage. `None` is unlimited.
#[derive(Debug, Clone)]
pub struct ThreeWay {
    /// What is limited, such as `memory`.
    pub what: &'static str,
    /// The value that the document states, where it states one.
    pub stated: Option<f64>,
    /// What is declared.
    pub declared: Option<f64>,
    /// What the engine has configured.
    pub engine: Option<f64>,
    /// What the kernel enforces, with the raw files.
    pub kernel: Result<(Option<f64>, serde_json::Value), Blind>,
    /// The value from which on a limit cannot bind on this host.
    pub host: Option<f64>,
    /// By how much two values may differ: the kernel rounds memory to pages.
    pub tolerance: f64,
    /// How a value is written for people.
    pub show: fn(f64) -> String,
}

impl ThreeWay {
    /// Judges the limit.
    pub fn judge(&self, container: &str) -> Finding {
        let kernel = self.kernel.as_ref().map(|(value, _)| *value);
        let observed = format!(
            "declared {}, engine {}, kernel {}",
            self.text(self.declared),
            self.text(self.engine),
            kernel.as_ref().map_or_else(|_| "not observed".to_owned(), |value| self.text(*value)),
        );
        let (verdict, message) = self.settle(kernel);
        let evidence = Evidence::one(Observation::now(
            Vantage::Model,
            format!("declared {} limit", self.what),
            json!(self.declared),
        ))
        .and(Observation::now(
            Vantage::Engine,
            format!("configured {} limit of {container}", self.what),
            json!(self.engine),
        ))
        .and(match &self.kernel {
            Ok((_, raw)) => Observation::now(
                Vantage::Inside,
                format!("cgroup files of {container}"),
                raw.clone(),
            ),
            Err(why) => Observation::now(Vantage::Inside, "could not observe", why.clone()),
        });
        Finding::new(verdict, self.expected(), evidence).observed(observed).message(message)
    }

    fn expected(&self) -> String {
        match self.stated {
            Some(stated) => {
                format!("a {} limit of {} in all three places", self.what, (self.show)(stated))
            }
            None => format!("a {} limit, the same in all three places", self.what),
        }
    }

    fn settle(&self, kernel: Result<Option<f64>, &Blind>) -> (Verdict, String) {
        let what = self.what;
        let Some(declared) = self.declared else {
            let configured = match self.engine {
                Some(engine) => format!(", though the engine has {}", (self.show)(engine)),
                None => String::new(),
            };
            return (Verdict::Broken, format!("no {what} limit is declared{configured}"));
        };
        if let Some(stated) = self.stated
            && !self.same(Some(stated), Some(declared))
        {
            let (stated, declared) = ((self.show)(stated), (self.show)(declared));
            let message = format!("the document states {stated}, {declared} is declared");
            return (Verdict::Broken, message);
        }
        if !self.same(self.engine, Some(declared)) {
            let message = format!(
                "{} is declared, but the engine has {}",
                (self.show)(declared),
                self.text(self.engine)
            );
            return (Verdict::Broken, message);
        }
        let enforced = match kernel {
            Ok(enforced) => enforced,
            Err(why) => {
                return (Verdict::Inconclusive, format!("the kernel's view is missing: {why}"));
            }
        };
        if !self.same(enforced, self.engine) {
            let message = format!(
                "the engine has {}, but the kernel enforces {}",
                self.text(self.engine),
                self.text(enforced)
            );
            return (Verdict::Broken, message);
        }
        if let Some(host) = self.host.filter(|host| declared >= *host) {
            let (declared, host) = ((self.show)(declared), (self.show)(host));
            let message = format!("{declared} cannot bind: the whole host has {host}");
            return (Verdict::Broken, message);
        }
        (
            Verdict::Held,
            format!("{what} is limited to {} in all three places", (self.show)(declared)),
        )
    }

    fn same(&self, one: Option<f64>, other: Option<f64>) -> bool {
        match (one, other) {
            (Some(one), Some(other)) => (one - other).abs() <= self.tolerance,
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        }
    }

    fn text(&self, value: Option<f64>) -> String {
        value.map_or_else(|| "no limit".to_owned(), self.show)
    }
}

/// What is found without any act where a container has no memory limit in the kernel: nothing
/// contains what the service takes.
#[must_use]
pub fn no_memory_limit(sight: &Sight, expected: &str) -> Option<Finding> {
    let limit = sight.own().and_then(|reply| reply.cgroup()).and_then(|cgroup| cgroup.memory());
    let Ok(None) = limit else { return None };
    let name = sight.container.short_name();
    let seen = Observation::now(Vantage::Inside, "memory limit in the cgroup", "none");
    let finding = Finding::new(Verdict::Broken, expected, Evidence::one(seen))
        .observed("no memory limit")
        .message("the service has no memory limit, so nothing contains it")
        .reproduce(format!("docker inspect {name} --format '{{{{.HostConfig.Memory}}}}'"));
    Some(finding)
}

/// A limit as the number that is compared.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "limits stay far below 2^53 bytes")]
pub fn as_float(value: u64) -> f64 {
    value as f64
}

/// A limit as the engine keeps it. Null, 0 and -1 are none.
#[must_use]
pub fn configured(value: Option<i64>) -> Option<f64> {
    value.and_then(|value| u64::try_from(value).ok()).filter(|value| *value > 0).map(as_float)
}

/// Bytes in binary units, as Compose files write them.
#[must_use]
pub fn bytes(value: f64) -> String {
    if value >= 1_073_741_824.0 {
        format!("{:.2} GiB", value / 1_073_741_824.0)
    } else {
        format!("{:.1} MiB", value / 1_048_576.0)
    }
}

/// A plain number.
#[must_use]
pub fn plain(value: f64) -> String {
    format!("{value}")
}

/// Cores.
#[must_use]
pub fn cores(value: f64) -> String {
    format!("{value} CPU")
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn limit(
        stated: Option<f64>,
        declared: Option<f64>,
        engine: Option<f64>,
        kernel: Result<Option<f64>, &str>,
    ) -> ThreeWay {
        ThreeWay {
            what: "pids",
            stated,
            declared,
            engine,
            kernel: kernel.map(|value| (value, json!({}))).map_err(str::to_owned),
            host: Some(1000.0),
            tolerance: 0.5,
            show: plain,
        }
    }

    #[rstest]
    #[case::agreement(None, Some(64.0), Some(64.0), Ok(Some(64.0)), Verdict::Held)]
    #[case::as_stated(Some(64.0), Some(64.0), Some(64.0), Ok(Some(64.0)), Verdict::Held)]
    #[case::within_tolerance(None, Some(64.0), Some(64.0), Ok(Some(63.8)), Verdict::Held)]
    #[case::not_declared(None, None, None, Ok(None), Verdict::Broken)]
    #[case::not_declared_but_there(None, None, Some(64.0), Ok(Some(64.0)), Verdict::Broken)]
    #[case::other_than_stated(Some(32.0), Some(64.0), Some(64.0), Ok(Some(64.0)), Verdict::Broken)]
    #[case::not_configured(None, Some(64.0), None, Ok(None), Verdict::Broken)]
    #[case::not_enforced(None, Some(64.0), Some(64.0), Ok(None), Verdict::Broken)]
    #[case::enforced_otherwise(None, Some(64.0), Some(64.0), Ok(Some(128.0)), Verdict::Broken)]
    #[case::above_the_host(None, Some(2000.0), Some(2000.0), Ok(Some(2000.0)), Verdict::Broken)]
    #[case::not_seen(None, Some(64.0), Some(64.0), Err("no reply"), Verdict::Inconclusive)]
    fn a_limit_is_judged_by_agreement(
        #[case] stated: Option<f64>,
        #[case] declared: Option<f64>,
        #[case] engine: Option<f64>,
        #[case] kernel: Result<Option<f64>, &str>,
        #[case] verdict: Verdict,
    ) {
        assert_eq!(limit(stated, declared, engine, kernel).judge("c").verdict, verdict);
    }
}
