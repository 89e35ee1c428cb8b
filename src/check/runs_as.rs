//! `runs-as`: every process of the service has the declared identity, in all four uids and gids
//! and in its supplementary groups, and none is root (CIS 4.1).
//!
//! What the image's own `whoami` or the user of an exec say is not asked: a setuid program, a
//! second passwd line for uid 0 or an entrypoint that changes users makes them lie.

use serde_json::json;

use super::{Finding, each_container};
use crate::observation::{Evidence, Observation, Vantage};
use crate::observe::account::accounts;
use crate::probe::answer::{Process, Status};
use crate::scenario::check::RunsAs;
use crate::verdict::Verdict;
use crate::world::{Sight, World};

pub(super) fn judge(check: &RunsAs, service: &str, world: &World) -> Finding {
    let expected = expected(check);
    each_container(service, world, &expected, |sight| judge_one(check, &expected, sight))
}

fn expected(check: &RunsAs) -> String {
    match (&check.user, check.uid) {
        (Some(user), Some(uid)) => format!("every process runs as {user} (uid {uid})"),
        (Some(user), None) => format!("every process runs as {user}"),
        (None, Some(uid)) => format!("every process runs as uid {uid}"),
        (None, None) => "no process runs as root or in root's group".to_owned(),
    }
}

fn judge_one(check: &RunsAs, expected: &str, sight: &Sight) -> Finding {
    let name = sight.container.short_name();
    let reproduce = format!("docker top {name} -eo pid,ruid,euid,suid,fsuid,rgid,egid,comm");
    let processes = match sight.own().and_then(|reply| reply.processes()) {
        Ok(processes) => processes,
        Err(why) => return Finding::could_not_observe(expected, why).reproduce(reproduce),
    };
    let theirs = match processes.of_service() {
        Ok(theirs) => theirs,
        Err(why) => return Finding::could_not_observe(expected, why).reproduce(reproduce),
    };
    let mut evidence = Evidence::one(Observation::now(
        Vantage::Inside,
        format!("processes of {name}: pid, name, uids, gids, groups"),
        theirs.iter().map(|process| row(process)).collect::<Vec<_>>(),
    ));
    if let Ok(top) = &sight.top {
        evidence.extend([Observation::now(Vantage::Engine, "processes by ps", json!(top))]);
    }
    let finding = |verdict, observed: String, message: String| {
        Finding::new(verdict, expected, evidence.clone())
            .observed(observed)
            .message(message)
            .reproduce(reproduce.clone())
    };
    let uid = match wanted_uid(check, sight) {
        Ok(uid) => uid,
        Err(Wanted::Wrong(why)) => return finding(Verdict::Broken, why.clone(), why),
        Err(Wanted::Unknown(why)) => return finding(Verdict::Inconclusive, why.clone(), why),
    };
    let mut wrong: Vec<String> =
        theirs.iter().flat_map(|process| faults(process, uid, check.gid)).collect();
    wrong.extend(root_on_host(sight));
    if !wrong.is_empty() {
        return finding(Verdict::Broken, wrong.join("; "), wrong.join("; "));
    }
    let who = theirs.first().map_or(0, |process| process.status.uid[0]);
    finding(
        Verdict::Held,
        format!("{} processes, uid {who}", theirs.len()),
        format!("all {} processes run as uid {who}", theirs.len()),
    )
}

enum Wanted {
    Wrong(String),
    Unknown(String),
}

/// The uid that the declared user has in the image. A name that stands for uid 0, or that is one
/// of two names of its uid, is no identity.
fn wanted_uid(check: &RunsAs, sight: &Sight) -> Result<Option<u32>, Wanted> {
    let Some(user) = &check.user else { return Ok(check.uid) };
    let passwd = match &sight.accounts {
        Ok((passwd, _)) => passwd,
        Err(why) => return Err(Wanted::Unknown(format!("the passwd file is unknown: {why}"))),
    };
    let accounts = accounts(passwd);
    let named: Vec<_> = accounts.iter().filter(|account| account.name == *user).collect();
    let [account] = named.as_slice() else {
        let why = format!("the image has {} accounts named {user}", named.len());
        return Err(Wanted::Wrong(why));
    };
    if account.uid == 0 {
        return Err(Wanted::Wrong(format!("{user} is another name of root: it has uid 0")));
    }
    let others: Vec<&str> = accounts
        .iter()
        .filter(|other| other.uid == account.uid && other.name != *user)
        .map(|other| other.name.as_str())
        .collect();
    if !others.is_empty() {
        let others = others.join(", ");
        return Err(Wanted::Wrong(format!("uid {} is also {others}", account.uid)));
    }
    match check.uid {
        Some(uid) if uid != account.uid => {
            Err(Wanted::Wrong(format!("{user} has uid {}, not {uid}", account.uid)))
        }
        _ => Ok(Some(account.uid)),
    }
}

fn faults(process: &Process, uid: Option<u32>, gid: Option<u32>) -> Vec<String> {
    let who = format!("{} (pid {})", process.name, process.pid);
    let mut faults = status_faults(&who, &process.status, uid, gid);
    for thread in &process.threads_apart {
        faults.extend(status_faults(&format!("a thread of {who}"), thread, uid, gid));
    }
    faults
}

fn status_faults(who: &str, status: &Status, uid: Option<u32>, gid: Option<u32>) -> Vec<String> {
    let mut faults = Vec::new();
    if status.uid.contains(&0) {
        faults.push(format!("{who} has root's uid: {:?}", status.uid));
    } else if let Some(uid) = uid
        && status.uid != [uid; 4]
    {
        faults.push(format!("{who} has uids {:?}, not {uid}", status.uid));
    }
    if status.gid.contains(&0) {
        faults.push(format!("{who} has root's gid: {:?}", status.gid));
    } else if let Some(gid) = gid
        && status.gid != [gid; 4]
    {
        faults.push(format!("{who} has gids {:?}, not {gid}", status.gid));
    }
    if status.groups.contains(&0) {
        faults.push(format!("{who} is in root's group: {:?}", status.groups));
    }
    faults
}

/// Processes that are root on the engine's host. In a user namespace root inside is somebody
/// else outside, so this adds to what was seen inside and never takes away.
fn root_on_host(sight: &Sight) -> Vec<String> {
    let Ok(top) = &sight.top else { return vec![] };
    let first = sight.container.state.pid.unwrap_or(0);
    let shim = top.iter().find(|process| process.pid == first).map(|process| process.ppid);
    top.iter()
        // An exec of the engine in flight, as in `Process::is_services_own`.
        .filter(|process| {
            let beside = process.pid != first && Some(process.ppid) == shim;
            !(beside && process.comm.starts_with("runc:["))
        })
        .filter(|process| process.uid.contains(&0) || process.gid.contains(&0))
        .map(|process| format!("{} is root on the host (host pid {})", process.comm, process.pid))
        .collect()
}

fn row(process: &Process) -> serde_json::Value {
    let status = &process.status;
    json!([process.pid, process.name, status.uid, status.gid, status.groups])
}
