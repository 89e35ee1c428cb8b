//! `log-rotation`: what the engine keeps of what a service prints.

use rstest::rstest;
use serde_json::{Value, json};
use stackproof::verdict::Verdict::{self, Broken, Held, Inconclusive};

use super::stage::Stage;
use super::world::{reply, said, seen};

const ANY: &str = "log-rotation";
const TWO: &str = "log-rotation: {max: 2MB}";

// The containers are not started: which driver a container has is settled when it is created, and
// what a driver keeps is not seen before it has kept that much.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_bounded_by_its_driver_and_its_options() {
    let mut stage = Stage::new();
    stage.create("unbounded", &["--log-opt=max-size=-1"]);
    stage.create("bounded", &["--log-opt=max-size=1m", "--log-opt=max-file=2"]);
    stage.create("one-file", &["--log-opt=max-size=2m", "--log-opt=max-file=1"]);
    stage.create("fraction", &["--log-opt=max-size=1.5m", "--log-opt=max-file=1"]);
    stage.create("terabytes", &["--log-opt=max-size=1t", "--log-opt=max-file=1"]);
    stage.create("no-bytes", &["--log-opt=max-size=0"]);
    stage.create("no-files", &["--log-opt=max-size=1m", "--log-opt=max-file=0"]);
    stage.create("not-a-size", &["--log-opt=max-size=much"]);
    stage.create("local", &["--log-driver=local"]);
    stage.create("small-local", &["--log-driver=local", "--log-opt=max-size=400k"]);
    stage.create("nothing-kept", &["--log-driver=none"]);
    stage.create("syslog", &["--log-driver=syslog"]);
    stage.create("journald", &["--log-driver=journald"]);
    // What is declared bounds nothing.
    let declared = "logging: {driver: json-file, options: {max-size: 1m, max-file: \"2\"}}";
    stage.declare("unbounded", declared);
    stage.declare("scaled-to-none", &format!("scale: 0, {declared}"));
    for (service, check, verdict, reason) in [
        ("unbounded", ANY, Broken, "json-file keeps everything: it has no max-size"),
        ("unbounded", TWO, Broken, "json-file keeps everything: it has no max-size"),
        ("bounded", ANY, Held, "the driver json-file keeps at most 2000000 bytes"),
        ("bounded", TWO, Held, "the driver json-file keeps at most 2000000 bytes"),
        ("bounded", "log-rotation: {max: 1MB}", Broken, "(2.0 MB, 1.9 MiB), not 1000000 bytes"),
        ("one-file", TWO, Held, "the driver json-file keeps at most 2000000 bytes"),
        ("fraction", TWO, Held, "the driver json-file keeps at most 1500000 bytes"),
        ("terabytes", TWO, Broken, "the driver json-file keeps at most 1000000000000 bytes"),
        ("no-bytes", ANY, Inconclusive, "the option max-size=0 is not understood"),
        ("no-files", ANY, Inconclusive, "the option max-file=0 is not understood"),
        ("not-a-size", ANY, Inconclusive, "the option max-size=much is not understood"),
        ("local", ANY, Held, "the driver local keeps at most 100000000 bytes"),
        ("local", TWO, Broken, "the driver local keeps at most 100000000 bytes"),
        ("small-local", TWO, Held, "the driver local keeps at most 2000000 bytes"),
        ("nothing-kept", TWO, Held, "no log is kept"),
        ("syslog", ANY, Inconclusive, "the driver syslog keeps the log where"),
        ("journald", TWO, Inconclusive, "the driver journald keeps the log where"),
        ("scaled-to-none", ANY, Inconclusive, "service scaled-to-none has no container"),
    ] {
        stage.expect(service, check, verdict, reason);
    }
    stage.judge();
}

// An engine may add options of its own to every container, and the one of this machine does: what
// a container without options has is seen elsewhere.
#[rstest]
#[case::without_options(json!({"Type": "json-file", "Config": {}}), Broken, "keeps everything")]
#[case::null(json!({"Type": "json-file", "Config": null}), Broken, "keeps everything")]
#[case::files_without_size(json!({"Type": "json-file", "Config": {"max-file": "3"}}), Broken, "keeps everything")]
#[case::other_options(json!({"Type": "json-file", "Config": {"mode": "non-blocking", "max-buffer-size": "1m"}}), Broken, "keeps everything")]
#[case::plugin(json!({"Type": "loki", "Config": {"max-size": "1m"}}), Inconclusive, "the driver loki keeps the log where")]
#[case::no_driver(json!({"Type": "", "Config": {}}), Inconclusive, "the driver (none is told) keeps")]
#[case::nothing(Value::Null, Inconclusive, "the driver (none is told) keeps")]
fn what_the_engine_has_configured_is_judged(
    #[case] log: Value,
    #[case] verdict: Verdict,
    #[case] reason: &str,
) {
    let world = seen(json!({}), json!({"LogConfig": log}), reply(&[]));
    let finding = said("log-rotation", json!({}), &world);
    assert_eq!(finding.verdict, verdict, "{}", finding.message);
    assert!(finding.message.contains(reason), "{}", finding.message);
}
