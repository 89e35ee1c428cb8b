//! Children that only sleep, as many as the kernel allows and never more than was asked for: where
//! the kernel refuses is what is observed. All of them end with us, whatever ends us.

use std::process::ExitCode;

use crate::json::{Json, object};
use crate::kernel::{self, POLLIN, PollFd};
use crate::spin::counted;

const SIGKILL: i32 = 9;

/// Forks, says where it ended, holds the children until there is something to read or the time
/// is over, ends them, and says that it has.
pub fn breed(nonce: &str, most: usize, hold_ms: u64) -> ExitCode {
    let _ = kernel::set_dumpable(false);
    kernel::alarm(hold_ms / 1000 + 20);
    let before = counted();
    // Room is made first: there may be none later.
    let mut children = Vec::with_capacity(most);
    let mut refusal = Json::Null;
    while children.len() < most {
        match kernel::sleeping_child() {
            Ok(pid) => children.push(pid),
            Err(errno) => {
                refusal = Json::text(errno);
                break;
            }
        }
    }
    crate::say(&object([
        ("nonce", Json::text(nonce)),
        ("forked", Json::from(children.len() as u64)),
        ("errno", refusal),
        ("before", before),
        ("exhausted", counted()),
    ]));
    let mut input = [PollFd { fd: 0, events: POLLIN, revents: 0 }];
    let asked = kernel::poll(&mut input, hold_ms.min(60_000) as i32) > 0;
    for pid in &children {
        let _ = kernel::kill(*pid, SIGKILL);
    }
    let reaped = children.iter().filter(|pid| kernel::reap(**pid)).count();
    crate::say(&object([
        ("nonce", Json::text(nonce)),
        ("reaped", Json::from(reaped as u64)),
        ("asked", Json::Bool(asked)),
        ("after", counted()),
        ("end", Json::Bool(true)),
    ]));
    ExitCode::SUCCESS
}
