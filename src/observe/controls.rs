//! Our own containers that show what a weakness looks like, and what the host has.

use futures_util::future::join;

use super::WITHIN;
use super::kit::Kit;
use super::questions;
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
        Needs { control: asks(&NEED_CONTROL), host: asks(&NEED_HOST) }
    }
}

/// Our own containers that show what a weakness looks like, and what the host has.
#[derive(Debug)]
pub struct Controls {
    pub(super) control: Result<Control, Blind>,
    pub(super) host: Result<Reply, Blind>,
    pub(super) made: Vec<String>,
}

impl Controls {
    /// Starts and asks the controls that are needed. They need nothing of the stack, so this can
    /// be done while it comes up. `canary` is the value of the label by which the control is
    /// found in a list of containers, a nonce.
    pub async fn establish(kit: &Kit, needs: Needs, canary: &str) -> Controls {
        let control = async {
            if !needs.control {
                return Err("no check needs the control".to_owned());
            }
            let container = kit.start_control(canary).await?;
            let (as_root, as_user) = (questions::for_control_root(), questions::for_control_user());
            let (root, user) = join(
                kit.ask_own(&container, "0:0", &as_root, WITHIN),
                kit.ask_own(&container, "1000:1000", &as_user, WITHIN),
            )
            .await;
            Ok(Control { canary: canary.to_owned(), container, root, user })
        };
        let host = async {
            if !needs.host {
                return Err("no check needs to know the host".to_owned());
            }
            let container = kit.start_host().await?;
            let reply =
                kit.ask_own(&container, "0:0", &[Question::Host, Question::Disk], WITHIN).await;
            Ok((container, reply))
        };
        let (control, host) = join(control, host).await;
        let mut made: Vec<String> = control.iter().map(|c| c.container.clone()).collect();
        let host = match host {
            Ok((container, reply)) => {
                made.push(container);
                reply
            }
            Err(why) => Err(why),
        };
        Controls { control, host, made }
    }
}
