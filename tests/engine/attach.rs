//! Looking at somebody else's stack changes nothing of it.

use super::stack::{Small, docker, stackproof};

const CLAIMS: &str = "  - id: web-is-hardened
    text: The web service is not root, read-only, without capabilities and cut off from Docker.
    severity: high
    source: test
    checks:
      - runs-as: {services: [web], uid: 1234, gid: 1234}
      - capabilities: {services: [web]}
      - no-new-privileges: {services: [web]}
      - seccomp: {services: [web]}
      - read-only-root: {services: [web]}
      - namespaces: {services: [web]}
      - no-docker-access: {services: [web]}
      - memory-limit: {services: [web], limit: 64MiB}
";
const HARDENED: &str = "    user: \"1234:1234\"
    read_only: true
    cap_drop: [ALL]
    security_opt: [\"no-new-privileges:true\"]
    mem_limit: 64m
    networks: [inner]
networks:
  inner: {internal: true}
";

/// Takes the project down when the test ends, however it ends.
struct Project<'a>(&'a Small, String);

impl Drop for Project<'_> {
    fn drop(&mut self) {
        let file = self.0.folder.path().join("compose.yaml");
        let file = file.to_string_lossy().into_owned();
        docker(&["compose", "-p", &self.1, "-f", &file, "down", "--volumes", "--timeout", "1"]);
    }
}

#[test]
fn a_hardened_container_from_scratch_is_verified_without_being_changed() {
    let small = Small::new(HARDENED, CLAIMS);
    let project = Project(&small, small.image.0.clone());
    let file = small.folder.path().join("compose.yaml").to_string_lossy().into_owned();
    docker(&["compose", "-p", &project.1, "-f", &file, "up", "--detach", "--wait"]);
    let container = format!("{}-web-1", project.1);
    let state = || {
        [
            docker(&["inspect", &container]),
            docker(&["diff", &container]),
            docker(&["ps", "--all", "--filter", &format!("name={}", project.1), "--quiet"]),
        ]
    };
    let before = state();
    let json = small.folder.path().join("r.json");
    let output =
        stackproof(&small, &["--attach", &project.1, "--json", "r.json"]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert_eq!(state(), before);
    let record: serde_json::Value = serde_json::from_slice(&std::fs::read(json).unwrap()).unwrap();
    assert_eq!(record["claims"][0]["checks"].as_array().unwrap().len(), 8);
    assert_eq!(record["changes"], serde_json::json!([]));
}

#[test]
fn a_project_that_is_not_there_is_69() {
    let small = Small::new(HARDENED, CLAIMS);
    let output = stackproof(&small, &["--attach", "nobodys-project"]).output().unwrap();
    assert_eq!(output.status.code(), Some(69));
    assert!(String::from_utf8_lossy(&output.stderr).contains("nobodys-project"));
}
