//! Memory that is touched until there is no more: what the kernel does then is what is observed.

use std::process::ExitCode;

use crate::json::{Json, object};
use crate::kernel;

const STEP: usize = 1 << 20;
const PAGE: usize = 4096;
/// A line is printed for so many steps.
const EVERY: usize = 8;

pub fn hog(nonce: &str, bytes: usize, deadline_ms: u64) -> ExitCode {
    let _ = kernel::set_dumpable(false);
    kernel::alarm(deadline_ms / 1000 + 2);
    // The kernel should choose us before it chooses the service. Raising the score is always
    // allowed; where it is not, the larger process is chosen anyway.
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
    crate::say(&object([("nonce", Json::text(nonce)), ("touched", Json::from(0_u64))]));
    let mut touched = 0;
    let mut steps = 0;
    while touched < bytes {
        let step = STEP.min(bytes - touched);
        let memory = match kernel::memory(step) {
            Ok(memory) => memory,
            Err(errno) => {
                crate::say(&object([
                    ("nonce", Json::text(nonce)),
                    ("touched", Json::from(touched as u64)),
                    ("errno", Json::text(errno)),
                ]));
                return ExitCode::FAILURE;
            }
        };
        for page in memory.iter_mut().step_by(PAGE) {
            // A value that is not zero, so that no page can be shared with the zero page.
            *page = 1;
        }
        touched += step;
        steps += 1;
        if steps % EVERY == 0 {
            crate::say(&object([
                ("nonce", Json::text(nonce)),
                ("touched", Json::from(touched as u64)),
            ]));
        }
    }
    crate::say(&object([
        ("nonce", Json::text(nonce)),
        ("touched", Json::from(touched as u64)),
        ("end", Json::Bool(true)),
    ]));
    ExitCode::SUCCESS
}
