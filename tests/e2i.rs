//! The second reference stack is what it claims to be: each server answers to its own real client.
//!
//! The tests share one stack, which a reaper removes when they have ended, however they end.

#![expect(clippy::unwrap_used, reason = "a test may panic, in its helping functions too")]

mod e2i {
    pub(crate) mod application;
    pub(crate) mod files;
    pub(crate) mod platform;
    pub(crate) mod stack;
}
