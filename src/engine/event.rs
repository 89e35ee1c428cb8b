//! The engine's events of containers.

use std::collections::HashMap;

use bollard::query_parameters::EventsOptionsBuilder;
use futures_util::StreamExt;
use serde::Serialize;
use tokio::sync::mpsc;

use super::Engine;

/// Something that the engine reported.
#[derive(Debug, Clone, Serialize)]
pub struct EngineEvent {
    /// The container's id. Whoever writes events down knows it.
    #[serde(skip)]
    pub container: String,
    /// `oom`, `die`, `start`, `exec_die`, `health_status: healthy` and so on.
    pub action: String,
    /// Nanoseconds since 1970.
    pub time_nano: i64,
    /// What the engine attaches, such as `exitCode`.
    pub attributes: HashMap<String, String>,
}

/// A subscription; events are kept until they are asked for.
#[derive(Debug)]
pub struct Events {
    receiver: mpsc::UnboundedReceiver<EngineEvent>,
    task: tokio::task::JoinHandle<()>,
}

impl Engine {
    /// Subscribes to the events of a container, from now on. Whoever wants to see the effect of
    /// an act subscribes before acting.
    #[must_use]
    pub fn events(&self, container: &str) -> Events {
        self.subscribe(HashMap::from([("container".to_owned(), vec![container.to_owned()])]))
    }

    /// Subscribes to the starts of the containers with a label, `key=value`, from now on.
    #[must_use]
    pub fn starts(&self, label: &str) -> Events {
        let filters = [("type", "container"), ("event", "start"), ("label", label)];
        let filters = filters.map(|(key, value)| (key.to_owned(), vec![value.to_owned()]));
        self.subscribe(HashMap::from(filters))
    }

    fn subscribe(&self, filters: HashMap<String, Vec<String>>) -> Events {
        let options = EventsOptionsBuilder::new().filters(&filters).build();
        let mut stream = Box::pin(self.docker.events(Some(options)));
        let (sender, receiver) = mpsc::unbounded_channel();
        let task = tokio::spawn(async move {
            while let Some(Ok(message)) = stream.next().await {
                let actor = message.actor.unwrap_or_default();
                let event = EngineEvent {
                    container: actor.id.unwrap_or_default(),
                    action: message.action.unwrap_or_default(),
                    time_nano: message.time_nano.unwrap_or_default(),
                    attributes: actor.attributes.unwrap_or_default(),
                };
                if sender.send(event).is_err() {
                    return;
                }
            }
        });
        Events { receiver, task }
    }
}

impl Events {
    /// The events that have come since the last call.
    pub fn drain(&mut self) -> Vec<EngineEvent> {
        std::iter::from_fn(|| self.receiver.try_recv().ok()).collect()
    }

    /// Waits for the next event; none when the engine closed the subscription.
    pub async fn next(&mut self) -> Option<EngineEvent> {
        self.receiver.recv().await
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.task.abort();
    }
}
