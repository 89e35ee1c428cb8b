//! `restart-policy`: declared, configured, and what it has had to do.

use jiff::{SignedDuration, Timestamp};
use rstest::rstest;
use serde_json::{Value, json};
use stackproof::verdict::Verdict::{self, Broken, Held, Inconclusive};
use testcontainers::ImageExt;
use testcontainers::bollard::models::{HostConfig, RestartPolicy, RestartPolicyNameEnum};

use super::super::stack::{docker, wait_until};
use super::stage::{Configure, Stage};
use super::world::{placed, reply, said, seen};

const NO: &str = "restart-policy: {policy: \"no\"}";
const UNLESS: &str = "restart-policy: {policy: unless-stopped}";
const ALWAYS: &str = "restart-policy: {policy: always}";
const TWICE: &str = "restart-policy: {policy: \"on-failure:2\"}";

fn unless_stopped(host: &mut HostConfig) {
    let name = Some(RestartPolicyNameEnum::UNLESS_STOPPED);
    host.restart_policy = Some(RestartPolicy { name, maximum_retry_count: None });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_holds_where_statement_declaration_and_engine_agree() {
    let mut stage = Stage::new();
    let services: [(&str, Configure); 6] = [
        ("agreed", |c| c.with_host_config_modifier(unless_stopped)),
        ("none", |c| c),
        ("only-declared", |c| c),
        ("only-configured", |c| c.with_host_config_modifier(unless_stopped)),
        ("updated", |c| c.with_host_config_modifier(unless_stopped)),
        ("by-deploy", |c| {
            c.with_host_config_modifier(|host| {
                let name = Some(RestartPolicyNameEnum::ON_FAILURE);
                host.restart_policy = Some(RestartPolicy { name, maximum_retry_count: Some(2) });
            })
        }),
    ];
    stage.start(services).await;
    for service in ["agreed", "only-declared", "updated"] {
        stage.declare(service, "restart: unless-stopped");
    }
    stage
        .declare("by-deploy", "deploy: {restart_policy: {condition: on-failure, max_attempts: 2}}");
    stage.declare("scaled-to-none", "scale: 0, restart: unless-stopped");
    docker(&["update", "--restart=always", &stage.container("updated")]);
    for (service, check, verdict, reason) in [
        ("agreed", UNLESS, Held, "unless-stopped, no restart so far"),
        ("agreed", ALWAYS, Broken, "always is stated, unless-stopped is declared"),
        ("none", NO, Held, "no, no restart so far"),
        ("none", UNLESS, Broken, "unless-stopped is stated, no is declared"),
        ("only-declared", UNLESS, Broken, "unless-stopped is declared, the engine has no"),
        ("only-configured", UNLESS, Broken, "unless-stopped is stated, no is declared"),
        ("only-configured", NO, Broken, "no is declared, the engine has unless-stopped"),
        ("updated", UNLESS, Broken, "unless-stopped is declared, the engine has always"),
        ("by-deploy", TWICE, Held, "on-failure:2, no restart so far"),
        (
            "by-deploy",
            "restart-policy: {policy: on-failure}",
            Broken,
            "on-failure is stated, on-failure:2 is declared",
        ),
        ("scaled-to-none", UNLESS, Inconclusive, "service scaled-to-none has no container"),
    ] {
        stage.expect(service, check, verdict, reason);
    }
    stage.judge();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_had_to_act_does_not_hide_what_it_acts_on() {
    let mut stage = Stage::new();
    // The probe refuses an unknown word, and its end is a failure.
    let failing = ["/probe", "nothing"];
    let holding = ["/probe", "hold"];
    stage.run_program("looping", &["--restart=always"], &failing);
    stage.run_program("given-up", &["--restart=on-failure:2"], &failing);
    stage.run_program("killed-once", &["--restart=always"], &holding);
    stage.run_program("stopped-by-hand", &["--restart=unless-stopped"], &holding);
    stage.run_program("failed", &[], &failing);
    stage.run_program("over", &[], &["/probe", "euid"]);
    stage.create("never-started", &["--restart=always"]);
    for service in ["looping", "killed-once", "never-started"] {
        stage.declare(service, "restart: always");
    }
    stage.declare("given-up", "restart: \"on-failure:2\"");
    stage.declare("stopped-by-hand", "restart: unless-stopped");
    let look = |service: &str, format: &str| {
        docker(&["inspect", &format!("--format={format}"), &stage.container(service)])
    };
    let pid = look("killed-once", "{{.State.Pid}}").parse().unwrap();
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    docker(&["stop", "--time=1", &stage.container("stopped-by-hand")]);
    let state = "{{.RestartCount}} {{.State.Status}}";
    wait_until("the last try", || look("given-up", state) == "2 exited");
    wait_until("a restart", || look("killed-once", state) == "1 running");
    // From then on the engine waits for seconds before it tries again.
    wait_until("many tries", || {
        let said = look("looping", state);
        let (count, status) = said.split_once(' ').unwrap();
        count.parse::<u32>().unwrap() >= 6 && status == "restarting"
    });
    for (service, check, verdict, reason) in [
        ("looping", ALWAYS, Broken, "times: it ends with "),
        ("given-up", TWICE, Broken, "it was started again 2 times: it ends with "),
        ("killed-once", ALWAYS, Inconclusive, "it was started again 1 times, the last time "),
        ("stopped-by-hand", UNLESS, Inconclusive, "it does not run: it has exited with "),
        ("failed", NO, Inconclusive, "it does not run: it has exited with "),
        ("over", NO, Held, "no, no restart so far"),
        ("never-started", ALWAYS, Inconclusive, "it does not run: it is created"),
    ] {
        stage.expect(service, check, verdict, reason);
    }
    stage.judge();
}

fn running(restarts: Value) -> Value {
    json!({"restarts": restarts, "status": "running", "for": 3600})
}

#[rstest]
#[case::fresh(false, running(json!(0)), Held, "always, no restart so far")]
#[case::fresh_restarted(false, running(json!(1)), Broken, "it was started again 1 times")]
#[case::old_restarted(true, running(json!(3)), Held, "always; 3 restarts so far, the last one 3600 s ago")]
#[case::between_two_ends(true, json!({"restarts": 3, "status": "running", "for": 2}), Inconclusive, "the last time 2 s ago")]
#[case::clock_of_another(true, json!({"restarts": 3, "status": "running", "for": -50}), Inconclusive, "the last time")]
#[case::no_time(true, json!({"restarts": 3, "status": "running"}), Inconclusive, "the engine does not say when")]
#[case::looping(true, json!({"restarts": 3, "status": "restarting", "code": 7}), Broken, "it was started again 3 times: it ends with 7")]
#[case::first_loop(true, json!({"restarts": 0, "status": "restarting", "code": 7}), Broken, "it ends with 7")]
#[case::given_up(true, json!({"restarts": 3, "status": "exited", "code": 7}), Broken, "it was started again 3 times: it ends with 7")]
#[case::paused(true, json!({"restarts": 0, "status": "paused"}), Held, "always, no restart so far")]
#[case::dead(true, json!({"restarts": 0, "status": "dead"}), Inconclusive, "it does not run: it is dead")]
#[case::ended_well(true, json!({"restarts": 0, "status": "exited", "code": 0}), Inconclusive, "it does not run: it has exited with 0")]
#[case::uncounted(true, running(Value::Null), Inconclusive, "the engine counts no restarts")]
fn restarts_are_judged_by_whose_stack_it_is_and_by_what_became_of_it(
    #[case] attached: bool,
    #[case] state: Value,
    #[case] verdict: Verdict,
    #[case] reason: &str,
) {
    let policy = json!({"RestartPolicy": {"Name": "always", "MaximumRetryCount": 0}});
    let mut world = seen(json!({"restart": "always"}), policy, reply(&[]));
    world.attached = attached;
    let container = &mut world.services.get_mut("web").unwrap()[0].container;
    container.restart_count = state["restarts"].as_i64();
    container.state.status = state["status"].as_str().map(str::to_owned);
    container.state.exit_code = state["code"].as_i64();
    let now = Timestamp::now();
    container.inspected = Some(now);
    container.state.started_at =
        state["for"].as_i64().map(|ago| (now - SignedDuration::from_secs(ago)).to_string());
    let finding = said("restart-policy", json!({"policy": placed("always")}), &world);
    assert_eq!(finding.verdict, verdict, "{}", finding.message);
    assert!(finding.message.contains(reason), "{}", finding.message);
}

#[test]
fn an_engine_that_tells_no_policy_is_inconclusive() {
    let world = seen(json!({"restart": "always"}), json!({}), reply(&[]));
    let finding = said("restart-policy", json!({"policy": placed("always")}), &world);
    let expected = (Inconclusive, "the engine tells no policy");
    assert_eq!((finding.verdict, finding.message.as_str()), expected);
}
