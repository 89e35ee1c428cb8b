//! The probe's image and the containers that it runs in.
//!
//! Nothing is put into a container under test. A *lender*, a container of our own, joins the
//! container's pid namespace under the same identity and holds the probe there; an exec in the
//! container under test then runs `/proc/<lender>/exe`. The link leads to the lender's file
//! whatever the root file system of the container is, so this works where there is no shell, no
//! writable file system and no privilege. The kernel lets a process follow the link of another
//! with the same ids and no more capabilities (ptrace(2), `PTRACE_MODE_READ_FSCREDS`). By the same
//! rule a process of the container may trace the lender; the lender has given up every call with
//! which it could be made to lend another program.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::engine::container::Container;
use crate::engine::exec::ExecOutput;
use crate::engine::sidecar::Sidecar;
use crate::engine::{Engine, EngineError};
use crate::observe::account::Identity;
use crate::probe::{self, Question, Reply};
use crate::run_id::{LABEL, PAUSER, RunId, nonce};
use crate::world::Blind;

/// How long a container of our own may take to start.
const START: Duration = Duration::from_secs(30);
/// How long its answers before it stays may take.
const FIRST: Duration = Duration::from_secs(20);
/// What the engine may add to the probe's own deadline: starting an exec takes a tenth of a
/// second, several times that on a busy machine.
const MARGIN: Duration = Duration::from_secs(10);
/// The label of the canary, which whoever lists containers must see.
pub const CANARY: &str = "dev.stackproof.canary";
/// An ordinary user of the control.
pub const CONTROL_USER: &str = "1000:1000";
/// A folder of the probe's image in which everybody may write, if the root file system allows it.
pub const WRITABLE_FOLDER: &str = "/writable";
/// Where the engine's socket is mounted in the control: at a path that nobody would guess.
const CONTROL_SOCKET: &str = "/control/engine";

/// The probe's image, and the run for which containers of it are made.
#[derive(Debug)]
pub struct Kit {
    engine: Engine,
    run: RunId,
    image: String,
    made: AtomicUsize,
}

/// A container that lends the probe to another.
#[derive(Debug, Clone)]
pub struct Lender {
    /// The lender's container id.
    pub id: String,
    /// The container under test.
    pub target: String,
    /// The pid of the probe in the pid namespace of the container under test.
    pub pid: u32,
    /// The identity that it has.
    pub identity: Identity,
}

/// Where a probe is that is asked.
struct Whom<'a> {
    container: &'a str,
    program: &'a str,
    /// The pid of its lender, which is none of the container's processes.
    lender: u32,
}

impl Lender {
    /// Where the container under test finds the probe.
    pub(super) fn program(&self) -> String {
        format!("/proc/{}/exe", self.pid)
    }

    fn argv(&self, arguments: &[String]) -> Vec<String> {
        std::iter::once(self.program()).chain(arguments.iter().cloned()).collect()
    }
}

impl Kit {
    /// Imports the probe as an image of its own.
    ///
    /// # Errors
    /// When the engine refuses the image.
    pub async fn import(engine: &Engine, run: &RunId) -> Result<Kit, EngineError> {
        let repository = "stackproof-probe";
        let archive = archive().map_err(|error| {
            EngineError::internal("pack", "the probe's image", error.to_string())
        })?;
        let changes = vec![format!("LABEL {LABEL}={run}")];
        engine.import_image(archive, repository, run.as_str(), changes).await?;
        Ok(Kit {
            engine: engine.clone(),
            run: run.clone(),
            image: format!("{repository}:{run}"),
            made: AtomicUsize::new(0),
        })
    }

    /// Lends the probe to a container under one identity.
    ///
    /// # Errors
    /// When the lender does not start, for example because the container has stopped.
    pub async fn lend(&self, target: &Container, identity: Identity) -> Result<Lender, Blind> {
        Ok(self.lend_after(target, identity, &[]).await?.0)
    }

    /// Lends the probe after the lender itself has answered `questions`. It has the security
    /// options of the container under test, and is gone from its processes by the time it lends
    /// but for itself.
    ///
    /// # Errors
    /// When the lender does not start, for example because the container has stopped.
    pub async fn lend_after(
        &self,
        target: &Container,
        identity: Identity,
        questions: &[Question],
    ) -> Result<(Lender, Result<Reply, Blind>), Blind> {
        if !target.is_running() {
            return Err(format!("container {} is not running", target.short_name()));
        }
        let sidecar = Sidecar {
            user: identity.to_string(),
            pid: format!("container:{}", target.id),
            // A network namespace of its own would be made and thrown away for nothing, and that
            // is half of the time in which a container starts. The lender speaks to nobody.
            network: format!("container:{}", target.id),
            security: lent_security(target),
            ..self.sidecar("lender", &["lend"])
        };
        let (id, line, reply) = self.start_after(sidecar, questions).await?;
        let pid = probe::held_pid(&line)
            .ok_or_else(|| format!("the lender of {} said {line:?}", target.short_name()))?;
        Ok((Lender { id, target: target.id.clone(), pid, identity }, reply))
    }

    /// Asks the probe from inside the container under test, as `user` in the engine's spelling
    /// or as the container's own user.
    ///
    /// # Errors
    /// Why there is no complete reply.
    pub async fn ask(
        &self,
        lender: &Lender,
        user: Option<&str>,
        questions: &[Question],
        within: Duration,
    ) -> Result<Reply, Blind> {
        self.ask_heard(lender, user, questions, within, (0, || {})).await
    }

    /// The same, and something is done once the first so many questions were answered, or when no
    /// more answers can come.
    ///
    /// # Errors
    /// Why there is no complete reply.
    pub async fn ask_heard(
        &self,
        lender: &Lender,
        user: Option<&str>,
        questions: &[Question],
        within: Duration,
        heard: (usize, impl FnOnce()),
    ) -> Result<Reply, Blind> {
        let whom =
            Whom { container: &lender.target, program: &lender.program(), lender: lender.pid };
        self.ask_program(whom, user, questions, within, heard).await
    }

    /// Asks the probe in one of our own containers.
    ///
    /// # Errors
    /// Why there is no complete reply.
    pub async fn ask_own(
        &self,
        container: &str,
        user: &str,
        questions: &[Question],
        within: Duration,
    ) -> Result<Reply, Blind> {
        let whom = Whom { container, program: "/probe", lender: 0 };
        self.ask_program(whom, Some(user), questions, within, (0, || {})).await
    }

    async fn ask_program(
        &self,
        whom: Whom<'_>,
        user: Option<&str>,
        questions: &[Question],
        within: Duration,
        (answers, heard): (usize, impl FnOnce()),
    ) -> Result<Reply, Blind> {
        let nonce = nonce().map_err(|error| error.to_string())?;
        let mut argv = vec![whom.program.to_owned()];
        argv.extend(probe::ask_arguments(&nonce, within, whom.lender, questions));
        // The first line says who answers.
        let output = self
            .engine
            .exec_heard(whom.container, &argv, user, within + MARGIN, 1 + answers, heard)
            .await
            .map_err(|error| error.to_string())?;
        if output.truncated {
            return Err("the probe's reply was longer than is read".to_owned());
        }
        Reply::parse(&output.stdout, &nonce, questions).map_err(|fault| why(&fault, &output))
    }

    /// Runs an act of the probe inside the container under test.
    ///
    /// # Errors
    /// When the engine cannot run it; how the act ended is in the output.
    pub async fn act(
        &self,
        lender: &Lender,
        arguments: &[String],
        within: Duration,
    ) -> Result<ExecOutput, Blind> {
        let argv = lender.argv(arguments);
        let user = lender.identity.to_string();
        self.engine
            .exec(&lender.target, &argv, Some(&user), within + MARGIN)
            .await
            .map_err(|error| error.to_string())
    }

    /// Runs an act that holds what it has done until `meanwhile` is done too.
    ///
    /// # Errors
    /// When the engine cannot run it; how the act ended is in the output.
    pub async fn act_meanwhile<T>(
        &self,
        lender: &Lender,
        arguments: &[String],
        within: Duration,
        meanwhile: impl Future<Output = T>,
    ) -> Result<(ExecOutput, Option<T>), Blind> {
        let argv = lender.argv(arguments);
        let user = lender.identity.to_string();
        self.engine
            .exec_meanwhile(&lender.target, &argv, Some(&user), within + MARGIN, meanwhile)
            .await
            .map_err(|error| error.to_string())
    }

    /// Starts the positive control: it holds the engine's socket, relays it on a TCP port of its
    /// own network namespace, and has no restrictions but missing capabilities. It answers
    /// `questions` as root before it stays.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn start_control(
        &self,
        canary: &str,
        questions: &[Question],
    ) -> Result<(String, Result<Reply, Blind>), Blind> {
        let socket = self.engine.socket_on_host();
        let hold = ["hold", "--listen", CONTROL_SOCKET, "2375"];
        let mut sidecar = Sidecar {
            binds: vec![format!("{}:{CONTROL_SOCKET}", socket.display())],
            ..self.control(&hold)
        };
        sidecar.labels.insert(CANARY.to_owned(), canary.to_owned());
        let (id, _, reply) = self.start_after(sidecar, questions).await?;
        Ok((id, reply))
    }

    /// Starts the positive control for a run in which no way to the engine is looked for: an
    /// ordinary user without restrictions, and without the socket.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn start_control_user(
        &self,
        questions: &[Question],
    ) -> Result<(String, Result<Reply, Blind>), Blind> {
        let mut sidecar = Sidecar { user: CONTROL_USER.to_owned(), ..self.control(&["hold"]) };
        // To make a network namespace takes as long as all the rest; an engine that remaps users
        // refuses the host's.
        if !self.engine.about().remaps_users() {
            "host".clone_into(&mut sidecar.network);
        }
        let (id, _, reply) = self.start_after(sidecar, questions).await?;
        Ok((id, reply))
    }

    fn control(&self, arguments: &[&str]) -> Sidecar {
        Sidecar {
            security: vec!["seccomp=unconfined".to_owned()],
            writable_root: true,
            ..self.sidecar("control", arguments)
        }
    }

    /// Starts a container of our own in the namespaces of the engine's host, without privileges:
    /// it sees which namespaces, addresses and listeners are the host's. It answers `questions`
    /// before it stays.
    ///
    /// # Errors
    /// When it does not start, for example because the engine remaps users.
    pub async fn start_host(
        &self,
        questions: &[Question],
    ) -> Result<(String, Result<Reply, Blind>), Blind> {
        let sidecar = Sidecar {
            network: "host".to_owned(),
            pid: "host".to_owned(),
            host_namespaces: true,
            ..self.sidecar("host", &["hold"])
        };
        let (id, _, reply) = self.start_after(sidecar, questions).await?;
        Ok((id, reply))
    }

    /// Stops processes of the host by their pids, as the identity that they have there, from a
    /// container of our own. They continue when that container is asked to end, and after
    /// `at_most`. Returns the container, and whether every process was stopped.
    ///
    /// # Errors
    /// When the container does not start; nothing is stopped then.
    pub async fn pause(
        &self,
        identity: Identity,
        pids: &[i64],
        at_most: Duration,
    ) -> Result<(String, Result<(), Blind>), Blind> {
        let nonce = nonce().map_err(|error| error.to_string())?;
        let deadline = at_most.as_millis().to_string();
        let pids: Vec<String> = pids.iter().map(ToString::to_string).collect();
        let mut arguments = vec!["pause", &nonce, &deadline];
        arguments.extend(pids.iter().map(String::as_str));
        let mut sidecar = Sidecar {
            user: identity.to_string(),
            pid: "host".to_owned(),
            host_namespaces: true,
            ..self.sidecar("pauser", &arguments)
        };
        sidecar.labels.insert(PAUSER.to_owned(), String::new());
        let (id, line) = self.start(&sidecar).await?;
        Ok((id, probe::all_paused(&line, &nonce)))
    }

    /// Removes containers of our own, all at once. What cannot be removed now goes with the run.
    pub async fn remove(&self, ids: &[String]) {
        let removals = ids.iter().map(|id| self.engine.remove_container(id));
        futures_util::future::join_all(removals).await;
    }

    async fn start(&self, sidecar: &Sidecar) -> Result<(String, String), Blind> {
        let started = self.engine.start_sidecar(sidecar, START, probe::is_settled);
        started.await.map_err(|error| error.to_string())
    }

    /// Starts a container of our own that answers `questions` before it stays. An exec for them
    /// would cost as much as a third of its start.
    async fn start_after(
        &self,
        mut sidecar: Sidecar,
        questions: &[Question],
    ) -> Result<(String, String, Result<Reply, Blind>), Blind> {
        let nonce = nonce().map_err(|error| error.to_string())?;
        if !questions.is_empty() {
            sidecar.argv.extend(probe::ask_arguments(&nonce, FIRST, 0, questions));
        }
        let (id, printed) = self.start(&sidecar).await?;
        let (replied, line) = printed.rsplit_once('\n').unwrap_or(("", &printed));
        let reply = Reply::parse(replied.as_bytes(), &nonce, questions)
            .map_err(|fault| format!("no complete reply of the probe: {fault}"));
        Ok((id, line.to_owned(), reply))
    }

    fn sidecar(&self, kind: &str, arguments: &[&str]) -> Sidecar {
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        let mut argv = vec!["/probe".to_owned()];
        argv.extend(arguments.iter().map(ToString::to_string));
        Sidecar {
            name: format!("stackproof-{kind}-{}-{number}", self.run),
            image: self.image.clone(),
            argv,
            user: "0:0".to_owned(),
            labels: HashMap::from([(LABEL.to_owned(), self.run.to_string())]),
            network: "none".to_owned(),
            pid: String::new(),
            host_namespaces: false,
            security: vec![],
            binds: vec![],
            writable_root: false,
            capabilities: vec![],
        }
    }
}

/// The security options of a container that its lender takes over: what restricts gaining
/// privileges and access between processes. A seccomp profile stays behind, because it might
/// keep the lender from starting and says nothing about lending.
fn lent_security(target: &Container) -> Vec<String> {
    let options = target.host_config.security_opt.iter().flatten();
    options.filter(|option| !option.starts_with("seccomp")).cloned().collect()
}

fn why(fault: &probe::ProbeFault, output: &ExecOutput) -> String {
    let code = output.exit_code.map_or_else(
        || "it did not end in time".to_owned(),
        |code| format!("it exited with {code}"),
    );
    let complaint = output.stderr_text();
    let complaint: String = complaint.chars().take(300).collect();
    format!("no complete reply of the probe: {fault}; {code}; {complaint}")
}

/// The image: the probe, a copy of it that belongs to root and is setuid, for the attempt to
/// gain privileges, and a folder for the attempt to write. The programs can be executed and not
/// read: a process that executes such a file cannot be traced by others with its ids from its
/// first instruction on, so they can neither change what it says nor learn what it is asked
/// (execve(2), prctl(2), `PR_SET_DUMPABLE`). A process with `CAP_DAC_OVERRIDE` can read every
/// file, so for a service that runs as root with the engine's default capabilities it holds only
/// from the probe's own first call on.
fn archive() -> std::io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    for (path, mode) in [("probe", 0o111), ("probe-suid", 0o4111)] {
        let mut header = tar::Header::new_ustar();
        header.set_size(probe::BINARY.len() as u64);
        header.set_mode(mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_entry_type(tar::EntryType::Regular);
        archive.append_data(&mut header, path, probe::BINARY)?;
    }
    let mut folder = tar::Header::new_ustar();
    folder.set_size(0);
    folder.set_mode(0o777);
    folder.set_uid(0);
    folder.set_gid(0);
    folder.set_mtime(0);
    folder.set_entry_type(tar::EntryType::Directory);
    archive.append_data(&mut folder, WRITABLE_FOLDER.trim_start_matches('/'), [].as_slice())?;
    archive.into_inner()
}
