//! Our own containers that show what a weakness looks like, and what the host has.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join;

use super::kit::{CONTROL_USER, Kit};
use super::questions;
use super::{NEED_WAYS, WITHIN};
use crate::plan::Selection;
use crate::probe::{Question, Reply};
use crate::scenario::Scenario;
use crate::world::{Blind, Control};

/// The checks whose refusals need the control.
const NEED_CONTROL: [&str; 5] =
    ["no-docker-access", "docker-access-via", "no-new-privileges", "seccomp", "read-only-root"];
/// The checks that need to know the engine's host.
const NEED_HOST: [&str; 4] =
    ["no-docker-access", "docker-access-via", "namespaces", "host-capacity"];

/// Which of our own containers a run needs.
#[derive(Debug, Clone, Copy)]
pub struct Needs {
    control: bool,
    ways: bool,
    host: bool,
}

impl Needs {
    /// What a scenario needs, before it is known which services there are.
    #[must_use]
    pub fn of(scenario: &Scenario, selection: &Selection) -> Needs {
        let asks = |codes: &[&str]| {
            let asked = scenario.claims.iter().filter(|claim| !selection.leaves_out(claim));
            let mut checks = asked.flat_map(|claim| &claim.checks);
            checks.any(|check| codes.contains(&check.code()))
        };
        Needs { control: asks(&NEED_CONTROL), ways: asks(&NEED_WAYS), host: asks(&NEED_HOST) }
    }
}

/// Our own containers that show what a weakness looks like, and what the host has.
#[derive(Debug)]
pub struct Controls {
    pub(super) control: Result<Control, Blind>,
    pub(super) host: Result<Reply, Blind>,
    host_container: Result<String, Blind>,
    pub(super) made: Vec<String>,
}

/// What listens in network namespaces, `address:port`, by the pid of a process in each.
pub(super) type Listeners = Result<BTreeMap<i64, BTreeSet<String>>, Blind>;

impl Controls {
    /// None at all.
    #[must_use]
    pub fn none() -> Controls {
        let why = || "nothing of our own was started".to_owned();
        let (control, host, host_container) = (Err(why()), Err(why()), Err(why()));
        Controls { control, host, host_container, made: vec![] }
    }

    /// Starts and asks the controls that are needed. They need nothing of the stack, so this can
    /// be done while it comes up. `canary` is the value of the label by which the control is
    /// found in a list of containers, a nonce.
    pub async fn establish(kit: &Kit, needs: Needs, canary: &str) -> Controls {
        let control = async {
            if !needs.control {
                return Err("no check needs the control".to_owned());
            }
            let canary = canary.to_owned();
            let as_user = questions::for_control_user();
            if !needs.ways {
                let (container, user) = kit.start_control_user(&as_user).await?;
                let root = Err("no check needs to know ways to the engine".to_owned());
                return Ok(Control { canary, container, root, user });
            }
            let as_root = questions::for_control_root();
            let (container, root) = kit.start_control(&canary, &as_root).await?;
            let user = kit.ask_own(&container, CONTROL_USER, &as_user, WITHIN).await;
            Ok(Control { canary, container, root, user })
        };
        let host = async {
            if !needs.host {
                return Err("no check needs to know the host".to_owned());
            }
            let mut asked = vec![Question::Host, Question::Disk];
            if needs.ways {
                asked.push(questions::for_host_name());
            }
            kit.start_host(&asked).await
        };
        let (control, host) = join(control, host).await;
        let mut made: Vec<String> = control.iter().map(|c| c.container.clone()).collect();
        let (host_container, host) = match host {
            Ok((container, reply)) => (Ok(container), reply),
            Err(why) => (Err(why.clone()), Err(why)),
        };
        made.extend(host_container.iter().cloned());
        Controls { control, host, host_container, made }
    }

    /// What listens in the network namespaces of processes of the host, by pid. The host's own
    /// view needs no look into the containers, and none of them can falsify it.
    pub(super) async fn listeners(&self, kit: &Kit, pids: Vec<i64>) -> Listeners {
        let container = self.host_container.as_ref().map_err(Clone::clone)?;
        let question = [Question::Listeners(pids)];
        let seen = kit.ask_own(container, "0:0", &question, WITHIN).await?.listeners()?;
        seen.into_iter()
            .map(|(pid, seen)| match seen {
                Some(seen) => Ok((pid, seen)),
                None => Err(format!("what listens where process {pid} is cannot be seen")),
            })
            .collect()
    }
}
