//! Ctrl-C and its kin: told once to everybody who waits.

use std::future::Future;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Whether the run was asked to end. Clones share the answer.
#[derive(Debug, Clone)]
pub struct Interrupt {
    receiver: watch::Receiver<bool>,
}

/// The run was interrupted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("interrupted")]
pub struct Interrupted;

impl Interrupt {
    /// Listens for SIGINT, SIGTERM and SIGHUP from now on. The second signal ends the process at
    /// once; the reaper then cleans up.
    ///
    /// # Errors
    /// When the system refuses to install a handler.
    pub fn listen() -> std::io::Result<Interrupt> {
        let (sender, receiver) = watch::channel(false);
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut hang_up = signal(SignalKind::hangup())?;
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                    _ = hang_up.recv() => {}
                }
                if sender.send_replace(true) {
                    std::process::exit(crate::exit_code::ExitCode::Interrupted as i32);
                }
            }
        });
        Ok(Interrupt { receiver })
    }

    /// One that never comes, for tests and for work that must not be cut short.
    #[must_use]
    pub fn never() -> Interrupt {
        let (sender, receiver) = watch::channel(false);
        // The sender is kept alive for ever, so that waiting means waiting.
        std::mem::forget(sender);
        Interrupt { receiver }
    }

    /// Whether it has come.
    #[must_use]
    pub fn is_set(&self) -> bool {
        *self.receiver.borrow()
    }

    /// Waits until it comes.
    pub async fn wait(&self) {
        let mut receiver = self.receiver.clone();
        if receiver.wait_for(|set| *set).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// The result of `work`, unless the interrupt comes first; `work` is then dropped.
    ///
    /// # Errors
    /// When the interrupt came first.
    pub async fn or<T>(&self, work: impl Future<Output = T>) -> Result<T, Interrupted> {
        tokio::select! {
            biased;
            () = self.wait() => Err(Interrupted),
            result = work => Ok(result),
        }
    }
}
