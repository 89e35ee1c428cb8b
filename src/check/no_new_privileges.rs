//! `no-new-privileges`: executing a file gains nobody anything (CIS 5.26).
//!
//! The kernel is asked of every process, and tried: a setuid copy of the probe is executed in a
//! container of our own with the service's security options, and inside the service itself a
//! seccomp filter is installed, which the kernel allows an ordinary process only under
//! no-new-privileges. The same acts must show the opposite in the control.

use serde_json::json;

use super::{Finding, each_container};
use crate::observation::{Evidence, Observation, Vantage};
use crate::probe::answer::Privileges;
use crate::verdict::Verdict;
use crate::world::{Blind, Sight, World};

const EXPECTED: &str = "no process can gain privileges by executing a file";

pub(super) fn judge(service: &str, world: &World) -> Finding {
    each_container(service, world, EXPECTED, |sight| judge_one(sight, world))
}

fn judge_one(sight: &Sight, world: &World) -> Finding {
    let name = sight.container.short_name();
    let reproduce = format!(
        "docker inspect {name} --format '{{{{.HostConfig.SecurityOpt}}}}'; \
        docker top {name} -eo pid,comm; grep NoNewPrivs /proc/HOST_PID/status, for each pid"
    );
    let evidence = Evidence::one(Observation::now(
        Vantage::Engine,
        "security options",
        json!(sight.container.host_config.security_opt),
    ));
    if !sight.container.is_running() && !is_configured(sight) {
        return Finding::new(Verdict::Broken, EXPECTED, evidence)
            .observed("not configured, and the container does not run")
            .message("the container is configured without no-new-privileges")
            .reproduce(reproduce);
    }
    let seen = match look(sight, world) {
        Ok(seen) => seen,
        Err(why) => return Finding::could_not_observe(EXPECTED, why).reproduce(reproduce),
    };
    let mut evidence = evidence;
    evidence.extend(seen.observations);
    let finding = Finding::new(
        if seen.wrong.is_empty() { Verdict::Held } else { Verdict::Broken },
        EXPECTED,
        evidence,
    )
    .reproduce(reproduce);
    if seen.wrong.is_empty() {
        finding
            .observed(format!("set on all {} processes; the attempt gained nothing", seen.count))
            .message("set on every process, and a setuid program gained nothing")
    } else {
        finding.observed(seen.wrong.join("; ")).message(seen.wrong.join("; "))
    }
}

struct Look {
    wrong: Vec<String>,
    count: usize,
    observations: Vec<Observation>,
}

fn look(sight: &Sight, world: &World) -> Result<Look, Blind> {
    let reply = sight.own()?;
    let processes = reply.processes()?;
    let inside = reply.privileges()?;
    let theirs = processes.of_service()?;
    let mut wrong = Vec::new();
    for process in &theirs {
        match process.status.no_new_privs {
            Some(1) => {}
            Some(_) => {
                wrong.push(format!("{} (pid {}) may gain privileges", process.name, process.pid))
            }
            None => {
                return Err("this kernel does not tell NoNewPrivs (before Linux 4.10)".to_owned());
            }
        }
    }
    let table: Vec<_> =
        theirs.iter().map(|p| json!([p.pid, p.name, p.status.no_new_privs])).collect();
    let mut observations = vec![
        Observation::now(Vantage::Inside, "pid, name, NoNewPrivs", table),
        Observation::now(Vantage::Inside, "installing a seccomp filter", inside.filter.clone()),
    ];
    if wrong.is_empty() {
        let control = control(world)?;
        observations.push(Observation::now(
            Vantage::Control,
            "without no-new-privileges: a setuid program, a filter",
            json!(control),
        ));
        let escalation = match &sight.escalation {
            Some(reply) => reply.as_ref().map_err(Clone::clone)?.privileges()?,
            None => return Err("the setuid program was not tried".to_owned()),
        };
        observations.push(Observation::now(
            Vantage::Control,
            "a setuid program under the service's security options",
            escalation.setuid.clone(),
        ));
        if inside.filter != "ok" {
            wrong.push(format!("inside, a filter was refused with {}", inside.filter));
        }
        let before = reply.header.status.uid[1];
        match escalation.setuid_euid() {
            Some(euid) if euid == before => {}
            Some(euid) => {
                wrong.push(format!("a setuid program got uid {euid} instead of {before}"))
            }
            None => return Err(format!("the setuid program did not run: {}", escalation.setuid)),
        }
    }
    Ok(Look { wrong, count: theirs.len(), observations })
}

/// What the same acts come to without no-new-privileges: the setuid program becomes root and the
/// filter is refused. If not, the acts show nothing.
fn control(world: &World) -> Result<Privileges, Blind> {
    let control = world.control.as_ref().map_err(Clone::clone)?;
    let shown = control.user.as_ref().map_err(Clone::clone)?.privileges()?;
    if shown.setuid_euid() != Some(0) || shown.filter == "ok" {
        return Err(format!("the control gained nothing either: {}", json!(shown)));
    }
    Ok(shown)
}

fn is_configured(sight: &Sight) -> bool {
    sight.container.host_config.security_opt.iter().flatten().any(|option| {
        matches!(
            option.as_str(),
            "no-new-privileges" | "no-new-privileges:true" | "no-new-privileges=true"
        )
    })
}
