//! From where the use of a container is read: its cgroup on this machine, or else the engine.

use std::path::Path;
use std::time::Duration;

use super::Usage;
use super::cgroup::Folders;
use crate::engine::Engine;
use crate::engine::container::Container;
use crate::record::Source;
use crate::world::Blind;

/// How long the engine may take to say what a container uses.
const ENGINE: Duration = Duration::from_secs(5);

/// What reads the use of one container.
#[derive(Debug, Clone)]
pub struct Gauge {
    engine: Engine,
    id: String,
    /// Or why the cgroup cannot be read.
    folders: Result<Folders, Blind>,
}

impl Gauge {
    /// A gauge of a container.
    #[must_use]
    pub fn of(engine: &Engine, container: &Container) -> Gauge {
        let folders = match container.state.pid {
            Some(pid) if pid > 0 => Folders::of(Path::new("/proc"), &container.id, pid),
            _ => Err("it does not run".to_owned()),
        };
        Gauge { engine: engine.clone(), id: container.id.clone(), folders }
    }

    /// The files that it reads, where it reads any.
    #[must_use]
    pub fn folders(&self) -> Option<&Folders> {
        self.folders.as_ref().ok()
    }

    /// From where it reads.
    #[must_use]
    pub fn source(&self) -> Source {
        if self.folders.is_ok() { Source::Cgroup } else { Source::Engine }
    }

    /// Why it does not read the cgroup.
    #[must_use]
    pub fn why_not_cgroup(&self) -> Option<&str> {
        self.folders.as_ref().err().map(String::as_str)
    }

    /// What the container uses now.
    ///
    /// # Errors
    /// Why nothing can be seen.
    pub async fn read(&self) -> Result<Usage, Blind> {
        if let Ok(folders) = &self.folders {
            let usage = folders.read();
            let gone = "its cgroup is not there: it does not run".to_owned();
            return if usage == Usage::default() { Err(gone) } else { Ok(usage) };
        }
        let asked = tokio::time::timeout(ENGINE, self.engine.stats(&self.id)).await;
        let stats = asked
            .map_err(|_| format!("the engine did not answer within {} s", ENGINE.as_secs()))?
            .map_err(|error| error.to_string())?;
        Ok(Usage {
            cpu_ns: stats.cpu_ns,
            memory_bytes: stats.memory_bytes,
            pids: stats.pids,
            oom_kills: None,
        })
    }
}
