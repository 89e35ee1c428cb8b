//! System calls with arguments so wrong that nothing can happen, chosen so that the kernel
//! itself refuses them with another error than a seccomp filter does.
//!
//! Calls that the kernel refuses for a missing capability before it looks at any argument, such
//! as `kexec_load`, `init_module`, `reboot` or `swapon`, are not here: without that capability a
//! filter cannot be told from the kernel.

use crate::json::Json;
use crate::kernel;

/// No descriptor, and every flag.
const NONE: usize = usize::MAX;
/// Every flag of a call that takes 32 bits of them.
const ALL: usize = 0xffff_ffff;
/// No address.
const BAD: usize = 1;
/// A command, a mode, a clock or a socket type that there is none of.
const ODD: usize = 9999;
/// `CLONE_NEWUSER | CLONE_FS | SIGCHLD`, which contradict each other: clone(2), EINVAL.
const CLONE_NEWUSER_AND_FS: usize = 0x1000_0000 | 0x200 | 17;
/// `FAN_REPORT_FID`, which an ordinary process may use, and a flag that there is not.
const FANOTIFY: usize = 0x8000_0200;
const AF_ALG: usize = 38;
const AF_VSOCK: usize = 40;
/// A quota type that there is none of.
const NO_QUOTA: usize = 0xff;

/// Names, numbers on x86_64 and aarch64 (-1 where there is none), and arguments. The numbers from
/// 424 on are the same on every architecture.
#[rustfmt::skip]
const CALLS: [(&str, i64, i64, [usize; 6]); 40] = [
    ("unshare",                 272,  97, [1, 0, 0, 0, 0, 0]),
    ("setns",                   308, 268, [NONE, 0, 0, 0, 0, 0]),
    ("mount",                   165,  40, [BAD, BAD, 0, 0, 0, 0]),
    ("umount2",                 166,  39, [BAD, ALL, 0, 0, 0, 0]),
    ("open_tree",               428, 428, [NONE, BAD, ALL, 0, 0, 0]),
    ("fsconfig",                431, 431, [NONE, ODD, 0, 0, 0, 0]),
    ("mount_setattr",           442, 442, [NONE, BAD, ALL, BAD, 0, 0]),
    ("clone3",                  435, 435, [0, 0, 0, 0, 0, 0]),
    ("clone-newuser",            56, 220, [CLONE_NEWUSER_AND_FS, 0, 0, 0, 0, 0]),
    ("keyctl",                  250, 219, [ODD, 0, 0, 0, 0, 0]),
    ("add_key",                 248, 217, [BAD, BAD, 0, 0, 0, 0]),
    ("request_key",             249, 218, [BAD, BAD, 0, 0, 0, 0]),
    ("bpf",                     321, 280, [ODD, BAD, 1 << 20, 0, 0, 0]),
    ("perf_event_open",         298, 241, [BAD, 0, 0, 0, 0, 0]),
    ("userfaultfd",             323, 282, [NONE, 0, 0, 0, 0, 0]),
    ("io_uring_setup",          425, 425, [0, 0, 0, 0, 0, 0]),
    ("io_uring_enter",          426, 426, [NONE, 0, 0, ALL, 0, 0]),
    ("io_uring_register",       427, 427, [NONE, ODD, 0, 0, 0, 0]),
    ("open_by_handle_at",       304, 265, [NONE, BAD, 0, 0, 0, 0]),
    ("name_to_handle_at",       303, 264, [NONE, BAD, BAD, BAD, ALL, 0]),
    ("process_vm_readv",        310, 270, [0, 0, 0, 0, 0, 1]),
    ("process_madvise",         440, 440, [NONE, 0, 0, 0, ALL, 0]),
    ("pidfd_getfd",             438, 438, [NONE, 0, 1, 0, 0, 0]),
    ("kcmp",                    312, 272, [0, 0, ODD, 0, 0, 0]),
    ("move_pages",              279, 239, [0, 1, BAD, BAD, BAD, ODD]),
    ("migrate_pages",           256, 238, [0, 8, BAD, BAD, 0, 0]),
    ("mbind",                   237, 235, [0, 0, ODD, 0, 0, ALL]),
    ("set_mempolicy",           238, 237, [ODD, 0, 0, 0, 0, 0]),
    ("get_mempolicy",           239, 236, [0, 0, 0, 0, ODD, 0]),
    ("set_mempolicy_home_node", 450, 450, [0, 0, 0, 1, 0, 0]),
    ("socket-vsock",             41, 198, [AF_VSOCK, ODD, 0, 0, 0, 0]),
    ("socket-alg",               41, 198, [AF_ALG, ODD, 0, 0, 0, 0]),
    ("quotactl",                179,  60, [NO_QUOTA, BAD, 0, 0, 0, 0]),
    ("quotactl_fd",             443, 443, [NONE, NO_QUOTA, 0, 0, 0, 0]),
    ("fanotify_init",           300, 262, [FANOTIFY, 0, 0, 0, 0, 0]),
    ("settimeofday",            164, 170, [BAD, 0, 0, 0, 0, 0]),
    ("clock_settime",           227, 112, [ODD, BAD, 0, 0, 0, 0]),
    ("syslog",                  103, 116, [ODD, 0, 0, 0, 0, 0]),
    ("iopl",                    172,  -1, [ODD, 0, 0, 0, 0, 0]),
    ("ioperm",                  173,  -1, [NONE, 1, 1, 0, 0, 0]),
];

pub fn battery() -> Json {
    let here = |x86_64: i64, aarch64: i64| {
        if cfg!(target_arch = "x86_64") { x86_64 } else { aarch64 }
    };
    let members = CALLS
        .iter()
        .map(|(name, x86_64, aarch64, arguments)| (name, here(*x86_64, *aarch64), arguments))
        .filter(|(_, number, _)| *number >= 0)
        .map(|(name, number, arguments)| {
            let outcome = match kernel::syscall(number, *arguments) {
                Ok(_) => "ok".to_owned(),
                Err(errno) => kernel::errno_name(errno),
            };
            ((*name).to_owned(), Json::text(outcome))
        });
    Json::Object(members.collect())
}
