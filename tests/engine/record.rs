//! The record of a real run: its form, and that no secret is in it.

use insta::assert_json_snapshot;
use insta::internals::Content;
use serde_json::Value;

use super::stack::{Small, stackproof};

const CLAIMS: &str = "  - id: web-is-not-root
    text: The web service does not run as root.
    severity: high
    source: test
    documented:
      command: docker inspect --format '{{json .Config}}' small-web; cat secret.txt
      expected: nothing secret
      satisfied_when: exits-zero
    checks:
      - runs-as: {services: [web], uid: 1234, gid: 1234}
  - id: memory-is-limited
    text: The web service has a memory limit.
    severity: low
    source: test
    checks:
      - memory-limit: {services: [web]}
  - id: nobody-can-see-this
    text: The administrators are kind.
    severity: low
    source: test
    pending: it is a matter of the heart
";
const SERVICE: &str = "    user: \"1234:1234\"
    container_name: small-web
    labels: {note: 'password is inline-secret-3'}
    environment:
      DB_PASSWORD: named-secret-1
      BROKER: redis://user:addressed-secret-2@broker/0
      PUBLIC_NAME: visible
    secrets: [inline, file]
secrets:
  inline: {environment: STACK_SECRET}
  file: {file: ./secret.txt}
";
const SECRETS: [&str; 4] =
    ["named-secret-1", "addressed-secret-2", "inline-secret-3", "filed-secret-4"];

/// The record, and everything that the run wrote.
fn run() -> (Value, String) {
    let small = Small::new(SERVICE, CLAIMS);
    std::fs::write(small.folder.path().join("secret.txt"), "filed-secret-4\n").unwrap();
    let output = stackproof(&small, &["-vv", "--json", "r.json", "--junit", "r.xml"])
        .env("STACK_SECRET", "inline-secret-3")
        .output()
        .unwrap();
    let read = |name: &str| std::fs::read_to_string(small.folder.path().join(name)).unwrap();
    let json = read("r.json");
    let record = serde_json::from_str(&json).unwrap();
    let all = [
        json,
        read("r.xml"),
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    ];
    assert_eq!(output.status.code(), Some(1), "{}", all.join("\n"));
    (record, all.join("\n"))
}

#[test]
fn a_run_writes_no_secret_of_its_model_and_a_record_of_this_form() {
    let (record, written) = run();
    // What the document's command prints holds the variables, so the test can fail.
    assert!(written.contains("PUBLIC_NAME=visible"), "{written}");
    assert!(written.contains("DB_PASSWORD=[redacted]"), "{written}");
    for secret in SECRETS {
        assert!(!written.contains(secret), "{secret} was written");
    }
    assert_json_snapshot!(record, {
        ".run_id" => "[run]", ".started" => "[when]", ".finished" => "[when]",
        ".environment" => insta::dynamic_redaction(|facts, _| {
            // Where the tests run is no part of the form; which facts there are is.
            let Content::Map(facts) = facts else { panic!() };
            Content::Seq(facts.into_iter().map(|(key, _)| key).collect())
        }),
        ".images[].id" => "[digest]", ".images[].reference" => "[reference]",
        ".images[].size_bytes" => "[bytes]",
        ".changes[]" => insta::dynamic_redaction(|change, _| {
            change.as_str().unwrap().split(':').next().unwrap().to_owned()
        }),
        ".claims[].documented.ran" => "[command]", ".claims[].documented.output" => "[output]",
        ".claims[].checks[].duration_ms" => "[ms]",
        ".claims[].checks[].reproduce" => "[command]",
        ".claims[].checks[].evidence[].when" => "[when]",
        ".claims[].checks[].evidence[].what" => insta::dynamic_redaction(|what, _| {
            what.as_str().unwrap().split(" of ").next().unwrap().to_owned()
        }),
        ".claims[].checks[].evidence[].value" => "[value]",
        ".timeline.began" => "[when]", ".timeline.at_ms" => "[column]",
        ".timeline.courses[].container" => "[container]",
        ".timeline.courses[].source" => "[source]",
        ".timeline.courses[].unseen" => "[reason]",
        ".timeline.courses[].cpu_ns" => "[column]",
        ".timeline.courses[].memory_bytes" => "[column]",
        ".timeline.courses[].pids" => "[column]", ".timeline.courses[].oom_kills" => "[column]",
        ".timeline.courses[].statuses" => "[changes]",
    });
}
