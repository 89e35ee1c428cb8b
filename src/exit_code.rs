//! The exit codes, a contract with scripts.

use crate::mutation::record::{MutationRecord, Score};
use crate::record::Record;
use crate::verdict::Verdict;

/// How the program ends. The numbers from 64 follow sysexits(3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum ExitCode {
    /// Every claim held, or was skipped or waived.
    Held = 0,
    /// A claim is broken.
    Broken = 1,
    /// No claim is broken, but one could not be settled.
    Inconclusive = 2,
    /// Nothing was judged.
    NothingJudged = 3,
    /// The command line is wrong.
    Usage = 64,
    /// A scenario or Compose file is invalid.
    InvalidScenario = 65,
    /// The engine or Compose is not available, or the stack did not come up.
    Unavailable = 69,
    /// A defect of stackproof.
    Internal = 70,
    /// A report could not be written.
    ReportNotWritten = 73,
    /// Objects of the run are still in the engine.
    LeftBehind = 75,
    /// Interrupted; what the run made was removed first.
    Interrupted = 130,
}

impl ExitCode {
    /// The exit code of runs that were judged. What goes wrong outside a run (usage, an invalid
    /// scenario, no engine, a report that cannot be written, an interrupt) is for the caller to
    /// put before it.
    ///
    /// In this order:
    /// 1. `Broken`, whatever else happened: a finding must stay visible, and what was left behind
    ///    is printed beside it.
    /// 2. `LeftBehind`: nothing is known to be broken, but running again would pile up objects,
    ///    so whoever retries an inconclusive run has to sweep first.
    /// 3. `Inconclusive`, also where a run was cut short although every claim in it holds.
    /// 4. `Held`, where at least one claim of one run holds or is waived.
    /// 5. `NothingJudged`.
    #[must_use]
    pub fn of(records: &[Record]) -> ExitCode {
        let has = |verdict| {
            records.iter().flat_map(|record| &record.claims).any(|claim| claim.verdict == verdict)
        };
        if has(Verdict::Broken) {
            ExitCode::Broken
        } else if records.iter().any(|record| !record.leftovers.is_empty()) {
            ExitCode::LeftBehind
        } else if has(Verdict::Inconclusive)
            || records.iter().any(|record| record.aborted.is_some())
        {
            ExitCode::Inconclusive
        } else if has(Verdict::Held) || has(Verdict::Waived) {
            ExitCode::Held
        } else {
            ExitCode::NothingJudged
        }
    }
}

impl ExitCode {
    /// The exit code of a mutation run: a survivor comes before all, then what was left behind,
    /// then what showed nothing.
    #[must_use]
    pub fn of_mutation(record: &MutationRecord) -> ExitCode {
        let Score { killed, survived, invalid, skipped, .. } = record.summary;
        if survived > 0 {
            ExitCode::Broken
        } else if !record.leftovers.is_empty() {
            ExitCode::LeftBehind
        } else if invalid > 0 || record.aborted.is_some() {
            ExitCode::Inconclusive
        } else if killed + skipped > 0 {
            ExitCode::Held
        } else {
            ExitCode::NothingJudged
        }
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        std::process::ExitCode::from(code as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{ClaimRecord, SCHEMA, Summary};
    use crate::scenario::Severity;
    use jiff::Timestamp;
    use rstest::rstest;

    /// A record with a claim for each letter: h held, b broken, i inconclusive, s skipped,
    /// w waived; `!` cuts the run short and `+` leaves an object behind.
    fn record(letters: &str) -> Record {
        let claims: Vec<ClaimRecord> = letters
            .chars()
            .filter_map(|letter| match letter {
                'h' => Some(Verdict::Held),
                'b' => Some(Verdict::Broken),
                'i' => Some(Verdict::Inconclusive),
                's' => Some(Verdict::Skipped),
                'w' => Some(Verdict::Waived),
                _ => None,
            })
            .map(|verdict| ClaimRecord {
                id: "claim".to_owned(),
                text: String::new(),
                severity: Severity::High,
                source: String::new(),
                verdict,
                documented: None,
                checks: Vec::new(),
            })
            .collect();
        Record {
            schema: SCHEMA.to_owned(),
            run_id: "run".to_owned(),
            scenario: "scenario".to_owned(),
            started: Timestamp::UNIX_EPOCH,
            finished: Timestamp::UNIX_EPOCH,
            environment: serde_json::Map::new(),
            images: Vec::new(),
            changes: Vec::new(),
            summary: Summary::of(&claims),
            claims,
            aborted: letters.contains('!').then(|| "cut short".to_owned()),
            leftovers: letters.matches('+').map(|_| "container abc".to_owned()).collect(),
            timeline: None,
        }
    }

    #[rstest]
    #[case(&["h"], ExitCode::Held)]
    #[case(&["w"], ExitCode::Held)]
    #[case(&["hsw"], ExitCode::Held)]
    #[case(&["h", "s"], ExitCode::Held)]
    #[case(&["hb"], ExitCode::Broken)]
    #[case(&["bi"], ExitCode::Broken)]
    #[case(&["h", "b"], ExitCode::Broken)]
    #[case(&["bs+"], ExitCode::Broken)]
    #[case(&["bi!+"], ExitCode::Broken)]
    #[case(&["b", "h+"], ExitCode::Broken)]
    #[case(&["hi"], ExitCode::Inconclusive)]
    #[case(&["wi"], ExitCode::Inconclusive)]
    #[case(&["h", "i"], ExitCode::Inconclusive)]
    #[case(&["h!"], ExitCode::Inconclusive)]
    #[case(&["s!"], ExitCode::Inconclusive)]
    #[case(&["!"], ExitCode::Inconclusive)]
    #[case(&["h+"], ExitCode::LeftBehind)]
    #[case(&["i+"], ExitCode::LeftBehind)]
    #[case(&["s+"], ExitCode::LeftBehind)]
    #[case(&["h!+"], ExitCode::LeftBehind)]
    #[case(&["h", "i", "s+"], ExitCode::LeftBehind)]
    #[case(&["s"], ExitCode::NothingJudged)]
    #[case(&["s", "ss"], ExitCode::NothingJudged)]
    #[case(&[""], ExitCode::NothingJudged)]
    #[case(&[], ExitCode::NothingJudged)]
    fn the_worst_outcome_decides(#[case] runs: &[&str], #[case] expected: ExitCode) {
        let records: Vec<Record> = runs.iter().map(|letters| record(letters)).collect();
        assert_eq!(ExitCode::of(&records), expected);
    }
}
