//! Containers that are lent to while their stack comes up.

use serde_json::Value;

use super::stack::{Small, stackproof};

const CLAIM: &str = "  - id: web-is-not-root
    text: The web service does not run as root.
    severity: high
    source: test
    checks:
      - runs-as: {services: [web], uid: 1234}
";
/// It is lent to in the second before it ends, and is started again.
const STARTED_TWICE: &str = "services:
  web:
    image: stackproof-base/debian:bookworm-slim
    user: \"1234:1234\"
    restart: always
    command: [sh, -c, \"[ -e /tmp/1 ] || { touch /tmp/1; sleep 1; exit 7; }; touch /tmp/2; sleep 600\"]
    healthcheck: {test: [CMD, test, -e, /tmp/2], interval: 1s, retries: 30}
";

#[test]
fn a_container_that_was_started_again_meanwhile_is_lent_to_again() {
    let small = Small::new("", CLAIM);
    std::fs::write(small.folder.path().join("compose.yaml"), STARTED_TWICE).unwrap();
    let output = stackproof(&small, &["--json", "r.json"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let text = std::fs::read_to_string(small.folder.path().join("r.json")).unwrap();
    let record: Value = serde_json::from_str(&text).unwrap();
    let check = &record["claims"][0]["checks"][0];
    assert_eq!(check["verdict"], "held", "{check}\n{said}");
}
