//! What can go wrong with the engine, told as verb, object, cause and remedy.

use std::time::Duration;

use bollard::errors::Error as ClientError;

/// What kind of failure it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Nothing listens at the endpoint.
    NotReachable,
    /// The endpoint refuses this user.
    Permission,
    /// The object does not exist.
    NotFound,
    /// The object's state does not allow it, or its name is taken.
    Conflict,
    /// The engine did not answer in time.
    TimeOut,
    /// Anything else; the cause tells.
    Other,
}

/// A failed call of the Engine API.
#[derive(Debug, Clone, thiserror::Error)]
#[error("cannot {doing} {object}: {cause}{}", hint.map(|hint| format!("; {hint}")).unwrap_or_default())]
pub struct EngineError {
    /// What kind of failure it was.
    pub kind: Kind,
    /// What was being done, a verb.
    pub doing: &'static str,
    /// To what.
    pub object: String,
    /// What the engine or the system said.
    pub cause: String,
    /// What to do about it, where that is known.
    pub hint: Option<&'static str>,
}

impl EngineError {
    pub(super) fn of(
        doing: &'static str,
        object: impl Into<String>,
        error: &ClientError,
    ) -> EngineError {
        let (kind, cause) = match error {
            ClientError::DockerResponseServerError { status_code, message } => {
                let kind = match status_code {
                    404 => Kind::NotFound,
                    403 => Kind::Permission,
                    304 | 409 => Kind::Conflict,
                    _ => Kind::Other,
                };
                (kind, format!("the engine answered {status_code}: {message}"))
            }
            ClientError::RequestTimeoutError => {
                (Kind::TimeOut, "the engine did not answer in time".to_owned())
            }
            ClientError::HttpClientError { .. }
            | ClientError::HyperResponseError { .. }
            | ClientError::HyperLegacyError { .. }
            | ClientError::SocketNotFoundError(_) => (Kind::NotReachable, chain(error)),
            other => (Kind::Other, chain(other)),
        };
        let hint = match kind {
            Kind::NotReachable => Some("is the engine running? `docker info` tells"),
            _ => None,
        };
        EngineError { kind, doing, object: object.into(), cause, hint }
    }

    pub(super) fn silent(
        doing: &'static str,
        object: impl Into<String>,
        waited: Duration,
    ) -> EngineError {
        EngineError {
            kind: Kind::TimeOut,
            doing,
            object: object.into(),
            cause: format!("no answer within {} s", waited.as_secs()),
            hint: Some("the engine accepts connections but does not answer; restart it"),
        }
    }

    pub(crate) fn internal(
        doing: &'static str,
        object: impl Into<String>,
        cause: impl Into<String>,
    ) -> EngineError {
        EngineError::other(doing, object, cause)
    }

    pub(super) fn other(
        doing: &'static str,
        object: impl Into<String>,
        cause: impl Into<String>,
    ) -> EngineError {
        EngineError {
            kind: Kind::Other,
            doing,
            object: object.into(),
            cause: cause.into(),
            hint: None,
        }
    }
}

/// The messages of an error and of its causes, which the client crate leaves out of its own.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let message = cause.to_string();
        if !text.contains(&message) {
            text.push_str(": ");
            text.push_str(&message);
        }
        source = cause.source();
    }
    text
}
