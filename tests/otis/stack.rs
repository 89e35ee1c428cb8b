//! A share in the running OTIS stack.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use stackproof::engine::Endpoint;
use stackproof::event::Nobody;
use stackproof::interrupt::Interrupt;
use stackproof::lease::{Lease, Manner, Runner};
use stackproof::run::bring_up;
use stackproof::scenario::load::load;

/// The running stack, for as long as the test lives.
pub(crate) struct Otis {
    /// The run to which everything in the stack belongs.
    pub(crate) run: String,
    _entered: File,
    _lease: Lease,
}

impl Otis {
    /// Takes a share in the stack; the first test to come brings it up.
    pub(crate) fn share() -> Otis {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/otis.yaml");
        let loaded = load(&path).unwrap();
        let endpoint = Endpoint::from_environment().unwrap();
        let program = PathBuf::from(env!("CARGO_BIN_EXE_stackproof"));
        let runner = Runner::find().unwrap();
        let name = loaded.scenario.name.value.clone();
        let lease = Lease::take(&name, &runner, &program, &endpoint, |run| {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            let never = Interrupt::never();
            let up = bring_up(&loaded, endpoint.clone(), run, &never, &Nobody);
            runtime.block_on(up).map_err(|failure| failure.to_string())
        })
        .unwrap();
        // While others stop or kill services, nothing here would answer.
        let entered = lease.enter(Manner::Looking).unwrap();
        Otis { run: lease.run.to_string(), _entered: entered, _lease: lease }
    }

    /// The full id of a service's one container.
    pub(crate) fn container(&self, service: &str) -> String {
        let run = format!("label=dev.stackproof.run={}", self.run);
        let service = format!("label=com.docker.compose.service={service}");
        let id = docker(&["ps", "--no-trunc", "--quiet", "--filter", &run, "--filter", &service]);
        assert_eq!(id.len(), 64, "one container of {service}: {id:?}");
        id
    }

    /// Where the api is published.
    pub(crate) fn api(&self) -> String {
        format!("http://{}", docker(&["port", &self.container("api"), "8000/tcp"]))
    }

    /// What a service has logged.
    pub(crate) fn log(&self, service: &str) -> String {
        let output = Command::new("docker").args(["logs", &self.container(service)]).output();
        let output = output.unwrap();
        [output.stdout, output.stderr]
            .map(|text| String::from_utf8_lossy(&text).into_owned())
            .join("")
    }

    /// Every container of the run that is no service, with its command.
    pub(crate) fn further_containers(&self) -> Vec<(String, String)> {
        let run = format!("label=dev.stackproof.run={}", self.run);
        let format = "{{.ID}} {{.Label \"com.docker.compose.service\"}} {{.Command}}";
        let listed = docker(&["ps", "--all", "--no-trunc", "--filter", &run, "--format", format]);
        listed
            .lines()
            .filter_map(|line| {
                let (id, rest) = line.split_once(' ').unwrap();
                let (service, command) = rest.split_once(' ').unwrap();
                service.is_empty().then(|| (id.to_owned(), command.to_owned()))
            })
            .collect()
    }

    /// Runs a Python program in the runner's container, as the runner itself.
    pub(crate) fn python_in_runner(&self, program: &str, input: &str) -> String {
        let container = self.container("runner");
        let mut child = Command::new("docker")
            .args(["exec", "--interactive", &container, "python", "-c", program])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{complaint}");
        String::from_utf8(output.stdout).unwrap()
    }
}

/// Runs the Docker CLI and gives what it printed.
pub(crate) fn docker(arguments: &[&str]) -> String {
    let output = Command::new("docker").args(arguments).output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "docker {arguments:?}: {complaint}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
