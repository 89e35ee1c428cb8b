//! Starting and stopping the containers of a stack of our own.

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
}
