//! The application: what a client of the published port gets, and what happens behind it.

use serde_json::{Value, json};

use super::stack::{E2i, eventually};

fn get(url: &str) -> Value {
    ureq::get(url).call().unwrap().body_mut().read_json().unwrap()
}

#[test]
fn eighteen_agents_answer_a_question() {
    let e2i = E2i::shared();
    let url = format!("{}/api/questions", e2i.frontend());
    let question = json!({"customer": 7, "seed": 1});
    let reply: Value =
        ureq::post(&url).send_json(question).unwrap().body_mut().read_json().unwrap();
    let agents = reply["agents"].as_object().unwrap();
    assert_eq!(agents.len(), 18, "{agents:?}");
    for (name, answer) in agents {
        assert_eq!(answer.get("error"), None, "{name}");
        if name.starts_with("cohort-") {
            let adjusted = answer["adjusted"].as_f64().unwrap();
            // The data is made with an effect of 2; a confounder makes it look like 4.5.
            assert!((adjusted - 2.0).abs() < 0.1, "{name}: {answer}");
        }
    }
    assert_eq!(agents["features"]["age"]["status"], "PRESENT");
    assert_eq!(
        agents["graph"]["ways"],
        json!([["season", "demand"], ["season", "price", "demand"]])
    );
    let trace = reply["trace"].as_str().unwrap();
    let spans = eventually("a trace with 18 spans", || {
        let count = e2i.python("api", &spans_of(trace));
        (count.as_u64()? >= 18).then_some(count)
    });
    assert_eq!(spans, 18);
}

/// A program that counts the spans of a trace.
fn spans_of(trace: &str) -> String {
    format!(
        "import json, urllib.request\n\
         url = 'http://opik:8080/api/v1/private/traces/{trace}/spans'\n\
         print(len(json.load(urllib.request.urlopen(url))))\n"
    )
}

#[test]
fn the_schedulers_task_runs_in_the_worker_again_and_again() {
    let url = format!("{}/api/pulse", E2i::shared().frontend());
    let count = || get(&url)["count"].as_u64().unwrap();
    let before = count();
    eventually("two more runs of the task", || (count() >= before + 2).then_some(()));
}

#[test]
fn the_frontend_serves_the_page_and_passes_the_api_on() {
    let frontend = E2i::shared().frontend();
    let mut page = ureq::get(&frontend).call().unwrap();
    assert_eq!(page.headers()["x-content-type-options"], "nosniff");
    let body = page.body_mut().read_to_string().unwrap();
    assert!(body.contains("<h1>E2I</h1>"), "{body}");
    assert_eq!(get(&format!("{frontend}/api/health")), json!({"status": "ok"}));
}

#[test]
fn a_question_about_nobody_is_refused() {
    let url = format!("{}/api/questions", E2i::shared().frontend());
    let refused = ureq::post(&url).send_json(json!({"customer": 0})).unwrap_err();
    assert!(matches!(refused, ureq::Error::StatusCode(422)), "{refused}");
}
