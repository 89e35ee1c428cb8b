//! Restart policies, as Compose files write them and as the engine keeps them.

/// The names of the policies.
pub const NAMES: [&str; 4] = ["no", "always", "unless-stopped", "on-failure"];

/// When the engine starts a container again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// One of [`NAMES`].
    pub name: &'static str,
    /// How often at most, for `on-failure`; 0 is no bound.
    pub at_most: i64,
}

impl Policy {
    /// Reads what a Compose file writes, such as `on-failure:5`. None where it is no policy.
    #[must_use]
    pub fn parse(text: &str) -> Option<Policy> {
        let (name, count) = text.split_once(':').map_or((text, None), |(n, c)| (n, Some(c)));
        let at_most = count.map_or(Some(0), |count| count.parse().ok().filter(|n| *n > 0))?;
        let policy = Policy::of(name, at_most)?;
        (policy.name == "on-failure" || count.is_none()).then_some(policy)
    }

    /// Reads what the engine keeps. An empty name is none.
    #[must_use]
    pub fn of(name: &str, at_most: i64) -> Option<Policy> {
        let name = if name.is_empty() { "no" } else { name };
        let name = NAMES.into_iter().find(|known| *known == name)?;
        Some(Policy { name, at_most })
    }
}

impl std::fmt::Display for Policy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.at_most {
            0 => f.write_str(self.name),
            at_most => write!(f, "{}:{at_most}", self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("no", Some(("no", 0)))]
    #[case("unless-stopped", Some(("unless-stopped", 0)))]
    #[case("on-failure", Some(("on-failure", 0)))]
    #[case("on-failure:5", Some(("on-failure", 5)))]
    #[case("on-failure:0", None)]
    #[case("on-failure:x", None)]
    #[case("always:5", None)]
    #[case("sometimes", None)]
    fn a_policy_is_read(#[case] text: &str, #[case] expected: Option<(&str, i64)>) {
        let policy = Policy::parse(text);
        assert_eq!(policy.map(|policy| (policy.name, policy.at_most)), expected);
        assert!(policy.is_none_or(|policy| policy.to_string() == text));
    }
}
