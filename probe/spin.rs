//! Threads that compute without end for a time, and what the kernel counted of the cgroup
//! meanwhile: whether that is what a limit allows is for others to judge.

use std::hint::black_box;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use crate::json::{Json, object};
use crate::{cgroup, kernel, mounts};

/// What the kernel counted is read once in so long.
const EVERY: Duration = Duration::from_millis(500);
/// A thread that computes needs next to no stack, and the service's memory is limited.
const STACK: usize = 64 << 10;

pub fn spin(nonce: &str, threads: usize, for_ms: u64) -> ExitCode {
    let _ = kernel::set_dumpable(false);
    // Threads that are throttled come late to the end.
    kernel::alarm(for_ms / 1000 + 10);
    let mut refused = None;
    let mut running = 0_u64;
    for _ in 0..threads {
        match std::thread::Builder::new().stack_size(STACK).spawn(compute) {
            Ok(_) => running += 1,
            Err(error) => refused = Some(kernel::error_name(&error)),
        }
    }
    // All is read while the threads compute: how they begin and end is no part of it.
    let began = Instant::now();
    let until = Duration::from_millis(for_ms);
    let mut counts = Vec::new();
    let mut next = Duration::ZERO;
    while next <= until {
        std::thread::sleep(next.saturating_sub(began.elapsed()));
        let at = Json::from(began.elapsed().as_micros() as u64);
        counts.push(object([("at_us", at), ("cgroup", counted())]));
        next += EVERY;
    }
    crate::say(&object([
        ("nonce", Json::text(nonce)),
        ("threads", Json::from(running)),
        ("refused", refused.map_or(Json::Null, Json::text)),
        ("counts", Json::List(counts)),
        ("end", Json::Bool(true)),
    ]));
    // The threads end with the program.
    kernel::leave()
}

/// Computes without end.
fn compute() {
    let mut number = 1_u64;
    loop {
        number = black_box(number.wrapping_mul(number | 1));
    }
}

/// The files of our cgroup, or an object that says why they cannot be read.
pub fn counted() -> Json {
    let files = mounts::covered("cgroup").and_then(|()| cgroup::cgroup(""));
    files.unwrap_or_else(|error| object([("error", Json::text(error))]))
}
