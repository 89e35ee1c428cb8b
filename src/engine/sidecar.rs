//! Containers of our own: the lenders of the probe and the controls.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bollard::container::LogOutput;
use bollard::models::{
    ContainerCreateBody, HostConfig, HostConfigCgroupnsModeEnum, HostConfigLogConfig,
};
use bollard::query_parameters::{CreateContainerOptionsBuilder, LogsOptionsBuilder};
use futures_util::StreamExt;

use super::{Engine, EngineError};

/// The memory that a sidecar may use, in bytes.
const MEMORY: i64 = 64 << 20;
/// The processes that a sidecar may have.
const PIDS: i64 = 32;

/// What is read of a sidecar's output, in bytes.
const MAX_PRINTED: usize = 1 << 20;
/// The size at which the engine would begin another file and forget the first: above
/// [`MAX_PRINTED`] with what JSON adds to it.
const MAX_LOG: &str = "4m";

/// A container of our own. All capabilities are dropped and the root is read-only unless said
/// otherwise here; it has no network unless it is given one.
#[derive(Debug, Clone)]
pub struct Sidecar {
    /// The container's name.
    pub name: String,
    /// The image, one of our own.
    pub image: String,
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// `uid:gid`.
    pub user: String,
    /// The labels.
    pub labels: HashMap<String, String>,
    /// The network namespace: `none`, `host` or `container:…`.
    pub network: String,
    /// The pid namespace: empty for one of its own, `host` or `container:…`.
    pub pid: String,
    /// Whether ipc, uts, cgroup and user namespaces are the host's.
    pub host_namespaces: bool,
    /// Security options, such as `no-new-privileges`.
    pub security: Vec<String>,
    /// Binds, `source:target[:ro]`.
    pub binds: Vec<String>,
    /// Whether the root file system is writable.
    pub writable_root: bool,
    /// Capabilities that are not dropped.
    pub capabilities: Vec<String>,
}

impl Engine {
    /// Creates and starts a container of our own and waits until it has printed the line that
    /// `is_last` accepts. Returns the id and what was printed up to that line, which is its last.
    ///
    /// Whoever stops waiting for this does not stop it: the engine would go on making what it was
    /// asked for, and it would be there after all the rest was removed. See
    /// [`Engine::nothing_is_made`].
    ///
    /// # Errors
    /// When the engine refuses, or the line does not come within `within`. A container that was
    /// created carries the labels and is removed with the run.
    pub async fn start_sidecar(
        &self,
        sidecar: &Sidecar,
        within: Duration,
        is_last: fn(&str) -> bool,
    ) -> Result<(String, String), EngineError> {
        const DOING: &str = "start our own container";
        let making = Arc::clone(&self.making).read_owned().await;
        let (engine, own) = (self.clone(), sidecar.clone());
        let started = tokio::spawn(async move {
            let _making = making;
            tokio::time::timeout(within, engine.make_sidecar(&own, is_last)).await
        });
        let name = sidecar.name.as_str();
        let started =
            started.await.map_err(|error| EngineError::other(DOING, name, error.to_string()))?;
        started.map_err(|_| {
            let cause = format!("it did not start within {} s", within.as_secs());
            EngineError::other(DOING, name, cause)
        })?
    }

    /// Waits until no container of our own is being made any more, for at most `within`.
    pub async fn nothing_is_made(&self, within: Duration) {
        // What is made later than that is found by whoever sweeps.
        let _ = tokio::time::timeout(within, self.making.write()).await;
    }

    async fn make_sidecar(
        &self,
        sidecar: &Sidecar,
        is_last: fn(&str) -> bool,
    ) -> Result<(String, String), EngineError> {
        let name = sidecar.name.as_str();
        let failed = |error: &bollard::errors::Error| {
            EngineError::of("start our own container", name, error)
        };
        let options = CreateContainerOptionsBuilder::new().name(name).build();
        let created = self
            .docker
            .create_container(Some(options), body(sidecar))
            .await
            .map_err(|error| failed(&error))?;
        self.docker
            .start_container(&created.id, None::<bollard::query_parameters::StartContainerOptions>)
            .await
            .map_err(|error| failed(&error))?;
        let printed = self.printed_until(&created.id, name, is_last).await?;
        Ok((created.id, printed))
    }

    async fn printed_until(
        &self,
        id: &str,
        name: &str,
        is_last: fn(&str) -> bool,
    ) -> Result<String, EngineError> {
        const DOING: &str = "read what was printed by";
        let options = LogsOptionsBuilder::new().follow(true).stdout(true).stderr(true).build();
        let mut logs = Box::pin(self.docker.logs(id, Some(options)));
        let mut printed = Vec::new();
        let mut complaint = Vec::new();
        // Where the line begins that is not yet whole.
        let mut begun = 0;
        while let Some(chunk) = logs.next().await {
            match chunk.map_err(|error| EngineError::of(DOING, name, &error))? {
                LogOutput::StdErr { message } => complaint.extend_from_slice(&message),
                LogOutput::StdOut { message }
                | LogOutput::StdIn { message }
                | LogOutput::Console { message } => printed.extend_from_slice(&message),
            }
            while let Some(length) = printed[begun..].iter().position(|byte| *byte == b'\n') {
                let end = begun + length;
                if is_last(&String::from_utf8_lossy(&printed[begun..end])) {
                    printed.truncate(end);
                    return Ok(String::from_utf8_lossy(&printed).into_owned());
                }
                begun = end + 1;
            }
            if printed.len() + complaint.len() > MAX_PRINTED {
                break;
            }
        }
        let complaint = String::from_utf8_lossy(&complaint).trim().to_owned();
        Err(EngineError::other(DOING, name, format!("it ended: {complaint}")))
    }
}

fn body(sidecar: &Sidecar) -> ContainerCreateBody {
    let host = sidecar.host_namespaces.then(|| "host".to_owned());
    ContainerCreateBody {
        image: Some(sidecar.image.clone()),
        entrypoint: Some(sidecar.argv.clone()),
        // An empty command keeps the image's own out of the arguments.
        cmd: Some(vec![]),
        user: Some(sidecar.user.clone()),
        labels: Some(sidecar.labels.clone()),
        host_config: Some(HostConfig {
            network_mode: Some(sidecar.network.clone()),
            pid_mode: Some(sidecar.pid.clone()),
            ipc_mode: host.clone(),
            uts_mode: host.clone(),
            userns_mode: host.clone(),
            cgroupns_mode: host.map(|_| HostConfigCgroupnsModeEnum::HOST),
            security_opt: Some(sidecar.security.clone()),
            binds: Some(sidecar.binds.clone()),
            readonly_rootfs: Some(!sidecar.writable_root),
            cap_drop: Some(vec!["ALL".to_owned()]),
            cap_add: Some(sidecar.capabilities.clone()),
            memory: Some(MEMORY),
            memory_swap: Some(MEMORY),
            pids_limit: Some(PIDS),
            // What it prints is read through the log, whatever the daemon's default driver is.
            log_config: Some(HostConfigLogConfig {
                typ: Some("json-file".to_owned()),
                config: Some(HashMap::from([("max-size".to_owned(), MAX_LOG.to_owned())])),
            }),
            ..Default::default()
        }),
        ..Default::default()
    }
}
