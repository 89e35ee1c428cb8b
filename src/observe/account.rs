//! Users and groups as an image's passwd and group files define them, and the identity that the
//! engine makes of a container's `user`.

use serde::Serialize;

use crate::engine::container::Container;
use crate::world::{Blind, Sight};

/// One line of a passwd file: passwd(5).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Account {
    /// The name.
    pub name: String,
    /// The uid.
    pub uid: u32,
    /// The gid of the primary group.
    pub gid: u32,
}

/// A numeric identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Identity {
    /// The uid.
    pub uid: u32,
    /// The gid.
    pub gid: u32,
}

impl std::fmt::Display for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.uid, self.gid)
    }
}

/// The accounts of a passwd file; lines that are none are left out, as the C library does.
#[must_use]
pub fn accounts(passwd: &str) -> Vec<Account> {
    passwd
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next()?.to_owned();
            let uid = fields.nth(1)?.parse().ok()?;
            let gid = fields.next()?.parse().ok()?;
            Some(Account { name, uid, gid })
        })
        .collect()
}

/// The identity that the engine gives a process when the container's user is `user`: runc's
/// `user.GetExecUser`, where digits are always an id and never a name. A name that the files do not
/// have gives none.
#[must_use]
pub fn resolve(user: &str, passwd: &str, group: &str) -> Option<Identity> {
    let accounts = accounts(passwd);
    let (user, group_wanted) = user.split_once(':').unwrap_or((user, ""));
    let account = match user {
        "" => Account { name: "root".to_owned(), uid: 0, gid: 0 },
        _ => match user.parse() {
            Ok(uid) => {
                // A uid without an entry gets gid 0.
                let gid = accounts.iter().find(|account| account.uid == uid).map_or(0, |a| a.gid);
                Account { name: String::new(), uid, gid }
            }
            Err(_) => accounts.iter().find(|account| account.name == user)?.clone(),
        },
    };
    let gid = match group_wanted {
        "" => account.gid,
        wanted => match wanted.parse() {
            Ok(gid) => gid,
            Err(_) => gid_of(wanted, group)?,
        },
    };
    Some(Identity { uid: account.uid, gid })
}

fn gid_of(name: &str, group: &str) -> Option<u32> {
    group.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next()? == name).then(|| fields.nth(1)?.parse().ok())?
    })
}

/// The identity that an exec in the container has.
pub(super) fn identity(sight: &Sight) -> Result<Identity, Blind> {
    match numeric_identity(&sight.container) {
        Some(identity) => Ok(identity),
        None => named_identity(&sight.container, &sight.accounts),
    }
}

/// The same by the container's own files of users and groups.
pub(super) fn named_identity(
    container: &Container,
    accounts: &Result<(String, String), Blind>,
) -> Result<Identity, Blind> {
    let user = container.config.user.as_deref().unwrap_or_default();
    let (passwd, group) = accounts.as_ref().map_err(Clone::clone)?;
    resolve(user, passwd, group)
        .ok_or_else(|| format!("the container's user {user:?} is in no passwd file"))
}

/// The same where the container's configuration has it in numbers, `uid:gid`.
pub(super) fn numeric_identity(container: &Container) -> Option<Identity> {
    let (uid, gid) = container.config.user.as_deref()?.split_once(':')?;
    Some(Identity { uid: uid.parse().ok()?, gid: gid.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\notis:x:10001:10001::/:/bin/false\n77:x:0:0::/:/sh\n# no\nbad";
    const GROUP: &str = "root:x:0:\ndocker:x:105:otis\n77:x:0:\n";

    #[rstest]
    #[case("", Some((0, 0)))]
    #[case("otis", Some((10001, 10001)))]
    #[case("10001", Some((10001, 10001)))]
    #[case("1000", Some((1000, 0)))]
    #[case("1000:1000", Some((1000, 1000)))]
    #[case("otis:docker", Some((10001, 105)))]
    #[case("otis:7", Some((10001, 7)))]
    #[case::digits_are_no_name("77:77", Some((77, 77)))]
    #[case("nobody", None)]
    #[case("otis:nogroup", None)]
    fn a_container_user_becomes_the_identity_that_the_engine_gives(
        #[case] user: &str,
        #[case] identity: Option<(u32, u32)>,
    ) {
        assert_eq!(resolve(user, PASSWD, GROUP).map(|id| (id.uid, id.gid)), identity);
    }

    #[test]
    fn lines_that_are_no_accounts_are_left_out() {
        let names: Vec<_> = accounts(PASSWD).into_iter().map(|account| account.name).collect();
        assert_eq!(names, ["root", "otis", "77"]);
    }
}
