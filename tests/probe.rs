//! The probe against a real engine: what it sees in throw-away containers that try to fool it,
//! and what is judged from that.

#![expect(clippy::unwrap_used, reason = "a test may panic, in its helping functions too")]

mod probe {
    pub(crate) mod abandoned;
    pub(crate) mod breed;
    pub(crate) mod covered;
    pub(crate) mod hostile;
    pub(crate) mod lab;
    pub(crate) mod listeners;
}
