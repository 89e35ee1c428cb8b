//! The identity of one run, which labels everything that the run makes.

use std::fmt;

/// The label on every container, network, volume and image that a run makes; its value is the
/// run's id.
pub const LABEL: &str = "dev.stackproof.run";

/// The label on a container of our own that holds processes of the stack stopped. It lets them
/// continue when it is asked to end, so it must be asked before it is removed.
pub const PAUSER: &str = "dev.stackproof.pauser";

/// An identity: ten letters and digits, about fifty random bits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RunId(String);

/// The system's random source did not answer.
#[derive(Debug, thiserror::Error)]
#[error("the system's random source failed: {0}")]
pub struct NoRandomness(#[from] getrandom::Error);

impl RunId {
    /// A fresh identity.
    ///
    /// # Errors
    /// When the system's random source fails.
    pub fn fresh() -> Result<RunId, NoRandomness> {
        Ok(RunId(letters::<10>()?))
    }

    /// The identity in `text`, which must be one that [`RunId::fresh`] could have made: it ends
    /// up in file names and in filters of the Engine API.
    #[must_use]
    pub fn parse(text: &str) -> Option<RunId> {
        let well_formed =
            text.len() == 10 && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        well_formed.then(|| RunId(text.to_owned()))
    }

    /// The identity as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A nonce of 26 letters and digits, about 130 random bits: a hostile container cannot guess it.
///
/// # Errors
/// When the system's random source fails.
pub fn nonce() -> Result<String, NoRandomness> {
    Ok(letters::<26>()?)
}

fn letters<const N: usize>() -> Result<String, getrandom::Error> {
    // 32 symbols, so that five bits make one without bias; l and o are left out as misreadable.
    const SYMBOLS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut bytes = [0u8; N];
    getrandom::fill(&mut bytes)?;
    Ok(bytes.iter().map(|byte| char::from(SYMBOLS[usize::from(byte & 31)])).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fresh_identities_parse_and_differ() {
        let first = RunId::fresh().unwrap();
        let second = RunId::fresh().unwrap();
        assert_ne!(first, second);
        assert_eq!(RunId::parse(first.as_str()), Some(first));
    }

    #[rstest::rstest]
    #[case("")]
    #[case("../../../etc")]
    #[case("ABCDEFGHIJ")]
    #[case("abcdefghij2")]
    fn what_cannot_be_an_identity_is_refused(#[case] text: &str) {
        assert_eq!(RunId::parse(text), None);
    }
}
