//! Throw-away containers with the labels by which Compose marks those of a project, and what a
//! run that is attached to the project says of them. The Compose file is written by the test, so
//! what is declared, configured and enforced can disagree on purpose.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::Command;
use std::time::Duration;

use futures_util::future::join_all;
use stackproof::record::Record;
use stackproof::verdict::Verdict;
use tempfile::TempDir;
use testcontainers::core::WaitFor;
use testcontainers::runners::AsyncRunner;
use testcontainers::{ContainerAsync, ContainerRequest, GenericImage, ImageExt};

use super::super::image::Image;
use super::super::stack::{LABEL, docker};

pub(crate) type Request = ContainerRequest<GenericImage>;

/// Makes the base images, where they are not there; for the `prepare` of a scenario.
pub(crate) const BASE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docker/base/build");

/// How a container differs from one that holds the probe, as root, without a network.
pub(crate) type Configure = fn(Request) -> Request;

/// The containers of one project, and what is to be found of them.
pub(crate) struct Stage {
    // Fields are dropped in this order: containers before what they use.
    running: BTreeMap<String, ContainerAsync<GenericImage>>,
    created: Vec<Removed>,
    image: Image,
    folder: TempDir,
    declared: BTreeMap<String, String>,
    facts: Vec<Fact>,
    /// The exit code of the last run.
    code: Option<i32>,
}

struct Fact {
    service: String,
    check: String,
    verdict: Verdict,
    reason: String,
}

/// An object that the Docker CLI has made, removed when it is dropped.
pub(crate) struct Removed(Vec<String>);

impl Drop for Removed {
    fn drop(&mut self) {
        docker(&self.0.iter().map(String::as_str).collect::<Vec<_>>());
    }
}

impl Stage {
    pub(crate) fn new() -> Stage {
        Stage {
            running: BTreeMap::new(),
            created: vec![],
            image: Image::import(),
            folder: tempfile::tempdir().unwrap(),
            declared: BTreeMap::new(),
            facts: vec![],
            code: None,
        }
    }

    /// The name of the project.
    pub(crate) fn project(&self) -> &str {
        &self.image.0
    }

    /// The name of a service's container.
    pub(crate) fn container(&self, service: &str) -> String {
        format!("{}-{service}-1", self.project())
    }

    /// The exit code of the last run.
    pub(crate) fn code(&self) -> Option<i32> {
        self.code
    }

    /// The folder of the Compose file.
    pub(crate) fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// Starts a container for each service, all at once, and waits until its program runs.
    pub(crate) async fn start<'a, F: FnOnce(Request) -> Request>(
        &mut self,
        services: impl IntoIterator<Item = (&'a str, F)>,
    ) {
        let started = services.into_iter().map(|(service, configure)| {
            self.declared.entry(service.to_owned()).or_default();
            let request = GenericImage::new(self.image.0.as_str(), "latest")
                .with_wait_for(WaitFor::message_on_stdout("\"hold\""))
                .with_cmd(["/probe", "hold"])
                .with_network("none")
                .with_container_name(self.container(service))
                .with_startup_timeout(Duration::from_secs(60))
                .with_labels(self.labels(service));
            let starting = configure(request).start();
            async move { (service.to_owned(), starting.await.unwrap()) }
        });
        let started = join_all(started.collect::<Vec<_>>()).await;
        self.running.extend(started);
    }

    /// Creates the container of a service and does not start it.
    pub(crate) fn create(&mut self, service: &str, arguments: &[&str]) {
        let name = self.container(service);
        self.make(&["create"], service, &name, arguments, &["/probe", "hold"]);
    }

    /// Starts the container of a service with a program that need not go on, and does not wait.
    pub(crate) fn run_program(&mut self, service: &str, arguments: &[&str], program: &[&str]) {
        let name = self.container(service);
        self.make(&["run", "--detach"], service, &name, arguments, program);
    }

    /// Starts one more container of a service.
    pub(crate) fn scale(&mut self, service: &str, arguments: &[&str]) {
        let name = format!("{}-{service}-2", self.project());
        self.make(&["run", "--detach"], service, &name, arguments, &["/probe", "hold"]);
    }

    fn make(
        &mut self,
        verb: &[&str],
        service: &str,
        name: &str,
        arguments: &[&str],
        program: &[&str],
    ) {
        self.declared.entry(service.to_owned()).or_default();
        let labels = self.labels(service).map(|(key, value)| format!("--label={key}={value}"));
        let mut all = verb.to_vec();
        all.extend(["--name", name, "--network=none"]);
        all.extend(labels.iter().map(String::as_str));
        all.extend(arguments);
        all.push(&self.image.0);
        all.extend(program);
        docker(&all);
        self.remove_in_the_end(&["rm", "--force", "--volumes", name]);
    }

    /// Has an object removed in the end by a command of the Docker CLI, before those that were
    /// made earlier: a volume can only go after its containers.
    pub(crate) fn remove_in_the_end(&mut self, command: &[&str]) {
        let command = command.iter().map(|word| (*word).to_owned()).collect();
        self.created.insert(0, Removed(command));
    }

    fn labels(&self, service: &str) -> [(String, String); 5] {
        [
            ("com.docker.compose.project", self.project()),
            ("com.docker.compose.service", service),
            ("com.docker.compose.container-number", "1"),
            ("com.docker.compose.oneoff", "False"),
            (LABEL, "1"),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
    }

    /// Declares keys of a service in the Compose file, in YAML's flow style without the braces.
    pub(crate) fn declare(&mut self, service: &str, keys: &str) {
        self.declared.insert(service.to_owned(), keys.to_owned());
    }

    /// What a check is to say of a service, or of the stack where that is empty: `check` is the
    /// code, with parameters in braces if there are any, and `reason` is a part of the message.
    pub(crate) fn expect(&mut self, service: &str, check: &str, verdict: Verdict, reason: &str) {
        let (service, check, reason) = (service.to_owned(), check.to_owned(), reason.to_owned());
        self.facts.push(Fact { service, check, verdict, reason });
    }

    /// Attaches a run to the project and compares what it says.
    pub(crate) fn judge(&mut self) {
        self.judge_beside("");
    }

    /// The same with further top-level keys in the Compose file.
    pub(crate) fn judge_beside(&mut self, top: &str) {
        let mut compose = format!("{top}\nservices:\n");
        for (service, keys) in &self.declared {
            let image = &self.image.0;
            let comma = if keys.is_empty() { "" } else { ", " };
            let _ = writeln!(compose, "  {service}: {{image: {image}{comma}{keys}}}");
        }
        let project = self.project().to_owned();
        let record = self.run(&compose, "", &["--attach", &project]);
        assert_eq!(record.aborted, None);
        self.compare(&record);
    }

    /// Brings a stack of its own up, which uses the image as `IMAGE`, and compares what the run
    /// says. `keys` are further keys of the scenario.
    pub(crate) fn judge_own(&mut self, compose: &str, keys: &str) -> Record {
        let record = self.run(&compose.replace("IMAGE", &self.image.0), keys, &[]);
        self.compare(&record);
        record
    }

    fn compare(&mut self, record: &Record) {
        assert_eq!(self.facts.len(), record.claims.len());
        let mut wrong = String::new();
        for (fact, claim) in self.facts.drain(..).zip(&record.claims) {
            let found = &claim.checks[0];
            if found.verdict != fact.verdict || !found.message.contains(&fact.reason) {
                let Fact { service, check, verdict, reason } = fact;
                let _ = write!(
                    wrong,
                    "\n{service}, {check}\n  expected {verdict}: {reason}\n  found {}: {}\n",
                    found.verdict, found.message
                );
            }
        }
        assert!(wrong.is_empty(), "{wrong}");
    }

    fn run(&mut self, compose: &str, keys: &str, arguments: &[&str]) -> Record {
        let mut scenario = format!("name: stage\ncompose: [compose.yaml]\n{keys}\nclaims:\n");
        for (number, Fact { service, check, .. }) in self.facts.iter().enumerate() {
            let (code, parameters) = check.split_once('{').unwrap_or((check, "}"));
            let code = code.trim().trim_end_matches(':');
            let comma = if parameters == "}" || service.is_empty() { "" } else { ", " };
            let services = match service.as_str() {
                "" => String::new(),
                service => format!("services: [{service}]"),
            };
            let _ = writeln!(
                scenario,
                "  - {{id: fact-{number}, text: A fact., severity: high, source: a test, \
                 checks: [{{{code}: {{{services}{comma}{parameters}}}]}}"
            );
        }
        let folder = self.folder.path();
        std::fs::write(folder.join("compose.yaml"), compose).unwrap();
        std::fs::write(folder.join("stage.yaml"), scenario).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_stackproof"))
            .args(["run", "stage.yaml", "--quiet", "--json", "r.json"])
            .args(arguments)
            .current_dir(folder)
            .output()
            .unwrap();
        self.code = output.status.code();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let record = std::fs::read(folder.join("r.json"));
        assert!(record.is_ok(), "there is no record: {said}");
        let record: Record = serde_json::from_slice(&record.unwrap()).unwrap();
        assert_eq!(record.leftovers, Vec::<String>::new());
        record
    }
}
