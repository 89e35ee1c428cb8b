//! `apparmor`: every process is confined by the profile (CIS 5.2). Where the engine has no
//! AppArmor, the check does not apply and says so.

use serde_json::json;

use super::{Finding, each_container};
use crate::observation::{Evidence, Observation, Vantage};
use crate::scenario::check::Apparmor;
use crate::verdict::Verdict;
use crate::world::{Sight, World};

pub(super) fn judge(check: &Apparmor, service: &str, world: &World) -> Finding {
    let profile = check.profile.as_deref().unwrap_or("docker-default");
    let expected = format!("every process is confined by the AppArmor profile {profile}");
    if !world.about.has_apparmor() {
        let seen = Observation::now(
            Vantage::Engine,
            "security features of the engine",
            json!(world.about.security),
        );
        let why = "the engine's host has no AppArmor";
        return Finding::does_not_apply(expected, why, Evidence::one(seen))
            .reproduce("docker info --format '{{.SecurityOptions}}'");
    }
    each_container(service, world, &expected, |sight| judge_one(profile, &expected, sight))
}

fn judge_one(profile: &str, expected: &str, sight: &Sight) -> Finding {
    let name = sight.container.short_name();
    let reproduce =
        format!("docker top {name} -eo pid,comm; cat /proc/HOST_PID/attr/current, for each pid");
    let processes = match sight.own().and_then(|reply| reply.processes()) {
        Ok(processes) => processes,
        Err(why) => return Finding::could_not_observe(expected, why).reproduce(reproduce),
    };
    let theirs = match processes.of_service() {
        Ok(theirs) => theirs,
        Err(why) => return Finding::could_not_observe(expected, why).reproduce(reproduce),
    };
    let table: Vec<_> = theirs.iter().map(|p| json!([p.pid, p.name, p.apparmor])).collect();
    let configured = sight.container.app_armor_profile.clone();
    let evidence = Evidence::one(Observation::now(
        Vantage::Engine,
        "AppArmor profile configured",
        json!(configured),
    ))
    .and(Observation::now(Vantage::Inside, "pid, name, AppArmor profile", table));
    // An empty answer is what a kernel says that does not let the probe see: no statement.
    if theirs.iter().any(|process| process.apparmor.is_empty()) {
        return Finding::could_not_observe(expected, "the kernel does not tell the profile")
            .reproduce(reproduce);
    }
    let enforced = format!("{profile} (enforce)");
    let wrong: Vec<String> = theirs
        .iter()
        .filter(|process| process.apparmor != enforced)
        .map(|process| format!("{} (pid {}): {}", process.name, process.pid, process.apparmor))
        .collect();
    let (verdict, text) = if wrong.is_empty() {
        (Verdict::Held, format!("{} processes: {enforced}", theirs.len()))
    } else {
        (Verdict::Broken, wrong.join("; "))
    };
    Finding::new(verdict, expected, evidence)
        .observed(text.clone())
        .message(text)
        .reproduce(reproduce)
}
