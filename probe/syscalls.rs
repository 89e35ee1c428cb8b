//! System calls with arguments so wrong that nothing can happen, chosen so that the kernel
//! itself refuses them with another error than a seccomp filter does.

use crate::json::Json;
use crate::kernel;

/// No descriptor.
const NO_FD: usize = usize::MAX;
/// No address.
const NOWHERE: usize = 1;

/// Names, numbers and arguments. The numbers from 424 on are the same on every architecture.
#[cfg(target_arch = "x86_64")]
const CALLS: [(&str, i64, [usize; 6]); 12] = [
    ("unshare", 272, [1, 0, 0, 0, 0, 0]),
    ("setns", 308, [NO_FD, 0, 0, 0, 0, 0]),
    ("mount", 165, [NOWHERE, NOWHERE, 0, 0, 0, 0]),
    ("keyctl", 250, [9999, 0, 0, 0, 0, 0]),
    ("add_key", 248, [NOWHERE, NOWHERE, 0, 0, 0, 0]),
    ("request_key", 249, [NOWHERE, NOWHERE, 0, 0, 0, 0]),
    ("perf_event_open", 298, [NOWHERE, 0, 0, 0, 0, 0]),
    ("userfaultfd", 323, [usize::MAX, 0, 0, 0, 0, 0]),
    ("clone3", 435, [0, 0, 0, 0, 0, 0]),
    ("move_pages", 279, [0, 1, NOWHERE, NOWHERE, NOWHERE, 9999]),
    ("kcmp", 312, [0, 0, 9999, 0, 0, 0]),
    ("io_uring_setup", 425, [0, 0, 0, 0, 0, 0]),
];
#[cfg(target_arch = "aarch64")]
const CALLS: [(&str, i64, [usize; 6]); 12] = [
    ("unshare", 97, [1, 0, 0, 0, 0, 0]),
    ("setns", 268, [NO_FD, 0, 0, 0, 0, 0]),
    ("mount", 40, [NOWHERE, NOWHERE, 0, 0, 0, 0]),
    ("keyctl", 219, [9999, 0, 0, 0, 0, 0]),
    ("add_key", 217, [NOWHERE, NOWHERE, 0, 0, 0, 0]),
    ("request_key", 218, [NOWHERE, NOWHERE, 0, 0, 0, 0]),
    ("perf_event_open", 241, [NOWHERE, 0, 0, 0, 0, 0]),
    ("userfaultfd", 282, [usize::MAX, 0, 0, 0, 0, 0]),
    ("clone3", 435, [0, 0, 0, 0, 0, 0]),
    ("move_pages", 239, [0, 1, NOWHERE, NOWHERE, NOWHERE, 9999]),
    ("kcmp", 272, [0, 0, 9999, 0, 0, 0]),
    ("io_uring_setup", 425, [0, 0, 0, 0, 0, 0]),
];

pub fn battery() -> Json {
    let members = CALLS.iter().map(|(name, number, arguments)| {
        let outcome = match kernel::syscall(*number, *arguments) {
            Ok(_) => "ok".to_owned(),
            Err(errno) => kernel::errno_name(errno),
        };
        ((*name).to_owned(), Json::text(outcome))
    });
    Json::Object(members.collect())
}
