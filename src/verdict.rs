//! What a check established.

use serde::{Deserialize, Serialize};

/// The outcome of one check or one claim. There is no default and no conversion from `bool`:
/// whoever makes a verdict says which one it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[must_use]
pub enum Verdict {
    /// The property holds, and the evidence shows it.
    Held,
    /// The property does not hold, and the evidence shows it.
    Broken,
    /// It could not be observed. This never counts as held.
    Inconclusive,
    /// It does not apply here, or it was not asked. The message says which.
    Skipped,
    /// It does not hold, and somebody accepted that until a date.
    Waived,
}

impl Verdict {
    /// The word used in the record and in every report.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Verdict::Held => "held",
            Verdict::Broken => "broken",
            Verdict::Inconclusive => "inconclusive",
            Verdict::Skipped => "skipped",
            Verdict::Waived => "waived",
        }
    }

    /// The verdict of a whole from the verdicts of its parts: broken, then inconclusive, then
    /// waived, then held; skipped only where every part is skipped. A whole without parts is
    /// inconclusive, because nothing was looked at.
    pub fn worst(parts: impl IntoIterator<Item = Verdict>) -> Verdict {
        parts
            .into_iter()
            .max_by_key(|verdict| match verdict {
                Verdict::Skipped => 0,
                Verdict::Held => 1,
                Verdict::Waived => 2,
                Verdict::Inconclusive => 3,
                Verdict::Broken => 4,
            })
            .unwrap_or(Verdict::Inconclusive)
    }
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.word())
    }
}
