//! The servers of the platform, each asked by its own client from inside the stack.

use serde_json::json;

use super::stack::{E2i, docker};

#[test]
fn mlflow_keeps_a_run_with_its_metric_and_its_artifact() {
    let run = E2i::shared().python("mlflow", include_str!("mlflow.py"));
    assert_eq!(
        run,
        json!({
            "status": "FINISHED", "metrics": {"accuracy": 0.75}, "note": "kept",
            // The client has no access to the store: the server passes artifacts on.
            "artifacts": "mlflow-artifacts",
        })
    );
}

#[test]
fn bentoml_expects_more_of_customers_who_visit_more() {
    let reply = E2i::shared().python("bentoml", include_str!("bentoml.py"));
    let predicted: Vec<f64> = serde_json::from_value(reply).unwrap();
    // The customers were made up with a chance of 1 / (1 + exp(3 - 0.02 age - 0.5 visits)).
    for (probability, expected) in predicted.iter().zip([0.10, 0.33, 0.91]) {
        assert!((probability - expected).abs() < 0.05, "{predicted:?}");
    }
    assert_eq!(predicted.len(), 3);
}

#[test]
fn feast_has_the_features_of_a_customer_and_none_of_a_stranger() {
    let reply = E2i::shared().python("feast", include_str!("feast.py"));
    assert_eq!(reply["statuses"], json!(["PRESENT", "NOT_FOUND"]));
    let age = reply["ages"][0].as_f64().unwrap();
    assert!((18.0..=80.0).contains(&age), "{age}");
    assert!(reply["ages"][1].is_null());
}

#[test]
fn falkordb_finds_what_was_created() {
    let reply = E2i::shared().python("worker", include_str!("falkordb.py"));
    assert_eq!(reply, json!({"created": 1.0, "found": [["b"]]}));
}

#[test]
fn redis_answers_to_its_password_only() {
    let reply = E2i::shared().python("worker", include_str!("redis.py"));
    assert_eq!(reply, json!(["AuthenticationError", "AuthenticationError", true]));
}

#[test]
fn opiks_sdk_loses_nothing_to_the_stand_in() {
    let reply = E2i::shared().python("api", include_str!("opik.py"));
    assert_eq!(
        reply,
        json!({
            "flushed": [true, true], "dropped": [0, 0],
            "input": {"question": "why"}, "output": {"answer": "because"},
            "spans": ["thought"], "server": "STAND-IN for Opik",
        })
    );
}

#[test]
fn the_stand_in_says_what_it_is_to_whoever_looks_at_it() {
    let container = E2i::shared().container("opik");
    let said = |format: &str| docker(&["inspect", "--format", format, &container]);
    let label = said("{{index .Config.Labels \"dev.stackproof.stand-in\"}}");
    assert!(label.starts_with("STAND-IN for Opik"), "{label}");
    let health = said("{{(index .State.Health.Log 0).Output}}");
    assert!(health.contains("STAND-IN for Opik"), "{health}");
    let image = said("{{.Config.Image}}");
    assert!(image.contains("stand-in"), "{image}");
}
