//! The host's side of the probe: the program itself, the questions, and replies that are either
//! complete or no replies at all.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

pub mod answer;
pub mod cgroup;

use answer::{
    Cgroup, Descriptors, Environ, Host, HttpAnswer, Mounts, Privileges, Processes, Sockets, Status,
    Targets, Writes,
};

/// The program, static and without needs.
pub static BINARY: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/probe"));

/// The version of the questions and answers.
const PROTOCOL: u64 = 1;

/// The SHA-256 of the program, in hexadecimal.
#[must_use]
pub fn digest() -> String {
    Sha256::digest(BINARY).iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A question to the probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// Every process with its credentials and namespaces.
    Processes,
    /// The names of every process's variables, and the values of those that lead to an engine.
    Environ,
    /// The mounts.
    Mounts,
    /// Every Unix socket, and who answers on it.
    Sockets,
    /// Sockets that a process was given from outside its network namespace.
    Descriptors,
    /// Who accepts and answers on these TCP targets, `host:port` each.
    Tcp {
        /// How long a connection may take.
        wait: Duration,
        /// The targets.
        targets: Vec<String>,
    },
    /// One HTTP GET: `host:port/path` or `unix:/socket:/path`.
    Get(String),
    /// The files of the cgroup.
    Cgroup,
    /// What the kernel says to system calls that a filter refuses.
    Syscalls,
    /// Whether privileges can be gained.
    Privileges,
    /// Whether a file can be made in these folders.
    Write(Vec<String>),
    /// The addresses and listeners of the network namespace.
    Host,
    /// What listens in the network namespaces of these processes.
    Listeners(Vec<i64>),
    /// The size of the file system below the root.
    Disk,
}

impl Question {
    /// The question as the probe reads it.
    #[must_use]
    pub fn word(&self) -> String {
        match self {
            Question::Processes => "processes".to_owned(),
            Question::Environ => "environ".to_owned(),
            Question::Mounts => "mounts".to_owned(),
            Question::Sockets => "sockets".to_owned(),
            Question::Descriptors => "descriptors".to_owned(),
            Question::Tcp { wait, targets } => {
                format!("tcp={}:{}", wait.as_millis(), targets.join(","))
            }
            Question::Get(what) => format!("get={what}"),
            Question::Cgroup => "cgroup".to_owned(),
            Question::Syscalls => "syscalls".to_owned(),
            Question::Privileges => "privileges".to_owned(),
            Question::Write(folders) => format!("write={}", folders.join(",")),
            Question::Host => "host".to_owned(),
            Question::Listeners(pids) => {
                let pids: Vec<String> = pids.iter().map(ToString::to_string).collect();
                format!("listeners={}", pids.join(","))
            }
            Question::Disk => "disk".to_owned(),
        }
    }
}

/// The arguments that make the probe answer `questions`.
#[must_use]
pub fn ask_arguments(
    nonce: &str,
    within: Duration,
    lender: u32,
    questions: &[Question],
) -> Vec<String> {
    let mut arguments = vec![
        "ask".to_owned(),
        nonce.to_owned(),
        within.as_millis().to_string(),
        lender.to_string(),
    ];
    arguments.extend(questions.iter().map(Question::word));
    arguments
}

/// Whether a line is the last that a probe prints before it stays: where it is, that it stopped
/// what it was to stop, or that it cannot stay.
#[must_use]
pub fn is_settled(line: &str) -> bool {
    let value: Value = serde_json::from_str(line).unwrap_or_default();
    let says = |key: &str| value.get(key).is_some();
    says("hold") || says("paused") || (says("error") && !says("q"))
}

/// The pid that a holding probe printed as its last line.
#[must_use]
pub fn held_pid(line: &str) -> Option<u32> {
    let value: Value = serde_json::from_str(line).ok()?;
    let right = value.get("stackproof")?.as_u64()? == PROTOCOL;
    right.then(|| value.get("hold")?.as_u64()?.try_into().ok())?
}

/// Whether a pausing probe stopped every process that it was given, by its first line.
///
/// # Errors
/// Which process it could not stop, and why.
pub fn all_paused(line: &str, nonce: &str) -> Result<(), String> {
    #[derive(Deserialize)]
    struct Paused {
        nonce: String,
        paused: Vec<Outcome>,
    }
    #[derive(Deserialize)]
    struct Outcome {
        pid: String,
        outcome: String,
    }
    let said: Paused = serde_json::from_str(line)
        .map_err(|error| format!("the pausing probe said {line:?}: {error}"))?;
    if said.nonce != nonce {
        return Err("the pausing probe gave another nonce".to_owned());
    }
    // A process that has ended meanwhile need not be stopped.
    let failed = said.paused.iter().find(|paused| !["ok", "ESRCH"].contains(&&*paused.outcome));
    failed.map_or(Ok(()), |paused| Err(format!("pid {}: {}", paused.pid, paused.outcome)))
}

/// Why a reply does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProbeFault {
    /// Nothing was printed.
    #[error("the probe said nothing")]
    Silent,
    /// The first line is not ours: another nonce, another version, or somebody else's words.
    #[error("the reply is not the probe's own: {0}")]
    Foreign(String),
    /// The end mark is missing.
    #[error("the reply breaks off after {0} lines")]
    Truncated(usize),
    /// A line is not what was asked for.
    #[error("line {line} of the reply is not understood: {why}")]
    Garbled {
        /// The line, counted from one.
        line: usize,
        /// What is wrong with it.
        why: String,
    },
    /// /proc is not the kernel's own.
    #[error("the container's /proc cannot be trusted: {0}")]
    ProcNotGenuine(String),
}

/// A complete reply.
#[derive(Debug, Clone)]
pub struct Reply {
    /// Who the probe was.
    pub header: Header,
    answers: Vec<(Question, Result<Value, String>)>,
}

/// The first line: who the probe was while it answered.
#[derive(Debug, Clone, Deserialize)]
pub struct Header {
    stackproof: u64,
    nonce: String,
    /// Its pid.
    pub pid: u32,
    /// Its credentials.
    pub status: Status,
    /// Its namespaces by kind, `kind:[inode]` each.
    pub ns: answer::Namespaces,
    proc: String,
}

#[derive(Deserialize)]
struct Line {
    q: String,
    #[serde(default)]
    ms: u64,
    a: Option<Value>,
    error: Option<String>,
}

#[derive(Deserialize)]
struct End {
    end: bool,
    nonce: String,
    answers: usize,
}

impl Reply {
    /// Reads what the probe printed in answer to `asked`.
    ///
    /// # Errors
    /// When anything is missing, anything is too much, or anything is not as it should be: there
    /// are no partial replies.
    pub fn parse(printed: &[u8], nonce: &str, asked: &[Question]) -> Result<Reply, ProbeFault> {
        let text = String::from_utf8_lossy(printed);
        let lines: Vec<&str> = text.lines().collect();
        let Some((first, rest)) = lines.split_first() else { return Err(ProbeFault::Silent) };
        let foreign = |why: String| ProbeFault::Foreign(why.chars().take(200).collect());
        let header: Header =
            serde_json::from_str(first).map_err(|error| foreign(format!("{error}: {first}")))?;
        if header.nonce != nonce || header.stackproof != PROTOCOL {
            return Err(foreign("another nonce or version".to_owned()));
        }
        let Some((last, middle)) = rest.split_last() else {
            return Err(ProbeFault::Truncated(lines.len()));
        };
        let end: End =
            serde_json::from_str(last).map_err(|_| ProbeFault::Truncated(lines.len()))?;
        let garbled = |line: usize, why: String| ProbeFault::Garbled { line, why };
        if !end.end || end.nonce != nonce || end.answers != asked.len() {
            return Err(garbled(lines.len(), "the end mark is not ours".to_owned()));
        }
        if middle.len() != asked.len() {
            let why = format!("{} answers to {} questions", middle.len(), asked.len());
            return Err(garbled(lines.len(), why));
        }
        if header.proc != "ok" {
            return Err(ProbeFault::ProcNotGenuine(header.proc));
        }
        let answers = middle
            .iter()
            .zip(asked)
            .enumerate()
            .map(|(index, (line, question))| {
                let number = index + 2;
                let line: Line = serde_json::from_str(line)
                    .map_err(|error| garbled(number, error.to_string()))?;
                if line.q != question.word() {
                    return Err(garbled(number, "it answers another question".to_owned()));
                }
                tracing::debug!(question = line.q, ms = line.ms, "the probe answered");
                let answer = match (line.a, line.error) {
                    (Some(answer), None) => Ok(answer),
                    (None, Some(error)) => Err(error),
                    _ => return Err(garbled(number, "neither answer nor error".to_owned())),
                };
                Ok((question.clone(), answer))
            })
            .collect::<Result<_, _>>()?;
        Ok(Reply { header, answers })
    }

    /// This reply with a question that could not be asked, and why.
    #[must_use]
    pub fn unasked(mut self, question: Question, why: String) -> Reply {
        self.answers.push((question, Err(why)));
        self
    }

    /// The raw answer to the first question that `wanted` accepts.
    ///
    /// # Errors
    /// When the question was not asked, or the probe could not answer it.
    pub fn raw(&self, wanted: impl Fn(&Question) -> bool) -> Result<&Value, String> {
        match self.answers.iter().find(|(question, _)| wanted(question)) {
            Some((_, Ok(value))) => Ok(value),
            Some((question, Err(error))) => {
                let word = question.word();
                let name = word.split('=').next().unwrap_or_default().to_owned();
                Err(format!("the probe could not look at {name}: {error}"))
            }
            None => Err("the probe was not asked".to_owned()),
        }
    }

    fn answer<T: for<'de> Deserialize<'de>>(
        &self,
        wanted: impl Fn(&Question) -> bool,
    ) -> Result<T, String> {
        let value = self.raw(wanted)?;
        T::deserialize(value)
            .map_err(|error| format!("the probe's answer lacks something: {error}"))
    }

    /// Every process.
    ///
    /// # Errors
    /// Why there is no answer.
    pub fn processes(&self) -> Result<Processes, String> {
        self.answer(|question| *question == Question::Processes)
    }

    /// The environments.
    ///
    /// # Errors
    /// Why there is no answer.
    pub fn environ(&self) -> Result<Environ, String> {
        self.answer(|question| *question == Question::Environ)
    }

    /// The mounts.
    ///
    /// # Errors
    /// Why there is no answer.
    pub fn mounts(&self) -> Result<Mounts, String> {
        self.answer(|question| *question == Question::Mounts)
    }

    /// The Unix sockets.
    ///
    /// # Errors
    /// Why there is no answer.
    pub fn sockets(&self) -> Result<Sockets, String> {
        self.answer(|question| *question == Question::Sockets)
    }

    /// Sockets from outside.
    ///
    /// # Errors
    /// Why there is no answer.
    pub fn descriptors(&self) -> Result<Descriptors, String> {
        self.answer(|question| *question == Question::Descriptors)
    }

    /// The TCP targets.
    ///
    /// # Errors
    /// Why there is no answer.
    pub fn tcp(&self) -> Result<Targets, String> {
        self.answer(|question| matches!(question, Question::Tcp { .. }))
    }

    /// The answer to one GET.
    ///
    /// # Errors
    /// Why there is no answer.
    pub fn fetched(&self, what: &str) -> Result<HttpAnswer, String> {
        self.answer(|question| matches!(question, Question::Get(asked) if asked == what))
    }

    /// The cgroup.
    ///
    /// # Errors
    /// Why there is no answer.
    pub fn cgroup(&self) -> Result<Cgroup, String> {
        self.answer(|question| *question == Question::Cgroup)
    }

    /// The errors of the battery of system calls, by name.
    ///
    /// # Errors
    /// Why there is no answer.
    pub fn syscalls(&self) -> Result<std::collections::BTreeMap<String, String>, String> {
        self.answer(|question| *question == Question::Syscalls)
    }

    /// Whether privileges can be gained.
    ///
    /// # Errors
    /// Why there is no answer.
    pub fn privileges(&self) -> Result<Privileges, String> {
        self.answer(|question| *question == Question::Privileges)
    }

    /// The attempts to make a file.
    ///
    /// # Errors
    /// Why there is no answer.
    pub fn writes(&self) -> Result<Writes, String> {
        self.answer(|question| matches!(question, Question::Write(_)))
    }

    /// The addresses and listeners.
    ///
    /// # Errors
    /// Why there is no answer.
    pub fn host(&self) -> Result<Host, String> {
        self.answer(|question| *question == Question::Host)
    }

    /// What listens where each process is, `address:port`, by pid; none where that is hidden.
    ///
    /// # Errors
    /// Why there is no answer.
    pub fn listeners(&self) -> Result<BTreeMap<i64, Option<BTreeSet<String>>>, String> {
        self.answer(|question| matches!(question, Question::Listeners(_)))
    }

    /// The file system below the root.
    ///
    /// # Errors
    /// Why there is no answer.
    pub fn disk(&self) -> Result<answer::Disk, String> {
        self.answer(|question| *question == Question::Disk)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    const HEADER: &str = r#"{"stackproof":1,"nonce":"n","pid":9,"status":{"uid":[1,1,1,1],"gid":[1,1,1,1],"groups":[],"no_new_privs":1,"seccomp":2,"cap_inh":"0","cap_prm":"0","cap_eff":"0","cap_bnd":"0","cap_amb":"0"},"ns":{"pid":"pid:[1]"},"proc":"ok"}"#;
    const ANSWER: &str = r#"{"q":"syscalls","a":{"setns":"EPERM"}}"#;
    const END: &str = r#"{"end":true,"nonce":"n","answers":1}"#;

    fn parse(lines: &[&str]) -> Result<Reply, ProbeFault> {
        Reply::parse(lines.join("\n").as_bytes(), "n", &[Question::Syscalls])
    }

    #[test]
    fn a_complete_reply_is_read() {
        let reply = parse(&[HEADER, ANSWER, END]).unwrap();
        assert_eq!(reply.syscalls().unwrap()["setns"], "EPERM");
        assert_eq!(reply.header.status.uid, [1; 4]);
        assert!(reply.mounts().is_err());
    }

    #[rstest]
    #[case::silent(vec![])]
    #[case::only_a_header(vec![HEADER])]
    #[case::no_end(vec![HEADER, ANSWER])]
    #[case::no_header(vec![ANSWER, END])]
    #[case::noise_before(vec!["hello", HEADER, ANSWER, END])]
    #[case::noise_after(vec![HEADER, ANSWER, END, "bye"])]
    #[case::too_few(vec![HEADER, END])]
    #[case::too_many(vec![HEADER, ANSWER, ANSWER, END])]
    #[case::another_question(vec![HEADER, r#"{"q":"mounts","a":{}}"#, END])]
    #[case::another_nonce(vec![HEADER, ANSWER, r#"{"end":true,"nonce":"m","answers":1}"#])]
    #[case::another_count(vec![HEADER, ANSWER, r#"{"end":true,"nonce":"n","answers":2}"#])]
    #[case::both(vec![HEADER, r#"{"q":"syscalls","a":{},"error":"x"}"#, END])]
    fn an_incomplete_reply_is_none(#[case] lines: Vec<&str>) {
        assert!(parse(&lines).is_err());
    }

    #[test]
    fn a_reply_with_a_proc_that_is_not_the_kernels_is_none() {
        let header = HEADER.replace(r#""proc":"ok""#, r#""proc":"mounted over""#);
        let fault = parse(&[&header, ANSWER, END]).unwrap_err();
        assert_eq!(fault, ProbeFault::ProcNotGenuine("mounted over".to_owned()));
    }

    proptest! {
        #[test]
        fn a_reply_cut_anywhere_is_none(at in 0usize..400) {
            let whole = [HEADER, ANSWER, END].join("\n");
            prop_assume!(at < whole.len());
            prop_assert!(Reply::parse(&whole.as_bytes()[..at], "n", &[Question::Syscalls]).is_err());
        }

        #[test]
        fn any_bytes_are_no_reply(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
            prop_assert!(Reply::parse(&bytes, "n", &[Question::Syscalls]).is_err());
        }
    }

    #[test]
    fn the_pid_of_a_holding_probe_is_read_and_nothing_else_is() {
        assert_eq!(held_pid(r#"{"stackproof":1,"hold":7}"#), Some(7));
        assert_eq!(held_pid(r#"{"stackproof":2,"hold":7}"#), None);
        assert_eq!(held_pid("7"), None);
    }
}
