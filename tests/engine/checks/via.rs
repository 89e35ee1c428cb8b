//! `docker-access-via`: a proxy is the only way, and it refuses what it must refuse.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use stackproof::verdict::Verdict::{Broken, Held, Inconclusive};

use super::stage::{BASE, Stage};

const PROXY: &str = include_str!("proxy.py");
const STACK: &str = "
x-proxy: &proxy
  image: stackproof-base/python:3.11-slim
  volumes: [\"/var/run/docker.sock:/engine\", \"./proxy.py:/proxy.py:ro\"]
  stop_signal: SIGKILL
  healthcheck:
    test: [CMD, python3, -c, \"import socket; socket.create_connection(('127.0.0.1', 2375))\"]
    interval: 1s
    retries: 30
x-client: &client
  image: IMAGE
  user: \"1234:1234\"
  entrypoint: [/probe, hold]
services:
  filtering: {<<: *proxy, command: [python3, /proxy.py, filtering], networks: [one]}
  empty: {<<: *proxy, command: [python3, /proxy.py, empty], networks: [two]}
  runner: {<<: *client, networks: [one]}
  direct: {<<: *client, user: \"0\", networks: [one], volumes: [\"/var/run/docker.sock:/engine\"]}
  closed: {<<: *client, networks: [one], volumes: [\"./closed:/closed\"]}
  fooled: {<<: *client, networks: [two]}
networks: {one: {internal: true}, two: {internal: true}}
";

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_counts_by_what_it_lists_and_refuses_and_if_there_is_no_other_way() {
    let mut stage = Stage::new();
    std::fs::write(stage.folder().join("proxy.py"), PROXY).unwrap();
    let closed = stage.folder().join("closed");
    std::fs::create_dir(&closed).unwrap();
    std::fs::set_permissions(&closed, Permissions::from_mode(0o700)).unwrap();
    let via = "docker-access-via: {via: filtering, forbidden: [/images/json, /info]}";
    stage.expect("runner", via, Held, "filtering:2375 lists the canary, 2 paths are refused");
    stage.expect("runner", "no-docker-access", Broken, "tcp filtering:2375");
    stage.expect(
        "runner",
        "docker-access-via: {via: filtering, forbidden: [/images/json, /version]}",
        Broken,
        "filtering:2375 does not refuse: /version came to 200",
    );
    stage.expect(
        "runner",
        "docker-access-via: {via: closed}",
        Broken,
        "closed:2375 does not list containers: refused",
    );
    stage.expect(
        "runner",
        "docker-access-via: {via: empty}",
        Broken,
        "empty:2375 does not list containers: no-such-host",
    );
    stage.expect("direct", via, Broken, "there is another way: socket /engine as 0:0: Docker/");
    stage.expect(
        "closed",
        via,
        Inconclusive,
        "another way cannot be ruled out: /closed: a mount there cannot be looked into",
    );
    stage.expect(
        "fooled",
        "docker-access-via: {via: empty}",
        Broken,
        "empty:2375 answers, but not with this engine's containers",
    );
    let record = stage.judge_own(STACK, &format!("prepare: [[{BASE}]]"));
    assert_eq!(record.aborted, None);
}
