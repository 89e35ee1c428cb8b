//! `no-env`: where a variable may be set, and where it is looked for.

use rstest::rstest;
use serde_json::{Value, json};
use stackproof::engine::image::ImageInfo;
use stackproof::probe::Question;
use stackproof::verdict::Verdict::{self, Broken, Held, Inconclusive};
use testcontainers::ImageExt;

use super::super::image::Image;
use super::super::stack::docker;
use super::stage::{BASE, Configure, Stage};
use super::world::{placed, reply, said, seen};

const CHECK: &str = "no-env: {names: [C_FORCE_ROOT]}";

#[tokio::test(flavor = "multi_thread")]
async fn a_variable_is_found_in_the_model_the_container_and_its_processes() {
    let mut stage = Stage::new();
    let services: [(&str, Configure); 7] = [
        ("nowhere", |c| c),
        ("longer-name", |c| c.with_env_var("C_FORCE_ROOT_NOT", "1")),
        ("only-declared", |c| c),
        ("declared-without-value", |c| c),
        ("in-the-container", |c| c.with_env_var("C_FORCE_ROOT", "")),
        ("executed-with-it", |c| c),
        ("paused", |c| c),
    ];
    stage.start(services).await;
    stage.create("never-started", &[]);
    stage.create("never-started-with-it", &["--env=C_FORCE_ROOT=1"]);
    stage.declare("only-declared", "environment: {C_FORCE_ROOT: \"1\"}");
    stage.declare("declared-without-value", "environment: [C_FORCE_ROOT]");
    stage.declare("scaled-to-none", "scale: 0");
    let executed = stage.container("executed-with-it");
    docker(&["exec", "--detach", "--env=C_FORCE_ROOT=1", &executed, "/probe", "hold"]);
    docker(&["pause", &stage.container("paused")]);
    for (service, verdict, reason) in [
        ("nowhere", Held, "set by nothing, and by none of 1 processes"),
        ("longer-name", Held, "set by nothing, and by none of 1 processes"),
        ("only-declared", Broken, "the Compose model sets C_FORCE_ROOT"),
        ("declared-without-value", Broken, "the Compose model sets C_FORCE_ROOT"),
        ("in-the-container", Broken, "the container sets C_FORCE_ROOT; pid 1 has C_FORCE_ROOT"),
        ("executed-with-it", Broken, "has C_FORCE_ROOT"),
        ("paused", Inconclusive, "not every environment was read: "),
        ("never-started", Inconclusive, "is not running"),
        ("never-started-with-it", Broken, "the container sets C_FORCE_ROOT"),
        ("scaled-to-none", Inconclusive, "service scaled-to-none has no container"),
    ] {
        stage.expect(service, CHECK, verdict, reason);
    }
    let both = "no-env: {names: [LD_PRELOAD, C_FORCE_ROOT]}";
    stage.expect("only-declared", both, Broken, "the Compose model sets C_FORCE_ROOT");
    stage.judge();
}

/// Nothing but a process knows of the variable: the engine's records do not, and whoever asks
/// with `docker exec` does not see it either.
const STACK: &str = "
x-python: &python
  image: stackproof-base/python:3.11-slim
  stop_signal: SIGKILL
services:
  in-the-image:
    image: SETS
    entrypoint: [/probe, hold]
  set-by-the-entrypoint:
    <<: *python
    command: [sh, -c, 'C_FORCE_ROOT=1 exec sleep 600']
  in-a-child-only:
    <<: *python
    command: [python3, -c, \"import subprocess as s; s.run(['sleep', '600'], env={'C_FORCE_ROOT': '1'})\"]
  anothers-child:
    <<: *python
    command: [python3, -c, \"import subprocess as s; s.run(['sleep', '600'], env={'C_FORCE_ROOT': '1'}, user=1000)\"]
  children-without-it:
    <<: *python
    command: [python3, -c, \"import subprocess as s; s.run(['sleep', '600'])\"]
";

#[tokio::test(flavor = "multi_thread")]
async fn a_variable_is_found_where_only_the_image_or_a_process_has_it() {
    let sets = Image::with("ENV C_FORCE_ROOT=1");
    let mut stage = Stage::new();
    for (service, verdict, reason) in [
        ("in-the-image", Broken, "the image sets C_FORCE_ROOT"),
        ("set-by-the-entrypoint", Broken, "pid 1 has C_FORCE_ROOT"),
        ("in-a-child-only", Broken, "has C_FORCE_ROOT"),
        ("anothers-child", Inconclusive, "not every environment was read: pid "),
        ("children-without-it", Held, "by none of 2 processes"),
    ] {
        stage.expect(service, CHECK, verdict, reason);
    }
    let stack = STACK.replace("SETS", &sets.0);
    let record = stage.judge_own(&stack, &format!("prepare: [[{BASE}]]"));
    assert_eq!(record.aborted, None);
}

fn process(names: &[&str]) -> Value {
    json!({"pid": 1, "names": names, "engine": {}})
}

/// An exec that the engine is just starting: nobody can read its environment.
fn in_flight() -> Value {
    json!({"pid": 7, "errno": "EACCES", "name": "runc:[2:INIT]", "ppid": 0})
}

#[rstest]
#[case::clean(&[process(&["PATH"])], Held, "by none of 1 processes")]
#[case::in_flight(&[process(&["PATH"]), in_flight()], Held, "by none of 1 processes")]
#[case::set(&[process(&["PATH", "C_FORCE_ROOT"])], Broken, "pid 1 has C_FORCE_ROOT")]
#[case::no_process(&[], Inconclusive, "no process was seen")]
#[case::only_in_flight(&[in_flight()], Inconclusive, "no process was seen")]
#[case::unreadable(&[process(&["PATH"]), json!({"pid": 8, "errno": "EACCES"})], Inconclusive, "pid 8: EACCES")]
fn every_process_counts_and_none_is_no_answer(
    #[case] environ: &[Value],
    #[case] verdict: Verdict,
    #[case] reason: &str,
) {
    let answer = (Question::Environ, json!({"environ": environ}));
    let mut world = seen(json!({}), json!({}), reply(&[answer]));
    let (id, config) = (String::new(), json!({}));
    let image = ImageInfo { id, config, tags: vec![], size: 0, layers: vec![] };
    world.images.insert("web".to_owned(), Ok(image));
    let finding = said("no-env", json!({"names": [placed("C_FORCE_ROOT")]}), &world);
    assert_eq!(finding.verdict, verdict, "{}", finding.message);
    assert!(finding.message.contains(reason), "{}", finding.message);
}

#[rstest]
#[case(&["PATH"], Inconclusive, "the image cannot be inspected")]
#[case(&["C_FORCE_ROOT"], Broken, "pid 1 has C_FORCE_ROOT")]
fn an_image_that_was_not_seen_hides_nothing_that_was(
    #[case] names: &[&str],
    #[case] verdict: Verdict,
    #[case] reason: &str,
) {
    let answer = (Question::Environ, json!({"environ": [process(names)]}));
    let mut world = seen(json!({}), json!({}), reply(&[answer]));
    let gone = "the image cannot be inspected".to_owned();
    world.images.insert("web".to_owned(), Err(gone));
    let finding = said("no-env", json!({"names": [placed("C_FORCE_ROOT")]}), &world);
    assert_eq!(finding.verdict, verdict, "{}", finding.message);
    assert!(finding.message.contains(reason), "{}", finding.message);
}
