//! A stack with a container that this kernel may refuse to start: it is judged as it was created.

use stackproof::verdict::Verdict::{Broken, Held, Inconclusive};

use super::stage::Stage;

const STACK: &str = "
services:
  refused:
    image: IMAGE
    entrypoint: [/not-there]
    privileged: true
    pid: host
    ipc: host
    uts: host
    restart: \"no\"
    user: \"1234:1234\"
  plain:
    image: IMAGE
    entrypoint: [/probe, hold]
    cap_drop: [ALL]
    user: \"1234:1234\"
    read_only: true
";

#[tokio::test(flavor = "multi_thread")]
async fn a_privileged_container_that_cannot_start_is_broken_and_the_rest_is_judged() {
    let mut stage = Stage::new();
    let privileged = "the container is privileged: it has every capability";
    stage.expect("refused", "capabilities", Broken, privileged);
    stage.expect("refused", "seccomp", Broken, "a privileged container has no filter");
    stage.expect("refused", "read-only-root", Broken, "configured with a writable root");
    let modes = "configured: pid: host; ipc: host; uts: host";
    stage.expect("refused", "namespaces", Broken, modes);
    let unset = "the container is configured without no-new-privileges";
    stage.expect("refused", "no-new-privileges", Broken, unset);
    stage.expect("refused", "runs-as", Inconclusive, "is not running");
    stage.expect("refused", "memory-limit", Broken, "no memory limit is declared");
    stage.expect("plain", "capabilities", Held, "none beyond what is allowed");
    stage.expect("plain", "read-only-root", Held, "mounted read-only");
    stage.expect("plain", "runs-as", Held, "all 1 processes run as uid 1234");
    let record = stage.judge_own(STACK, "");
    let aborted = record.aborted.unwrap();
    assert!(aborted.contains("service refused could not be started"), "{aborted}");
    assert_eq!(stage.code(), Some(1));
}
