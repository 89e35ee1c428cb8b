//! A probe of one's own, containers to look at with it, and the judging of what it saw. All of it
//! is gone when the test ends, however it ends.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use jiff::Timestamp;
use stackproof::check;
use stackproof::compose::{Model, Service};
use stackproof::engine::container::Container;
use stackproof::engine::{Endpoint, Engine};
use stackproof::observe::account::Identity;
use stackproof::observe::kit::Kit;
use stackproof::probe::{Question, Reply};
use stackproof::run_id::RunId;
use stackproof::scenario::CheckSpec;
use stackproof::scenario::check::NoDockerAccess;
use stackproof::stack::runs::Alive;
use stackproof::verdict::Verdict;
use stackproof::world::{Blind, Control, Seen, Sight, World};

pub(crate) const ROOT: Identity = Identity { uid: 0, gid: 0 };
pub(crate) const USER: Identity = Identity { uid: 1234, gid: 1234 };
pub(crate) const PYTHON: &str = "stackproof-base/python:3.11-slim";
const WITHIN: Duration = Duration::from_secs(30);

/// The engine, and the probe's image for one test.
pub(crate) struct Lab {
    pub(crate) engine: Engine,
    pub(crate) kit: Kit,
    pub(crate) run: RunId,
    /// Keeps a sweep of somebody else away from what is made here.
    _alive: Alive,
}

impl Drop for Lab {
    fn drop(&mut self) {
        // A lender ends with the container in whose pid namespace it is, and what is just ending
        // cannot always be removed: the product looks again until nothing is left.
        let sweep = ["sweep", "--run", self.run.as_str()];
        let swept = Command::new(env!("CARGO_BIN_EXE_stackproof")).args(sweep).output();
        assert!(std::thread::panicking() || swept.is_ok_and(|output| output.status.success()));
    }
}

/// Runs the Docker CLI and gives what it printed.
pub(crate) fn docker(arguments: &[&str]) -> String {
    let output = Command::new("docker").args(arguments).output().unwrap();
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Waits for a line of a container's log, counted from zero.
pub(crate) fn line_of_log(id: &str, number: usize) -> String {
    let mut logs = Command::new("docker")
        .args(["logs", "--follow", id])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(logs.stdout.take().unwrap()).lines();
    let line = lines.map_while(Result::ok).nth(number).unwrap_or_default();
    // It would follow the log for as long as the container runs.
    logs.kill().unwrap();
    logs.wait().unwrap();
    line
}

impl Lab {
    pub(crate) async fn new() -> Lab {
        let engine = Engine::connect(Endpoint::from_environment().unwrap()).await.unwrap();
        let run = RunId::fresh().unwrap();
        let alive = Alive::declare(&run).unwrap();
        let kit = Kit::import(&engine, &run).await.unwrap();
        Lab { engine, kit, run, _alive: alive }
    }

    /// A container that runs a Python program, once that has printed its first line.
    pub(crate) async fn python(&self, options: &[&str], program: &str) -> Container {
        let run = format!("dev.stackproof.run={}", self.run);
        let mut arguments = vec!["run", "--detach", "--label", "dev.stackproof.test=1"];
        arguments.extend(["--label", &run]);
        if !options.contains(&"--network") {
            arguments.extend(["--network", "none"]);
        }
        arguments.extend(options);
        arguments.extend([PYTHON, "python", "-u", "-c", program]);
        let output = Command::new("docker").args(&arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let id = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        let first = line_of_log(&id, 0);
        assert_eq!(first, "ready", "{}", docker(&["logs", &id]));
        self.engine.inspect(&id).await.unwrap()
    }

    /// Lends the probe under an identity and asks it as that.
    pub(crate) async fn ask(
        &self,
        container: &Container,
        identity: Identity,
        questions: &[Question],
    ) -> Result<Reply, Blind> {
        let lender = self.kit.lend(container, identity).await?;
        self.kit.ask(&lender, Some(&identity.to_string()), questions, WITHIN).await
    }

    /// What `no-docker-access` says of a container that is asked as these identities.
    pub(crate) async fn no_docker_access(
        &self,
        container: &Container,
        identities: &[Identity],
        targets: &[&str],
    ) -> (Verdict, String) {
        let tcp = |targets: &[&str]| Question::Tcp {
            wait: Duration::from_millis(500),
            targets: targets.iter().map(ToString::to_string).collect(),
        };
        let asked = [Question::Sockets, tcp(&["127.0.0.1:2375"])];
        let (control, root) = self.kit.start_control("canary", &asked).await.unwrap();
        let (_, host) = self.kit.start_host(&[Question::Host]).await.unwrap();
        let questions = [
            Question::Processes,
            Question::Mounts,
            Question::Sockets,
            Question::Descriptors,
            Question::Host,
            tcp(targets),
        ];
        let mut inside = Vec::new();
        for identity in identities {
            let reply = self.ask(container, *identity, &questions).await;
            let placement = String::new();
            inside.push(Seen { identity: *identity, when: Timestamp::now(), placement, reply });
        }
        let sight = Sight {
            service: "target".to_owned(),
            declared: Service::default(),
            container: container.clone(),
            top: Err(String::new()),
            accounts: Err(String::new()),
            inside,
            escalation: None,
        };
        let world = World {
            model: Model { services: BTreeMap::new(), raw: serde_json::Value::Null },
            attached: true,
            about: self.engine.about().clone(),
            engine_socket: self.engine.socket_on_host(),
            engine_socket_gid: None,
            canonical: BTreeMap::new(),
            networks: vec![],
            services: BTreeMap::from([("target".to_owned(), vec![sight])]),
            control: Ok(Control {
                canary: "canary".to_owned(),
                container: control,
                root,
                user: Err(String::new()),
            }),
            host,
            images: BTreeMap::new(),
            layers: BTreeMap::new(),
            baselines: BTreeMap::new(),
            sources: BTreeMap::new(),
            acts: BTreeMap::new(),
        };
        let spec = NoDockerAccess {
            services: Default::default(),
            except: Default::default(),
            ports: vec![],
        };
        let finding = check::judge(&CheckSpec::NoDockerAccess(spec), "target", &world);
        (finding.verdict, finding.message)
    }
}
