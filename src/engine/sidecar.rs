//! Containers of our own: the lenders of the probe and the controls.

use std::collections::HashMap;
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
    /// Creates and starts a container of our own and waits until it has printed its first line.
    /// Returns the id and the line.
    ///
    /// # Errors
    /// When the engine refuses, or no line comes within `within`. A container that was created
    /// carries the labels and is removed with the run.
    pub async fn start_sidecar(
        &self,
        sidecar: &Sidecar,
        within: Duration,
    ) -> Result<(String, String), EngineError> {
        let name = sidecar.name.as_str();
        let failed = |error: &bollard::errors::Error| {
            EngineError::of("start our own container", name, error)
        };
        let started = async {
            let options = CreateContainerOptionsBuilder::new().name(name).build();
            let created = self
                .docker
                .create_container(Some(options), body(sidecar))
                .await
                .map_err(|error| failed(&error))?;
            self.docker
                .start_container(
                    &created.id,
                    None::<bollard::query_parameters::StartContainerOptions>,
                )
                .await
                .map_err(|error| failed(&error))?;
            let line = self.first_line(&created.id, name).await?;
            Ok((created.id, line))
        };
        tokio::time::timeout(within, started).await.map_err(|_| {
            let cause = format!("it did not start within {} s", within.as_secs());
            EngineError::other("start our own container", name, cause)
        })?
    }

    async fn first_line(&self, id: &str, name: &str) -> Result<String, EngineError> {
        let options = LogsOptionsBuilder::new().follow(true).stdout(true).stderr(true).build();
        let mut logs = Box::pin(self.docker.logs(id, Some(options)));
        let mut line = Vec::new();
        let mut complaint = Vec::new();
        while let Some(chunk) = logs.next().await {
            match chunk.map_err(|error| EngineError::of("read the first line of", name, &error))? {
                LogOutput::StdErr { message } => complaint.extend_from_slice(&message),
                LogOutput::StdOut { message }
                | LogOutput::StdIn { message }
                | LogOutput::Console { message } => line.extend_from_slice(&message),
            }
            if let Some(end) = line.iter().position(|byte| *byte == b'\n') {
                return Ok(String::from_utf8_lossy(&line[..end]).into_owned());
            }
            if line.len() + complaint.len() > 1 << 16 {
                break;
            }
        }
        let complaint = String::from_utf8_lossy(&complaint).trim().to_owned();
        Err(EngineError::other("read the first line of", name, format!("it ended: {complaint}")))
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
            // The first line is read through the log, whatever the daemon's default driver is.
            log_config: Some(HostConfigLogConfig {
                typ: Some("json-file".to_owned()),
                config: Some(HashMap::from([("max-size".to_owned(), "64k".to_owned())])),
            }),
            ..Default::default()
        }),
        ..Default::default()
    }
}
