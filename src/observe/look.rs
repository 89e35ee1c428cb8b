//! One container while it is looked at.

use jiff::Timestamp;
use tokio::sync::Semaphore;

use super::LOOK;
use super::account::Identity;
use super::kit::Lender;
use crate::engine::container::Container;
use crate::probe::Reply;
use crate::world::{Blind, Seen, Sight};

/// Tells, when it goes, that a container's processes are listed or never will be.
pub(super) struct Unlisted<'a>(pub(super) &'a Semaphore);

impl Drop for Unlisted<'_> {
    fn drop(&mut self) {
        self.0.add_permits(1);
    }
}

/// A container while it is looked at.
pub(super) struct Look {
    pub(super) sight: Sight,
    /// Those that were made for it, the latest last.
    pub(super) lenders: Vec<Lender>,
}

impl Look {
    pub(super) fn see(&mut self, identity: Identity, reply: Result<Reply, Blind>) {
        let placement = self.lenders.last().map_or_else(
            || "not placed".to_owned(),
            |lender| format!("exec of {}, lent by container {}", lender.program(), lender.id),
        );
        let seen = Seen { identity, when: Timestamp::now(), placement, reply };
        self.sight.inside.push(seen);
    }

    /// Takes back whatever was seen.
    pub(super) fn blind(&mut self, why: &str) {
        for seen in &mut self.sight.inside {
            seen.reply = Err(why.to_owned());
        }
    }
}

/// That a look was given up.
pub(super) fn too_long(container: &Container) -> Blind {
    let name = container.short_name();
    format!(
        "looking into container {name} took more than {} s: it keeps the engine or the probe from \
         answering",
        LOOK.as_secs()
    )
}
