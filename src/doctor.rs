//! `doctor`: what is here, and what can and cannot be proven with it.

use crate::engine::{Endpoint, Engine};
use crate::failure::Failure;
use crate::observe::kit::Kit;
use crate::probe::{Question, Reply};
use crate::run_id::RunId;
use crate::stack::compose_tool::ComposeTool;
use crate::stack::leftover;

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sign {
    /// What it is about.
    pub about: &'static str,
    /// What is here.
    pub is: String,
    /// What cannot be proven for that reason.
    pub limits: Option<String>,
}

impl Sign {
    fn fine(about: &'static str, is: impl Into<String>) -> Sign {
        Sign { about, is: is.into(), limits: None }
    }

    fn limited(about: &'static str, is: impl Into<String>, limits: impl Into<String>) -> Sign {
        Sign { about, is: is.into(), limits: Some(limits.into()) }
    }
}

/// Looks at the engine, Compose and the host. The probe runs once, in a container of our own.
///
/// # Errors
/// When there is no engine, or no Compose: nothing can be proven then.
pub async fn examine(endpoint: Endpoint) -> Result<Vec<Sign>, Failure> {
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
    Ok(signs)
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
