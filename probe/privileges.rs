//! Whether executing a file or installing a filter can gain privileges: what the kernel says,
//! and what it does.

use crate::json::{Json, object};
use crate::kernel;
use crate::processes;

/// The copy of the probe that belongs to root and is setuid, in our own containers only.
const SETUID_PROBE: &str = "/probe-suid";

pub fn privileges() -> Result<Json, String> {
    Ok(object([
        ("no_new_privs", Json::from(kernel::no_new_privileges())),
        ("filter", Json::text(install_filter()?)),
        ("setuid", setuid()),
    ]))
}

/// Installing a seccomp filter takes either no-new-privileges or `CAP_SYS_ADMIN`: seccomp(2).
fn install_filter() -> Result<String, String> {
    const SECCOMP_SET_MODE_FILTER: usize = 1;
    #[cfg(target_arch = "x86_64")]
    const SECCOMP: i64 = 317;
    #[cfg(target_arch = "aarch64")]
    const SECCOMP: i64 = 277;
    // One instruction that returns SECCOMP_RET_ALLOW: struct sock_filter and sock_fprog.
    #[repr(C)]
    struct Instruction(u16, u8, u8, u32);
    #[repr(C)]
    struct Program(u16, *const Instruction);
    let code = kernel::in_child(|| {
        let allow = [Instruction(0x06, 0, 0, 0x7fff_0000)];
        let program = Program(1, allow.as_ptr());
        let address = (&raw const program) as usize;
        match kernel::syscall(SECCOMP, [SECCOMP_SET_MODE_FILTER, 0, address, 0, 0, 0]) {
            Ok(_) => 0,
            Err(errno) => errno.min(200),
        }
    })?;
    Ok(if code == 0 { "ok".to_owned() } else { kernel::errno_name(code) })
}

/// Executes the setuid copy and tells the ids that it got.
fn setuid() -> Json {
    match kernel::output_of(SETUID_PROBE, "euid") {
        Ok(printed) => Json::lossy(&printed),
        Err(error) => object([("errno", Json::text(error))]),
    }
}

/// The ids of this process, which the setuid copy prints.
pub fn own_ids() -> Json {
    processes::status("/proc/self").unwrap_or(Json::Null)
}
