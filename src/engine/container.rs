//! Containers: what the engine says of them, and what may be done to them.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use bollard::query_parameters::{
    DownloadFromContainerOptionsBuilder, InspectContainerOptions, ListContainersOptionsBuilder,
    LogsOptionsBuilder, RemoveContainerOptionsBuilder, StopContainerOptionsBuilder,
    TopOptionsBuilder,
};
use futures_util::TryStreamExt;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Engine, EngineError};

mod health;
mod start;

pub use health::{Health, HealthRun, Healthcheck};

/// The largest file that is read out of a container, in bytes.
const MAX_FILE: usize = 1 << 20;

/// What the engine has configured for one container, and its state. Every field may be missing
/// in some engine's answer; a missing field is unknown and never taken as harmless.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Container {
    /// The full id.
    pub id: String,
    /// The name with a leading slash.
    #[serde(default)]
    pub name: String,
    /// The id of the image.
    #[serde(default)]
    pub image: String,
    /// How often the restart policy started it again.
    pub restart_count: Option<i64>,
    /// The AppArmor profile that the engine applied.
    pub app_armor_profile: Option<String>,
    /// The state.
    pub state: State,
    /// The part of the configuration that comes from the image and may be moved.
    pub config: Config,
    /// The part of the configuration that concerns the host.
    pub host_config: HostConfig,
    /// The mounts as the engine resolved them.
    #[serde(default)]
    pub mounts: Vec<Mount>,
    /// The networks.
    pub network_settings: Option<NetworkSettings>,
    /// When the engine answered, by the clock of this machine.
    #[serde(skip)]
    pub inspected: Option<Timestamp>,
    /// The answer as it came, for evidence.
    #[serde(skip)]
    pub raw: Value,
}

/// A container's state.
#[derive(Debug, Clone, Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
pub struct State {
    /// `created`, `running`, `restarting`, `exited` and so on.
    pub status: Option<String>,
    /// Whether PID 1 runs.
    pub running: Option<bool>,
    /// Whether it is paused.
    pub paused: Option<bool>,
    /// The pid of PID 1 on the host.
    pub pid: Option<i64>,
    /// The exit code of the last end.
    pub exit_code: Option<i64>,
    /// Set at different times by different versions: see [`super::versions`].
    #[serde(rename = "OOMKilled")]
    pub oom_killed: Option<bool>,
    /// When it was started last.
    pub started_at: Option<String>,
    /// Why it could not be started.
    pub error: Option<String>,
    /// The state of the health check, if there is one.
    pub health: Option<Health>,
}

/// The part of a container's configuration that comes from its image.
#[derive(Debug, Clone, Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
pub struct Config {
    /// The user in the form that the image or Compose gave it; empty is root.
    pub user: Option<String>,
    /// The environment, `NAME=value` each.
    pub env: Option<Vec<String>>,
    /// The labels.
    pub labels: Option<HashMap<String, String>>,
    /// The reference by which the image was asked for.
    pub image: Option<String>,
    /// The health check.
    pub healthcheck: Option<Healthcheck>,
    /// The ports that the image says it listens on, `8000/tcp` each.
    pub exposed_ports: Option<Value>,
}

/// The part of a container's configuration that concerns the host. Sizes in bytes.
#[derive(Debug, Clone, Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
pub struct HostConfig {
    /// The memory limit; 0 is none.
    pub memory: Option<i64>,
    /// Memory plus swap; 0 is twice the memory, -1 is no limit.
    pub memory_swap: Option<i64>,
    /// The soft limit; 0 is none.
    pub memory_reservation: Option<i64>,
    /// Whether the kernel's OOM killer is disabled for the container.
    pub oom_kill_disable: Option<bool>,
    /// The CPU limit in billionths of a core; 0 is none.
    pub nano_cpus: Option<i64>,
    /// The CPU quota per period in microseconds.
    pub cpu_quota: Option<i64>,
    /// The CPU period in microseconds.
    pub cpu_period: Option<i64>,
    /// The limit on processes; null, 0 and -1 are none.
    pub pids_limit: Option<i64>,
    /// Whether the container is privileged.
    pub privileged: Option<bool>,
    /// Whether the root file system is read-only.
    pub readonly_rootfs: Option<bool>,
    /// Capabilities added.
    pub cap_add: Option<Vec<String>>,
    /// Capabilities dropped.
    pub cap_drop: Option<Vec<String>>,
    /// Security options.
    pub security_opt: Option<Vec<String>>,
    /// Supplementary groups added.
    pub group_add: Option<Vec<String>>,
    /// The pid namespace: empty, `host` or `container:…`.
    pub pid_mode: Option<String>,
    /// The ipc namespace.
    pub ipc_mode: Option<String>,
    /// The network namespace.
    #[serde(rename = "NetworkMode")]
    pub network_mode: Option<String>,
    /// The uts namespace.
    #[serde(rename = "UTSMode", alias = "UtsMode")]
    pub uts_mode: Option<String>,
    /// The user namespace: empty or `host`.
    pub userns_mode: Option<String>,
    /// The cgroup namespace: `host` or `private`.
    pub cgroupns_mode: Option<String>,
    /// The runtime.
    pub runtime: Option<String>,
    /// When it is started again.
    pub restart_policy: Option<RestartPolicy>,
    /// Where its output is kept.
    pub log_config: Option<LogConfig>,
}

impl HostConfig {
    /// The CPU limit in cores, from either of the two ways to state it. None is no limit.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a limit is far below 2^53 billionths")]
    pub fn cores(&self) -> Option<f64> {
        let positive = |value: Option<i64>| value.filter(|value| *value > 0).map(|v| v as f64);
        positive(self.nano_cpus).map(|nano| nano / 1e9).or_else(|| {
            let quota = positive(self.cpu_quota)?;
            Some(quota / positive(self.cpu_period).unwrap_or(100_000.0))
        })
    }
}

/// Where a container's output is kept.
#[derive(Debug, Clone, Deserialize, Serialize, Default)]
#[serde(rename_all = "PascalCase", default)]
pub struct LogConfig {
    /// The driver, such as `json-file`.
    #[serde(rename = "Type")]
    pub driver: Option<String>,
    /// The driver's options.
    pub config: Option<BTreeMap<String, String>>,
}

/// When a container is started again.
#[derive(Debug, Clone, Deserialize, Serialize, Default)]
#[serde(rename_all = "PascalCase", default)]
pub struct RestartPolicy {
    /// `no`, `always`, `unless-stopped` or `on-failure`.
    pub name: Option<String>,
    /// How often at most, for `on-failure`; 0 is no bound.
    pub maximum_retry_count: Option<i64>,
}

/// One mount as the engine resolved it.
#[derive(Debug, Clone, Deserialize, Serialize, Default)]
#[serde(rename_all = "PascalCase", default)]
pub struct Mount {
    /// `bind`, `volume` or `tmpfs`.
    #[serde(rename = "Type")]
    pub kind: Option<String>,
    /// The path on the host.
    pub source: Option<String>,
    /// The path in the container.
    pub destination: Option<String>,
    /// Whether it is writable.
    #[serde(rename = "RW")]
    pub writable: Option<bool>,
}

/// A container's networks.
#[derive(Debug, Clone, Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
pub struct NetworkSettings {
    /// Port bindings by `port/protocol`.
    pub ports: Option<BTreeMap<String, Option<Vec<PortBinding>>>>,
    /// Endpoints by network name.
    pub networks: Option<BTreeMap<String, NetworkEndpoint>>,
}

/// Where a port is published.
#[derive(Debug, Clone, Deserialize, Serialize, Default)]
#[serde(rename_all = "PascalCase", default)]
pub struct PortBinding {
    /// The host's address.
    pub host_ip: Option<String>,
    /// The host's port.
    pub host_port: Option<String>,
}

/// A container's place in one network.
#[derive(Debug, Clone, Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
pub struct NetworkEndpoint {
    /// The network's id.
    #[serde(rename = "NetworkID")]
    pub network_id: Option<String>,
    /// The IPv4 address; empty where there is none.
    #[serde(rename = "IPAddress")]
    pub ip_address: Option<String>,
    /// The IPv6 address; empty where there is none.
    #[serde(rename = "GlobalIPv6Address")]
    pub global_ipv6_address: Option<String>,
    /// The IPv4 gateway.
    pub gateway: Option<String>,
}

/// One line of a listing.
#[derive(Debug, Clone)]
pub struct Listed {
    /// The full id.
    pub id: String,
    /// The first name, without the slash.
    pub name: String,
    /// The labels.
    pub labels: HashMap<String, String>,
    /// `created`, `running`, `exited` and so on.
    pub state: String,
}

/// One process as the engine's host sees it, through `ps`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HostProcess {
    /// The pid on the host.
    pub pid: i64,
    /// The parent's pid on the host.
    pub ppid: i64,
    /// Real, effective, saved and file-system uid.
    pub uid: [u32; 4],
    /// Real and effective gid.
    pub gid: [u32; 2],
    /// The command's name.
    pub comm: String,
}

impl Container {
    /// The name without the slash.
    #[must_use]
    pub fn short_name(&self) -> &str {
        self.name.trim_start_matches('/')
    }

    /// Whether PID 1 runs.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.state.running == Some(true)
    }

    /// Its addresses in its networks; none where it shares another's network.
    #[must_use]
    pub fn addresses(&self) -> Vec<IpAddr> {
        let networks = self.network_settings.as_ref().and_then(|it| it.networks.as_ref());
        let endpoints = networks.into_iter().flat_map(BTreeMap::values);
        let texts = endpoints.flat_map(|it| [&it.ip_address, &it.global_ipv6_address]);
        texts.filter_map(|text| text.as_ref()?.parse().ok()).collect()
    }

    /// The value of a label.
    #[must_use]
    pub fn label(&self, key: &str) -> Option<&str> {
        self.config.labels.as_ref()?.get(key).map(String::as_str)
    }
}

impl Engine {
    /// The containers that carry all of `labels` (`key` or `key=value`), running or not.
    ///
    /// # Errors
    /// When the engine does not answer.
    pub async fn containers(&self, labels: &[String]) -> Result<Vec<Listed>, EngineError> {
        let filters = HashMap::from([("label".to_owned(), labels.to_vec())]);
        let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
        let list =
            self.docker.list_containers(Some(options)).await.map_err(|error| {
                EngineError::of("list containers with", labels.join(", "), &error)
            })?;
        Ok(list
            .into_iter()
            .filter_map(|container| {
                let name = container.names.unwrap_or_default().into_iter().next();
                Some(Listed {
                    id: container.id?,
                    name: name.unwrap_or_default().trim_start_matches('/').to_owned(),
                    labels: container.labels.unwrap_or_default(),
                    state: container.state.map(|state| state.to_string()).unwrap_or_default(),
                })
            })
            .collect())
    }

    /// What the engine has configured for a container, and its state.
    ///
    /// # Errors
    /// When there is no such container, or the answer cannot be understood.
    pub async fn inspect(&self, id: &str) -> Result<Container, EngineError> {
        let answer = self
            .docker
            .inspect_container(id, None::<InspectContainerOptions>)
            .await
            .map_err(|error| EngineError::of("inspect container", id, &error))?;
        let not_understood = |error: serde_json::Error| {
            EngineError::other("understand the inspection of container", id, error.to_string())
        };
        let raw = serde_json::to_value(answer).map_err(not_understood)?;
        let mut container: Container =
            serde_json::from_value(raw.clone()).map_err(not_understood)?;
        container.inspected = Some(Timestamp::now());
        container.raw = raw;
        Ok(container)
    }

    /// The processes of a container as the engine's host sees them.
    ///
    /// # Errors
    /// When the container does not run, or the host's `ps` answers in an unknown form.
    pub async fn top(&self, id: &str) -> Result<Vec<HostProcess>, EngineError> {
        let options = TopOptionsBuilder::new()
            .ps_args("-eo pid,ppid,ruid,euid,suid,fsuid,rgid,egid,comm")
            .build();
        let table = self
            .docker
            .top_processes(id, Some(options))
            .await
            .map_err(|error| EngineError::of("list the processes of container", id, &error))?;
        table
            .processes
            .unwrap_or_default()
            .into_iter()
            .map(|row| {
                host_process(&row).ok_or_else(|| {
                    let row = row.join(" ");
                    EngineError::other("understand the processes of container", id, row)
                })
            })
            .collect()
    }

    /// The last lines of a container's log, both streams.
    ///
    /// # Errors
    /// When the log cannot be read, for example because its driver keeps none.
    pub async fn last_lines(&self, id: &str, count: usize) -> Result<Vec<String>, EngineError> {
        let options =
            LogsOptionsBuilder::new().stdout(true).stderr(true).tail(&count.to_string()).build();
        let chunks: Vec<_> = self
            .docker
            .logs(id, Some(options))
            .try_collect()
            .await
            .map_err(|error| EngineError::of("read the log of container", id, &error))?;
        Ok(chunks.iter().map(|chunk| chunk.to_string().trim_end().to_owned()).collect())
    }

    /// Asks a container of our own to end, with SIGTERM, and waits up to five seconds for it.
    ///
    /// # Errors
    /// When there is no such container.
    pub async fn stop_own(&self, id: &str) -> Result<(), EngineError> {
        let options = StopContainerOptionsBuilder::new().t(5).build();
        self.docker
            .stop_container(id, Some(options))
            .await
            .map_err(|error| EngineError::of("stop our own container", id, &error))
    }

    /// Removes a container of our own with its anonymous volumes, running or not. One that is
    /// gone already is removed.
    ///
    /// # Errors
    /// When the engine refuses.
    pub async fn remove_container(&self, id: &str) -> Result<(), EngineError> {
        let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
        match self.docker.remove_container(id, Some(options)).await {
            Ok(()) => Ok(()),
            Err(error) => {
                let error = EngineError::of("remove container", id, &error);
                let going = error.cause.contains("already in progress");
                if error.kind == super::Kind::NotFound || going { Ok(()) } else { Err(error) }
            }
        }
    }

    /// Reads one regular file of a container, running or not. The engine resolves the path in
    /// the container's root; nothing in the container runs.
    ///
    /// # Errors
    /// When there is no such file, or it is no regular file of at most 1 MiB.
    pub async fn read_file(&self, id: &str, path: &str) -> Result<Vec<u8>, EngineError> {
        let object = format!("{path} of container {id}");
        let options = DownloadFromContainerOptionsBuilder::new().path(path).build();
        let mut stream = Box::pin(self.docker.download_from_container(id, Some(options)));
        let mut archive = Vec::new();
        while let Some(chunk) =
            stream.try_next().await.map_err(|error| EngineError::of("read", &*object, &error))?
        {
            archive.extend_from_slice(&chunk);
            if archive.len() > MAX_FILE {
                return Err(EngineError::other("read", object, "it is larger than 1 MiB"));
            }
        }
        let unreadable = |error: std::io::Error| {
            EngineError::other("read", object.clone(), format!("bad archive: {error}"))
        };
        for entry in tar::Archive::new(&*archive).entries().map_err(unreadable)? {
            let mut entry = entry.map_err(unreadable)?;
            if entry.header().entry_type().is_file() {
                let mut content = Vec::new();
                std::io::Read::read_to_end(&mut entry, &mut content).map_err(unreadable)?;
                return Ok(content);
            }
        }
        Err(EngineError::other("read", object, "it is not a regular file"))
    }
}

fn host_process(row: &[String]) -> Option<HostProcess> {
    let number = |at: usize| row.get(at)?.trim().parse::<u32>().ok();
    Some(HostProcess {
        pid: row.first()?.trim().parse().ok()?,
        ppid: row.get(1)?.trim().parse().ok()?,
        uid: [number(2)?, number(3)?, number(4)?, number(5)?],
        gid: [number(6)?, number(7)?],
        comm: row.get(8)?.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_of_ps_is_read_and_a_short_one_is_refused() {
        let row: Vec<String> = ["12", "1", "0", "0", "0", "0", "5", "5", "sh"]
            .iter()
            .map(ToString::to_string)
            .collect();
        let process = host_process(&row).unwrap();
        assert_eq!((process.pid, process.ppid), (12, 1));
        assert_eq!((process.uid, process.gid), ([0; 4], [5, 5]));
        assert_eq!(host_process(&row[..6]), None);
    }
}
