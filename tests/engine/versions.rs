//! The engine at hand behaves as the table says of its version.

use std::process::Command;

use stackproof::engine::versions::{Subject, expected};

use super::image::Image;
use super::stack::{LABEL, docker, wait_until};

/// A container that is removed when it is dropped.
struct Held(String);

impl Drop for Held {
    fn drop(&mut self) {
        docker(&["rm", "--force", &self.0]);
    }
}

fn held(image: &Image, arguments: &[&str]) -> Held {
    let name = format!("{}-held", image.0);
    let label = format!("--label={LABEL}=1");
    let mut all = vec!["run", "--detach", "--network=none", "--name", &name, &label];
    all.extend(arguments);
    all.extend([image.0.as_str(), "/probe", "hold"]);
    docker(&all);
    Held(name)
}

fn behaviour(subject: Subject) -> &'static str {
    let engine = docker(&["version", "--format={{.Server.Version}}"]);
    expected(subject, Some(&engine)).unwrap().behaviour
}

#[test]
fn an_exec_of_nothing_ends_as_expected() {
    let image = Image::import();
    let held = held(&image, &[]);
    let ended = Command::new("docker").args(["exec", &held.0, "/not-there"]).output().unwrap();
    let code = ended.status.code().unwrap().to_string();
    let expected = behaviour(Subject::ExecOfNothing);
    assert!(expected.ends_with(&code), "{code}, expected: it {expected}");
}

#[test]
fn the_flag_of_killed_containers_is_set_when_expected() {
    let image = Image::import();
    let held = held(&image, &["--memory=32m", "--memory-swap=32m"]);
    let flag = || docker(&["inspect", "--format={{.State.OOMKilled}}", &held.0]);
    assert_eq!(flag(), "false");
    let hog = ["exec", &held.0, "/probe", "hog", "nonce", "99999999", "20000"];
    let killed = Command::new("docker").args(hog).output().unwrap();
    assert_eq!(killed.status.code(), Some(137));
    if behaviour(Subject::OomKilledFlag).starts_with("set at once") {
        wait_until("the flag", || flag() == "true");
    } else {
        assert_eq!(flag(), "false");
        docker(&["stop", "--time=1", &held.0]);
        assert_eq!(flag(), "true");
        docker(&["start", &held.0]);
        assert_eq!(flag(), "true");
    }
}
