//! The whole program against a real engine, on small stacks of the probe's own image.

#![expect(clippy::unwrap_used, reason = "a test may panic, in its helping functions too")]

mod engine {
    pub(crate) mod attach;
    pub(crate) mod failed;
    pub(crate) mod killed;
    pub(crate) mod record;
    pub(crate) mod stack;
}
