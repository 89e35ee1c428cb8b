//! One record in which everything occurs, with fixed times and ids.

use jiff::Timestamp;
use serde_json::{Value, json};
use stackproof::observation::{Evidence, Observation, Vantage};
use stackproof::record::{
    CheckRecord, ClaimRecord, Course, DocumentedRecord, HealthCourse, ImageRecord, Record, SCHEMA,
    Source, Summary, Timeline,
};
use stackproof::scenario::Severity;
use stackproof::verdict::Verdict;

/// A time, `seconds` after the sample run began.
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_795_428_000 + seconds).unwrap()
}

pub(crate) fn check(code: &str, service: &str, verdict: Verdict) -> CheckRecord {
    CheckRecord {
        code: code.to_owned(),
        service: service.to_owned(),
        verdict,
        expected: "uid 65532 in every process".to_owned(),
        observed: "uid 65532 in 3 of 3 processes".to_owned(),
        message: String::new(),
        reproduce: "docker top otis-api-1 -eo pid,uid,gid,args".to_owned(),
        duration_ms: 42,
        evidence: seen(Vantage::Inside, "/proc/[pid]/status", json!({"uids": [65532]})),
    }
}

pub(crate) fn seen(vantage: Vantage, what: &str, value: Value) -> Evidence {
    Evidence::one(Observation::at(at(20), vantage, what, value))
}

pub(crate) fn claim(
    id: &str,
    text: &str,
    verdict: Verdict,
    checks: Vec<CheckRecord>,
) -> ClaimRecord {
    ClaimRecord {
        id: id.to_owned(),
        text: text.to_owned(),
        severity: Severity::High,
        source: "SECURITY.md, section 2".to_owned(),
        verdict,
        documented: None,
        checks,
    }
}

fn documented(command: &str, expected: &str, output: &str, verdict: Verdict) -> DocumentedRecord {
    DocumentedRecord {
        command: command.to_owned(),
        ran: command.replace("otis_api", "otis-7f3a2c19-api-1"),
        expected: expected.to_owned(),
        exit_code: Some(i32::from(verdict != Verdict::Held)),
        output: output.to_owned(),
        verdict,
    }
}

pub(crate) fn record(scenario: &str, claims: Vec<ClaimRecord>) -> Record {
    Record {
        schema: SCHEMA.to_owned(),
        run_id: "7f3a2c19".to_owned(),
        scenario: scenario.to_owned(),
        started: at(0),
        finished: at(41) + jiff::SignedDuration::from_millis(240),
        environment: serde_json::Map::from_iter([
            ("engine".to_owned(), json!("27.3.1")),
            ("compose".to_owned(), json!("2.29.7")),
            ("cgroup".to_owned(), json!(2)),
            ("kernel".to_owned(), json!("6.8.0-45-generic")),
            ("apparmor".to_owned(), Value::Null),
        ]),
        images: vec![ImageRecord {
            service: "api".to_owned(),
            reference: "otis-api:7f3a2c19".to_owned(),
            id: "sha256:0f1e2d".to_owned(),
            size_bytes: 187_654_321,
        }],
        changes: vec!["api: published port 8000 moved to a free port of 127.0.0.1".to_owned()],
        summary: Summary::of(&claims),
        claims,
        aborted: None,
        leftovers: Vec::new(),
        timeline: Some(timeline()),
    }
}

/// A container that was started again between its two samples.
fn timeline() -> Timeline {
    Timeline {
        began: at(3),
        at_ms: vec![0, 1000],
        courses: vec![Course {
            service: "api".to_owned(),
            container: "otis-7f3a2c19-api-1".to_owned(),
            source: Source::Cgroup,
            unseen: Some("its cgroup is not there: it does not run".to_owned()),
            cpu_ns: vec![Some(52_000_000), None],
            memory_bytes: vec![Some(31_457_280), None],
            pids: vec![Some(4), None],
            oom_kills: vec![],
            statuses: vec![(0, "healthy".to_owned())],
            health: HealthCourse { at_ms: vec![412], took_ms: vec![87], exit_code: vec![0] },
        }],
    }
}

/// The sample: every verdict, every kind of documented command.
pub(crate) fn sample() -> Record {
    let held = ClaimRecord {
        documented: Some(documented(
            "docker exec otis_api whoami",
            "otis",
            "otis\n",
            Verdict::Held,
        )),
        ..claim(
            "non-root-user",
            "Every service runs as the user otis and none of its processes is root.",
            Verdict::Held,
            vec![check("runs-as", "api", Verdict::Held), check("runs-as", "worker", Verdict::Held)],
        )
    };
    let socket = CheckRecord {
        expected: "no path to a container engine".to_owned(),
        observed: "/run/docker.sock answered _ping with 200".to_owned(),
        message: "a bind mount of /run, declared for a pid file, brings the engine's socket along"
            .to_owned(),
        reproduce: "docker exec otis-7f3a2c19-worker-1 \\\n  curl --unix-socket /run/docker.sock http://engine/_ping"
            .to_owned(),
        evidence: seen(
            Vantage::Inside,
            "connect to the sockets found below /run, /var/run and /tmp",
            json!([{"path": "/run/docker.sock", "status": 200}, {"path": "/var/run/docker.sock", "errno": "ENOENT"}]),
        )
        .and(Observation::at(at(3), Vantage::Control, "the same probe beside the socket", 200)),
        ..check("no-docker-access", "worker", Verdict::Broken)
    };
    let broken = ClaimRecord {
        severity: Severity::Critical,
        documented: Some(documented(
            "docker exec otis_api docker ps 2>&1 | grep -q 'Cannot connect to the Docker daemon' || echo 'not reachable'",
            "an error: the daemon cannot be reached",
            "OCI runtime exec failed: exec: \"docker\": executable file not found in $PATH",
            Verdict::Held,
        )),
        ..claim(
            "no-engine-access",
            "No service except the proxy can reach the container engine, whether by its socket, over the network or with credentials that were left in the image.",
            Verdict::Broken,
            vec![check("no-docker-access", "api", Verdict::Held), socket],
        )
    };
    let unsettled = ClaimRecord {
        documented: Some(documented(
            "docker inspect otis_api | jq '.[0].HostConfig.Memory'",
            "4294967296",
            "0",
            Verdict::Broken,
        )),
        ..claim(
            "memory-limits",
            "Every service has the memory limit of the table.",
            Verdict::Inconclusive,
            vec![CheckRecord {
                expected: "4 GiB declared, configured and enforced".to_owned(),
                observed: "4 GiB declared and configured; the cgroup could not be read".to_owned(),
                message: "the probe did not answer within 10 s".to_owned(),
                ..check("memory-limit", "api", Verdict::Inconclusive)
            }],
        )
    };
    let limits = ClaimRecord {
        documented: Some(documented(
            "docker stats --no-stream otis_api",
            "a limit",
            "",
            Verdict::Broken,
        )),
        ..claim(
            "process-limits",
            "No service can start more than 512 processes.",
            Verdict::Held,
            vec![check("pids-limit", "", Verdict::Held)],
        )
    };
    let skipped = claim(
        "oom-contained",
        "Running out of memory kills inside the service only.",
        Verdict::Skipped,
        vec![CheckRecord {
            message: "intrusive checks were left out with --no-intrusive".to_owned(),
            ..check("oom-contained", "worker", Verdict::Skipped)
        }],
    );
    let pending = claim("audit-log", "Every login is logged.", Verdict::Skipped, Vec::new());
    let waived = claim(
        "small-image",
        "The image is smaller than 150 MB.",
        Verdict::Waived,
        vec![CheckRecord {
            expected: "at most 150 MB".to_owned(),
            observed: "187.7 MB".to_owned(),
            message: "waived until 2026-12-31 (the slim base is on its way, accepted by ops): 37.7 MB too large".to_owned(),
            ..check("image-size", "api", Verdict::Waived)
        }],
    );
    record("otis", vec![held, broken, unsettled, limits, skipped, pending, waived])
}

/// The sample, cut short, with two objects left behind.
pub(crate) fn aborted() -> Record {
    Record {
        aborted: Some("the stack did not become healthy within 120 s: worker is unhealthy".into()),
        leftovers: vec!["container otis-7f3a2c19-api-1".into(), "network otis-7f3a2c19".into()],
        ..sample()
    }
}
