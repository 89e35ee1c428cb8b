//! The checks of images, through the whole program, on images made of tars so that nothing has to
//! be there beforehand.

#![expect(clippy::unwrap_used, reason = "a test may panic, in its helping functions too")]

mod image {
    pub(crate) mod archive;
    pub(crate) mod project;
    pub(crate) mod relay;

    mod dependencies;
    mod export;
    mod secrets;
    mod size;
    mod tools;
}
