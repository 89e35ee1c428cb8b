//! The whole program against a real engine, on small stacks of the probe's own image.

mod engine {
    pub(crate) mod attach;
    pub(crate) mod killed;
    pub(crate) mod stack;
}
