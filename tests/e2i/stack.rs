//! The stack that the tests share, and programs run in its containers.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use stackproof::engine::Endpoint;
use stackproof::event::Nobody;
use stackproof::interrupt::Interrupt;
use stackproof::lease::{Lease, Runner};
use stackproof::run::bring_up;
use stackproof::run_id::RunId;
use stackproof::scenario::load::load;

/// The folder of the stack under test.
pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docker/e2i")
}

/// A share in the running stack.
pub(crate) struct E2i(Lease);

impl E2i {
    /// The first test brings the stack up, under the name of its run and on a free port.
    pub(crate) fn shared() -> E2i {
        let endpoint = Endpoint::from_environment().unwrap();
        let program = Path::new(env!("CARGO_BIN_EXE_stackproof"));
        let runner = Runner::find().unwrap();
        let up = |run: &RunId| bring_up_e2i(run, endpoint.clone());
        E2i(Lease::take("e2i-clients", &runner, program, &endpoint, up).unwrap())
    }

    /// The one container of a service.
    pub(crate) fn container(&self, service: &str) -> String {
        let run = format!("label=dev.stackproof.run={}", self.0.run);
        let service = format!("label=com.docker.compose.service={service}");
        let found = docker(&["ps", "--quiet", "--filter", &run, "--filter", &service]);
        assert_eq!(found.lines().count(), 1, "containers of {service}: {found:?}");
        found
    }

    /// Runs a Python program in the container of a service, which sees what a client in that
    /// service sees, and gives the JSON that the program prints as its last line.
    pub(crate) fn python(&self, service: &str, program: &str) -> Value {
        let container = self.container(service);
        let mut python = Command::new("docker")
            .args(["exec", "--interactive", &container, "python", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        python.stdin.take().unwrap().write_all(program.as_bytes()).unwrap();
        let output = python.wait_with_output().unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{service}: {printed}{complaint}");
        serde_json::from_str(printed.lines().next_back().unwrap()).unwrap()
    }

    /// The address under which the frontend is published.
    pub(crate) fn frontend(&self) -> String {
        let address = docker(&["port", &self.container("frontend"), "8080"]);
        assert!(address.starts_with("127.0.0.1:"), "published on {address}");
        format!("http://{address}")
    }
}

fn bring_up_e2i(run: &RunId, endpoint: Endpoint) -> Result<(), String> {
    // The claims of the document are verified elsewhere; a scenario must have one.
    let scenario = format!(
        "name: e2i-clients\ncompose: [{compose}]\nprepare: [[{base}]]\n\
         build_within: 15m\nhealthy_within: 5m\nclaims:\n  \
         - {{id: up, text: The stack comes up., severity: low, source: test, pending: here}}\n",
        compose = folder().join("compose.yaml").display(),
        base = folder().join("../base/build").display(),
    );
    let written = tempfile::tempdir().map_err(|error| error.to_string())?;
    let path = written.path().join("e2i-clients.yaml");
    std::fs::write(&path, scenario).map_err(|error| error.to_string())?;
    let loaded = load(&path).map_err(|refused| refused.render_plain(&path.display()))?;
    let runtime = tokio::runtime::Runtime::new().map_err(|error| error.to_string())?;
    let never = Interrupt::never();
    let up = bring_up(&loaded, endpoint, run, &never, &Nobody);
    runtime.block_on(up).map_err(|failure| failure.to_string())
}

/// Runs the Docker CLI, which must succeed, and gives what it printed.
pub(crate) fn docker(arguments: &[&str]) -> String {
    let output = Command::new("docker").args(arguments).output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "docker {arguments:?}: {complaint}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Asks until an answer is there; the test fails if none comes in time.
pub(crate) fn eventually<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "{what} did not come in time");
    }
}
