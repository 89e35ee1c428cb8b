//! `doctor`: what is here, and what can and cannot be proven with it.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::compose::Model;
use crate::engine::{Endpoint, Engine};
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::observe::kit::Kit;
use crate::probe::{Question, Reply};
use crate::run::tool;
use crate::run_id::RunId;
use crate::scenario::Scenario;
use crate::scenario::load::Loaded;
use crate::stack::compose_tool::ComposeTool;
use crate::stack::leftover;

pub mod overlay;
pub mod proposal;
pub mod scale;

use proposal::Proposal;
use scale::Host;

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sign {
    /// What it is about.
    pub about: String,
    /// What is here.
    pub is: String,
    /// What cannot be proven for that reason.
    pub limits: Option<String>,
}

impl Sign {
    fn fine(about: impl Into<String>, is: impl Into<String>) -> Sign {
        Sign { about: about.into(), is: is.into(), limits: None }
    }

    fn limited(about: impl Into<String>, is: impl Into<String>, limits: impl Into<String>) -> Sign {
        Sign { about: about.into(), is: is.into(), limits: Some(limits.into()) }
    }
}

impl std::fmt::Display for Sign {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mark = if self.limits.is_some() { "!" } else { " " };
        writeln!(f, "{mark} {:<16} {}", self.about, self.is)?;
        match &self.limits {
            Some(limits) => writeln!(f, "  {:<16} -> {limits}", ""),
            None => Ok(()),
        }
    }
}

/// What was found out about the engine and its host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Examined {
    /// What is here.
    pub signs: Vec<Sign>,
    /// How large the host is.
    pub host: Host,
}

/// Looks at the engine, Compose and the host. The probe runs once, in a container of our own.
///
/// # Errors
/// When there is no engine, or no Compose: nothing can be proven then.
pub async fn examine(endpoint: Endpoint) -> Result<Examined, Failure> {
    let engine = Engine::connect(endpoint.clone()).await?;
    let about = engine.about().clone();
    let unknown = || "unknown".to_owned();
    let mut signs = vec![Sign::fine(
        "engine",
        format!(
            "{} (API {}) at {endpoint}",
            about.engine.clone().unwrap_or_else(unknown),
            about.api.clone().unwrap_or_else(unknown)
        ),
    )];
    let tool = ComposeTool {
        endpoint,
        files: vec![],
        profiles: vec![],
        env: vec![],
        folder: std::env::temp_dir(),
        run: None,
    };
    signs.push(Sign::fine("compose", tool.version().await?));
    signs.push(Sign::fine(
        "host",
        format!(
            "{}, Linux {}, {} CPUs, {} of memory",
            about.os.clone().unwrap_or_else(unknown),
            about.kernel.clone().unwrap_or_else(unknown),
            about.cpus.map_or_else(unknown, |count| count.to_string()),
            about.memory.map_or_else(unknown, |bytes| crate::check::limits::bytes(bytes as f64)),
        ),
    ));
    signs.push(Sign::fine("storage", about.storage.clone().unwrap_or_else(unknown)));
    signs.push(match (about.cgroup.as_deref(), about.cgroup_driver.as_deref()) {
        (Some(version), driver) => Sign::fine(
            "cgroup",
            format!("version {version}, driver {}", driver.unwrap_or("unknown")),
        ),
        (None, _) => Sign::limited("cgroup", "unknown", "limits may not be observable"),
    });
    signs.push(if about.security.iter().any(|option| option.starts_with("name=seccomp")) {
        Sign::fine("seccomp", "on")
    } else {
        Sign::limited("seccomp", "off", "seccomp claims are broken on this host")
    });
    signs.push(if about.has_apparmor() {
        Sign::fine("apparmor", "on")
    } else {
        Sign::limited("apparmor", "none", "apparmor claims are skipped")
    });
    signs.push(if about.is_rootless() {
        Sign::limited("user", "rootless", "the host's namespaces may not be observable")
    } else {
        Sign::fine("user", "the engine runs as root")
    });
    signs.extend(ask_probe(&engine).await?);
    Ok(Examined { signs, host: Host { cpus: about.cpus, memory: about.memory } })
}

/// What doctor has to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advice {
    /// All of it for people.
    pub text: String,
    /// The overlay for the one scenario; empty where there is none.
    pub overlay: String,
}

/// Looks at the engine and the host, and compares with it the limits of each scenario's stack.
/// `shown` are the paths of the scenarios, `given` those of the overlays that were loaded with
/// them, and `file` is where the proposed overlay will be written.
///
/// # Errors
/// When there is no engine or no Compose, or when the Compose files are invalid; and when there is
/// not one overlay that could be written to the file.
pub async fn advise(
    loaded: &[Loaded],
    shown: &[PathBuf],
    given: &[PathBuf],
    file: Option<&Path>,
) -> Result<Advice, Failure> {
    // An overlay that was merged already would be replaced by one that says that all fits.
    if file.is_some_and(|file| loaded.len() > 1 || given.iter().any(|given| given == file)) {
        let why = "--write-overlay needs one scenario, and another file than --overlay";
        return Err(Failure::Selection(why.to_owned()));
    }
    let endpoint = Endpoint::from_environment()?;
    let Examined { signs, host } = examine(endpoint.clone()).await?;
    let mut advice =
        Advice { text: signs.iter().map(ToString::to_string).collect(), overlay: String::new() };
    for (loaded, shown) in loaded.iter().zip(shown) {
        let model = resolve(loaded, &endpoint).await?;
        let proposal = Proposal::of(&loaded.scenario, shown, &model, host);
        advice.text.push_str(&proposal.text(shown, given, file));
        advice.overlay = proposal.overlay;
    }
    Ok(advice)
}

/// The Compose model of a scenario's stack. Nothing is made in the engine.
async fn resolve(loaded: &Loaded, endpoint: &Endpoint) -> Result<Model, Failure> {
    let env = environment(&loaded.scenario, endpoint);
    let tool = tool(loaded, endpoint, &env, None);
    Ok(tool.resolve("stackproof-doctor", &Interrupt::never()).await?)
}

/// The scenario's environment. Neither the run nor the group of the socket changes a limit, so
/// any will do where there is none.
fn environment(scenario: &Scenario, endpoint: &Endpoint) -> Vec<(String, String)> {
    let socket = endpoint.socket_on_host();
    let gid = std::fs::metadata(&socket).map_or(0, |socket| socket.gid());
    let put_in = |value: &String| {
        value
            .replace("${run.id}", "doctor")
            .replace("${engine.socket}", &socket.to_string_lossy())
            .replace("${engine.socket_gid}", &gid.to_string())
    };
    scenario.env.iter().map(|(name, value)| (name.clone(), put_in(value))).collect()
}

/// What the probe sees in a container of our own.
async fn ask_probe(engine: &Engine) -> Result<Vec<Sign>, Failure> {
    let run = RunId::fresh()?;
    let signs = look(engine, &run).await;
    let left = leftover::remove_all(engine, &run, false).await?;
    let mut signs = match signs {
        Ok(signs) => signs,
        Err(why) => vec![Sign::limited(
            "probe",
            format!("could not run: {why}"),
            "nothing inside a container is observable; those claims are inconclusive",
        )],
    };
    if !left.is_empty() {
        signs.push(Sign::limited("left behind", left.join(", "), "`stackproof sweep` may help"));
    }
    Ok(signs)
}

async fn look(engine: &Engine, run: &RunId) -> Result<Vec<Sign>, String> {
    let kit = Kit::import(engine, run).await.map_err(|error| error.to_string())?;
    let questions = [Question::Cgroup, Question::Sockets, Question::Syscalls];
    let reply: Reply = kit.start_control("doctor", &questions).await?.1?;
    let mut signs = vec![Sign::fine("probe", "runs from an image with nothing else in it")];
    let cgroup = reply.cgroup()?;
    signs.push(if cgroup.host_has_swap() {
        Sign::fine("swap", "on")
    } else {
        Sign::limited("swap", "none", "swap-limit claims are compared and then skipped")
    });
    signs.push(match cgroup.swap() {
        Ok(_) => Sign::fine("swap accounting", "on"),
        Err(why) => Sign::limited("swap accounting", why, "swap-limit claims are inconclusive"),
    });
    let reached = reply.sockets()?.sockets.iter().any(|socket| socket.class == "open");
    signs.push(if reached {
        Sign::fine("control", "the probe reaches the engine where there is a way")
    } else {
        Sign::limited(
            "control",
            "the probe does not reach the engine's socket",
            "no refusal counts; claims of no access are inconclusive",
        )
    });
    Ok(signs)
}
