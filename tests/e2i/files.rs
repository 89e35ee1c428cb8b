//! The stack's files: valid, and with the figures of the document.

use std::path::Path;
use std::process::Command;

use rstest::rstest;
use serde_json::Value;
use stackproof::compose::Model;
use stackproof::doctor::proposal::Proposal;
use stackproof::doctor::scale::Host;
use stackproof::scenario::load::load;

use super::stack::folder;

fn resolved(files: &[&str]) -> Value {
    let mut compose = Command::new("docker");
    compose.current_dir(folder()).arg("compose");
    for file in files {
        compose.args(["--file", file]);
    }
    let output = compose.args(["config", "--format", "json"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

const GIB: u64 = 1 << 30;

#[rstest]
#[case::redis("redis", 1.0, GIB)]
#[case::falkordb("falkordb", 1.0, 2 * GIB)]
#[case::mlflow("mlflow", 1.0, 2 * GIB)]
#[case::bentoml("bentoml", 2.0, 4 * GIB)]
#[case::feast("feast", 1.0, 2 * GIB)]
#[case::opik("opik", 1.0, 2 * GIB)]
#[case::api("api", 2.0, 4 * GIB)]
#[case::worker("worker", 2.0, 4 * GIB)]
#[case::scheduler("scheduler", 0.5, GIB / 2)]
#[case::frontend("frontend", 0.5, GIB / 2)]
fn limits_are_those_of_the_documents_table_and_reservations_half(
    #[case] service: &str,
    #[case] cpus: f64,
    #[case] memory: u64,
) {
    let model = resolved(&["compose.yaml"]);
    let service = &model["services"][service];
    let resources = &service["deploy"]["resources"];
    let bytes = |value: &Value| value.as_str().unwrap().parse::<u64>().unwrap();
    assert_eq!(resources["limits"]["cpus"].as_f64(), Some(cpus));
    assert_eq!(bytes(&resources["limits"]["memory"]), memory);
    assert_eq!(resources["reservations"]["cpus"].as_f64(), Some(cpus / 2.0));
    assert_eq!(bytes(&resources["reservations"]["memory"]), memory / 2);
    assert_eq!(bytes(&service["memswap_limit"]), memory);
    assert!(resources["limits"]["pids"].as_u64().is_some());
}

#[rstest]
#[case::dev("dev.yaml", |worker: &Value| worker["user"] == "0:0" && worker.get("cap_drop").is_none())]
#[case::stress("stress.yaml", |worker: &Value| worker["build"]["target"] == "worker-stress")]
#[case::one_core("one-core.yaml", |worker: &Value| worker["deploy"]["resources"]["limits"]["cpus"] == 1)]
fn an_overlay_changes_the_worker_and_nothing_of_its_limit_of_memory(
    #[case] overlay: &str,
    #[case] changed: fn(&Value) -> bool,
) {
    let model = resolved(&["compose.yaml", overlay]);
    let worker = &model["services"]["worker"];
    assert!(changed(worker), "{worker:#}");
    assert_eq!(worker["deploy"]["resources"]["limits"]["memory"], "4294967296");
}

/// Doctor proposes no more than what the host needs, and what it says of the claims is what the
/// checks find: the three rows with 2 CPUs, the sum over all rows, and what cannot be exceeded.
#[test]
fn for_a_host_with_one_core_doctor_proposes_an_overlay_for_the_three_services_with_two() {
    let shown = Path::new("scenarios/e2i.yaml");
    let scenario = load(&Path::new(env!("CARGO_MANIFEST_DIR")).join(shown)).unwrap().scenario;
    let model = Model::of(resolved(&["compose.yaml"])).unwrap();
    let one_core = Host { cpus: Some(1), memory: Some(8 * GIB) };
    let proposal = Proposal::of(&scenario, shown, &model, one_core);

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("overlay.yaml");
    std::fs::write(&file, &proposal.overlay).unwrap();
    let scaled = Model::of(resolved(&["compose.yaml", file.to_str().unwrap()])).unwrap();
    for (name, service) in &model.services {
        let mut expected = service.clone();
        if ["api", "bentoml", "worker"].contains(&name.as_str()) {
            expected.cpus = Some(1.0);
        }
        assert_eq!(scaled.services[name], expected, "{name}");
    }

    let usage = proposal.usage(shown, &[], Path::new("FILE"));
    let named: Vec<&str> = usage.lines().filter_map(|line| line.strip_prefix("  ")).collect();
    let expected = [
        "stackproof run scenarios/e2i.yaml --overlay FILE",
        "bentoml-is-limited-as-stated",
        "api-is-limited-as-stated",
        "worker-is-limited-as-stated",
        "totals-follow-from-the-table",
        "cpu-limit-throttles",
    ];
    assert_eq!(named, expected, "{usage}");
    assert_eq!(proposal.signs.len(), 3, "{:?}", proposal.signs);
    for sign in &proposal.signs {
        assert!(sign.is.ends_with("is limited to 2 CPU, and the host has 1 CPU"), "{sign}");
    }
}

#[test]
fn the_twin_has_the_same_services_and_nothing_that_was_fixed() {
    let names = |model: &Value| {
        let services = model["services"].as_object().unwrap();
        services.keys().cloned().collect::<Vec<_>>()
    };
    let twin = resolved(&["vulnerable.yaml"]);
    assert_eq!(names(&twin), names(&resolved(&["compose.yaml"])));
    let worker = &twin["services"]["worker"];
    assert_eq!(worker["user"], "root");
    assert_eq!(worker["environment"]["C_FORCE_ROOT"], "1");
    for (name, service) in twin["services"].as_object().unwrap() {
        for fixed in ["deploy", "cap_drop", "security_opt", "read_only", "logging"] {
            assert_eq!(service.get(fixed), None, "{service:#}");
        }
        // The scheduler leaves it to the engine to wait for the broker.
        let restart = if name == "scheduler" { Value::from("on-failure") } else { Value::Null };
        assert_eq!(service["restart"], restart, "{service:#}");
    }
}
