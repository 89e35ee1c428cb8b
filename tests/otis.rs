//! The OTIS stack as its clients use it: jobs by HTTP, and the engine through the socket proxy.
//!
//! The stack is the one that the scenarios share: whichever test comes first brings it up, and a
//! reaper removes it when the test runner has ended, however it ends.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test may panic, in its helping functions too"
)]

mod otis {
    pub(crate) mod jobs;
    pub(crate) mod proxy;
    pub(crate) mod request;
    pub(crate) mod sandbox_body;
    pub(crate) mod stack;
}
