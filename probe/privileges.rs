//! Whether executing a file or installing a filter can gain privileges: what the kernel says,
//! and what it does.

use crate::filter;
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
    let code = kernel::in_child(|| match filter::allow_everything() {
        Ok(()) => 0,
        Err(errno) => errno.min(200),
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
