//! Starting and stopping the containers of a stack of our own.

use bollard::models::ContainerUpdateBody;
use bollard::query_parameters::{StartContainerOptions, StopContainerOptions};

use crate::engine::{Engine, EngineError};

impl Engine {
    /// Starts a container that exists, whatever its dependencies do. One that runs already is
    /// started.
    ///
    /// # Errors
    /// When the engine refuses.
    pub async fn start_container(&self, id: &str) -> Result<(), EngineError> {
        self.docker
            .start_container(id, None::<StartContainerOptions>)
            .await
            .map_err(|error| EngineError::of("start container", id, &error))
    }

    /// Stops a container with the signal and the patience that it is configured with. Its restart
    /// policy does not start it again. One that has ended already is stopped.
    ///
    /// # Errors
    /// When the engine refuses.
    pub async fn stop_container(&self, id: &str) -> Result<(), EngineError> {
        self.docker
            .stop_container(id, None::<StopContainerOptions>)
            .await
            .map_err(|error| EngineError::of("stop container", id, &error))
    }

    /// Changes limits of a container of a stack of our own while it runs, as `docker update` does.
    /// What is not given stays.
    ///
    /// # Errors
    /// When the engine refuses.
    pub async fn update_limits(
        &self,
        id: &str,
        memory: Option<u64>,
        cpus: Option<f64>,
        pids: Option<i64>,
    ) -> Result<(), EngineError> {
        let memory = memory.and_then(|bytes| i64::try_from(bytes).ok());
        #[expect(clippy::cast_possible_truncation, reason = "billionths of a core fit many cores")]
        let nano_cpus = cpus.map(|cores| (cores * 1e9).round() as i64);
        let body = ContainerUpdateBody {
            memory,
            // The engine refuses a limit of memory above that of memory and swap.
            memory_swap: memory,
            nano_cpus,
            pids_limit: pids,
            ..ContainerUpdateBody::default()
        };
        self.docker
            .update_container(id, body)
            .await
            .map_err(|error| EngineError::of("update container", id, &error))
    }
}
