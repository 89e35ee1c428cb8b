//! Stopping processes, and letting them continue whatever happens: on SIGTERM, when the time is
//! over, and when whoever asked for it has died.

use std::process::ExitCode;
use std::sync::atomic::{AtomicI32, Ordering};

use crate::json::{Json, object};
use crate::kernel;

const SIGALRM: i32 = 14;
const SIGTERM: i32 = 15;
const SIGCONT: i32 = 18;
const SIGSTOP: i32 = 19;
/// How many processes can be stopped at once.
const MOST: usize = 512;

/// The processes that are stopped; 0 is none. A signal handler may only read what is static.
static STOPPED: [AtomicI32; MOST] = [const { AtomicI32::new(0) }; MOST];

pub fn pause(nonce: &str, deadline_ms: u64, pids: &[&str]) -> ExitCode {
    kernel::on_signal(SIGTERM, let_continue);
    kernel::on_signal(SIGALRM, let_continue);
    kernel::alarm((deadline_ms / 1000).max(1));
    let outcomes = pids.iter().take(MOST).zip(&STOPPED).map(|(pid, slot)| {
        let outcome = match pid.parse() {
            Ok(number) => {
                // Noted first: a signal may come between the two.
                slot.store(number, Ordering::SeqCst);
                kernel::kill(number, SIGSTOP).map_or_else(Json::text, |()| Json::text("ok"))
            }
            Err(_) => Json::text("not a pid"),
        };
        object([("pid", Json::text(*pid)), ("outcome", outcome)])
    });
    let outcomes = Json::List(outcomes.collect());
    crate::say(&object([
        ("stackproof", Json::from(crate::PROTOCOL)),
        ("nonce", Json::text(nonce)),
        ("paused", outcomes),
    ]));
    loop {
        std::thread::park();
    }
}

extern "C" fn let_continue(_: i32) {
    for slot in &STOPPED {
        let pid = slot.load(Ordering::SeqCst);
        if pid > 0 {
            // kill(2) may be called in a handler. What has ended needs no continuing.
            let _ = kernel::kill_quietly(pid, SIGCONT);
        }
    }
    kernel::leave();
}
