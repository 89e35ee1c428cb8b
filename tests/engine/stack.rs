//! A small stack from one image that holds nothing but the probe, and what is left of a run.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::image::Image;

/// The label on what a test makes itself, so that it can be told from what a run makes.
pub(crate) const LABEL: &str = "dev.stackproof.test";

/// A folder with a scenario and a Compose file, and the image that it uses.
pub(crate) struct Small {
    pub(crate) folder: TempDir,
    pub(crate) image: Image,
}

impl Small {
    /// `service` is the body of the one service, `web`; `claims` the claims of the scenario.
    pub(crate) fn new(service: &str, claims: &str) -> Small {
        let image = Image::import();
        let folder = tempfile::tempdir().unwrap();
        let compose = format!(
            "services:\n  web:\n    image: {}\n    entrypoint: [/probe, hold]\n{service}",
            image.0
        );
        std::fs::write(folder.path().join("compose.yaml"), compose).unwrap();
        let scenario = format!("name: small\ncompose: [compose.yaml]\nclaims:\n{claims}");
        std::fs::write(folder.path().join("small.yaml"), scenario).unwrap();
        Small { folder, image }
    }

    pub(crate) fn scenario(&self) -> PathBuf {
        self.folder.path().join("small.yaml")
    }
}

/// Runs the Docker CLI and gives what it printed.
pub(crate) fn docker(arguments: &[&str]) -> String {
    let output = Command::new("docker").args(arguments).output().unwrap();
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// The program on a scenario, with its arguments.
pub(crate) fn stackproof(small: &Small, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stackproof"));
    command.arg("run").arg(small.scenario()).args(arguments).current_dir(small.folder.path());
    command
}

/// Everything in the engine that carries the label of a run.
pub(crate) fn left_of(run: &str) -> Vec<String> {
    let filter = format!("label=dev.stackproof.run={run}");
    let lists: [&[&str]; 4] = [
        &["ps", "--all", "--quiet", "--filter", &filter],
        &["network", "ls", "--quiet", "--filter", &filter],
        &["volume", "ls", "--quiet", "--filter", &filter],
        &["image", "ls", "--quiet", "--filter", &filter],
    ];
    lists
        .iter()
        .flat_map(|list| docker(list).lines().map(str::to_owned).collect::<Vec<_>>())
        .collect()
}

/// Waits until a condition holds; the test fails if it does not in time.
pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(90);
    while !condition() {
        assert!(Instant::now() < deadline, "{what} did not come in time");
        std::thread::yield_now();
    }
}
