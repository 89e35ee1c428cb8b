//! Where engines of different versions behave differently in what we observe: what is expected of
//! which version, and who says so. Code that decides by the engine's version asks this table.

use std::fmt::Write as _;

/// A version of the engine: major and minor. Distributions write more behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u32, pub u32);

/// The versions from one on until before another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The first version.
    pub since: Version,
    /// The first version that is no longer meant.
    pub until: Version,
}

/// Before every version.
pub const ALWAYS: Version = Version(0, 0);
/// After every version.
pub const NEVER: Version = Version(u32::MAX, 0);

/// What differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// When `State.OOMKilled` of a container is set.
    OomKilledFlag,
    /// How an exec of a program that is not there ends.
    ExecOfNothing,
    /// What the size of an image counts.
    ImageSize,
    /// How one look at a container's counters is answered.
    OneShotStats,
}

/// What is expected of some versions.
#[derive(Debug, Clone, Copy)]
pub struct Expectation {
    /// What it is about.
    pub subject: Subject,
    /// Of which versions.
    pub span: Span,
    /// What they do.
    pub behaviour: &'static str,
    /// What we make of it.
    pub consequence: &'static str,
    /// Who says so.
    pub source: &'static str,
}

const fn from(major: u32, minor: u32) -> Span {
    Span { since: Version(major, minor), until: NEVER }
}

const fn before(major: u32, minor: u32) -> Span {
    Span { since: ALWAYS, until: Version(major, minor) }
}

/// The table. For each subject the spans follow each other without a gap.
pub const EXPECTATIONS: [Expectation; 8] = [
    Expectation {
        subject: Subject::OomKilledFlag,
        span: before(24, 0),
        behaviour: "set when the container ends, whichever process was killed, and kept through \
                    the next start",
        consequence: "`oom-contained` records it and does not judge by it",
        source: "moby 57d2d6ef62; seen on 20.10.24",
    },
    Expectation {
        subject: Subject::OomKilledFlag,
        span: from(24, 0),
        behaviour: "set at once when a process is killed, and cleared by the next start",
        consequence: "`oom-contained` records it and does not judge by it",
        source: "moby 57d2d6ef62, first in 24.0.0-beta.1",
    },
    Expectation {
        subject: Subject::ExecOfNothing,
        span: before(28, 0),
        behaviour: "ends with 126",
        consequence: "a probe that could not be executed is inconclusive, whatever the code",
        source: "moby #45795; seen on 20.10.24",
    },
    Expectation {
        subject: Subject::ExecOfNothing,
        span: from(28, 0),
        behaviour: "ends with 127",
        consequence: "a probe that could not be executed is inconclusive, whatever the code",
        source: "moby #45795, docker-py #3290",
    },
    Expectation {
        subject: Subject::ImageSize,
        span: before(29, 0),
        behaviour: "the sum of the uncompressed layers, unless the containerd store was asked for",
        consequence: "`image-size` asks the engine which store it has, and not for its version",
        source: "docs.docker.com, engine/storage/containerd",
    },
    Expectation {
        subject: Subject::ImageSize,
        span: from(29, 0),
        behaviour: "on fresh installations that of the containerd store, which counts otherwise",
        consequence: "`image-size` sums up the uncompressed layers itself there",
        source: "docs.docker.com, engine/storage/containerd; moby #45347",
    },
    Expectation {
        subject: Subject::OneShotStats,
        span: before(20, 10),
        behaviour: "after two readings, a second or two later",
        consequence: "such engines are too slow to be sampled",
        source: "moby #40478, API 1.41",
    },
    Expectation {
        subject: Subject::OneShotStats,
        span: from(20, 10),
        behaviour: "at once where `one-shot` is asked for, without the reading before",
        consequence: "differences between two looks are formed here",
        source: "moby #40478, API 1.41",
    },
];

impl Version {
    /// Reads what an engine says of its version, such as `20.10.24+dfsg1`. None where it does not
    /// begin with a number.
    #[must_use]
    pub fn parse(text: &str) -> Option<Version> {
        let mut numbers = text.split('.').map_while(|number| number.parse::<u32>().ok());
        Some(Version(numbers.next()?, numbers.next().unwrap_or(0)))
    }
}

impl Span {
    /// Whether a version is in it.
    #[must_use]
    pub fn has(self, version: Version) -> bool {
        self.since <= version && version < self.until
    }

    /// Whether every version is in it: all that can be said of an engine that does not tell its
    /// own.
    #[must_use]
    pub fn has_all(self) -> bool {
        self.since == ALWAYS && self.until == NEVER
    }
}

impl Subject {
    /// The subject in words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Subject::OomKilledFlag => "`State.OOMKilled`",
            Subject::ExecOfNothing => "an exec of a program that is not there",
            Subject::ImageSize => "the size of an image",
            Subject::OneShotStats => "one look at a container's counters is answered",
        }
    }
}

/// What is expected of an engine by what it says of its version; none where it does not say.
#[must_use]
pub fn expected(subject: Subject, engine: Option<&str>) -> Option<&'static Expectation> {
    let version = Version::parse(engine?)?;
    EXPECTATIONS.iter().find(|row| row.subject == subject && row.span.has(version))
}

/// The table as Markdown, for the documentation.
#[must_use]
pub fn markdown() -> String {
    let mut text = "| what | engines | what they do | what follows | source |\n\
                    |---|---|---|---|---|\n"
        .to_owned();
    for row in &EXPECTATIONS {
        let Span { since: Version(major, minor), until } = row.span;
        let engines = match until {
            NEVER => format!("from {major}.{minor}"),
            Version(major, minor) => format!("before {major}.{minor}"),
        };
        let _ = writeln!(
            text,
            "| {} | {engines} | {} | {} | {} |",
            row.subject.words(),
            row.behaviour,
            row.consequence,
            row.source
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("20.10.24+dfsg1", Some(Version(20, 10)))]
    #[case("24.0.0-beta.1", Some(Version(24, 0)))]
    #[case("29.5.0-rc.1", Some(Version(29, 5)))]
    #[case("31", Some(Version(31, 0)))]
    #[case("dev", None)]
    #[case("", None)]
    fn a_version_is_read_as_engines_write_it(#[case] text: &str, #[case] version: Option<Version>) {
        assert_eq!(Version::parse(text), version);
    }

    #[rstest]
    #[case(Subject::OomKilledFlag, "20.10.24+dfsg1", "set when the container ends")]
    #[case(Subject::OomKilledFlag, "23.0.6", "set when the container ends")]
    #[case(Subject::OomKilledFlag, "24.0.0", "set at once")]
    #[case(Subject::OomKilledFlag, "29.7.2", "set at once")]
    #[case(Subject::ExecOfNothing, "27.5.1", "126")]
    #[case(Subject::ExecOfNothing, "28.0.0", "127")]
    #[case(Subject::ImageSize, "28.5.2", "sum of the uncompressed")]
    #[case(Subject::ImageSize, "29.0.0", "containerd store")]
    #[case(Subject::OneShotStats, "19.03.15", "two readings")]
    #[case(Subject::OneShotStats, "20.10.0", "at once")]
    fn an_engine_is_expected_to_behave_as_its_version(
        #[case] subject: Subject,
        #[case] engine: &str,
        #[case] behaviour: &str,
    ) {
        let row = expected(subject, Some(engine)).unwrap();
        assert!(row.behaviour.contains(behaviour), "{}", row.behaviour);
    }

    #[test]
    fn nothing_is_expected_of_an_engine_that_does_not_tell_its_version() {
        assert!(expected(Subject::OomKilledFlag, None).is_none());
        assert!(expected(Subject::OomKilledFlag, Some("dev")).is_none());
    }

    #[test]
    fn every_version_has_one_expectation_of_each_subject() {
        for row in &EXPECTATIONS {
            for version in [ALWAYS, row.span.since, Version(20, 10), Version(99, 0)] {
                let count = EXPECTATIONS
                    .iter()
                    .filter(|other| other.subject == row.subject && other.span.has(version))
                    .count();
                assert_eq!(count, 1, "{:?} {version:?}", row.subject);
            }
            assert!(!row.source.is_empty());
        }
    }

    #[test]
    fn the_documentation_shows_the_table_as_it_is() {
        let shown = include_str!("../../ARCHITECTURE.md");
        let table = markdown();
        assert!(shown.contains(&table), "ARCHITECTURE.md should hold:\n{table}");
    }
}
