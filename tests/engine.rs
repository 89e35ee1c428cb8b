//! The whole program against a real engine, on small stacks of the probe's own image; and every
//! check on containers in which its property holds, is broken, and cannot be observed. One
//! program, because linking it takes seconds.

#![expect(clippy::unwrap_used, reason = "a test may panic, in its helping functions too")]

mod engine {
    pub(crate) mod attach;
    pub(crate) mod doctor;
    pub(crate) mod failed;
    pub(crate) mod checks {
        pub(crate) mod access;
        pub(crate) mod blast;
        pub(crate) mod capacity;
        pub(crate) mod cgroup;
        pub(crate) mod created;
        pub(crate) mod enforced;
        pub(crate) mod environment;
        pub(crate) mod hardening;
        pub(crate) mod healthy;
        pub(crate) mod identity;
        pub(crate) mod limits;
        pub(crate) mod load;
        pub(crate) mod logs;
        pub(crate) mod measured;
        pub(crate) mod oom;
        pub(crate) mod order;
        pub(crate) mod published;
        pub(crate) mod reservation;
        pub(crate) mod restart;
        pub(crate) mod stage;
        pub(crate) mod tmpfs;
        pub(crate) mod unseen;
        pub(crate) mod via;
        pub(crate) mod world;
    }
    pub(crate) mod harness;
    pub(crate) mod image;
    pub(crate) mod killed;
    pub(crate) mod lent;
    pub(crate) mod mutate;
    pub(crate) mod record;
    pub(crate) mod stack;
    pub(crate) mod swept;
    pub(crate) mod timeline;
    pub(crate) mod versions;
}
