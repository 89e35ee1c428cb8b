//! Shows a run to whoever waits for it, on stderr: reports may go to stdout.
//!
//! On a terminal a spinner tells what is being done, and finished phases stay above it. Anywhere
//! else, in CI above all, every event is a plain line without control codes. That stderr is
//! closed or full is no reason to end a run: what cannot be written is lost.

use std::io::{IsTerminal, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::event::{Event, Listener, Phase};
use crate::redact::{bounded, one_line};
use crate::report::console::{Loudness, Role, Style, time};
use crate::verdict::Verdict;

/// Bytes of one event's text at most.
const TEXT: usize = 500;
/// Columns of the first word on a terminal, right-aligned as Cargo's are.
const WORD: usize = 12;
/// How often the spinner turns.
const TICK: Duration = Duration::from_millis(120);

/// A listener that writes for people.
pub struct Progress {
    style: Style,
    /// Where the spinner is drawn; `None` for plain lines.
    target: Option<fn() -> ProgressDrawTarget>,
    state: Mutex<State>,
}

struct State {
    out: Box<dyn Write + Send>,
    spinner: Option<ProgressBar>,
    /// The phases that are open, in the order in which they began.
    phases: Vec<Open>,
    planned: usize,
    finished: usize,
}

struct Open {
    phase: Phase,
    since: Instant,
    line: String,
}

impl std::fmt::Debug for Progress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Progress")
            .field("style", &self.style)
            .field("live", &self.target.is_some())
            .finish_non_exhaustive()
    }
}

impl Progress {
    /// Progress on stderr: a spinner where that is a terminal that can show one, else plain
    /// lines. `CI` in the environment means plain lines, too: logs keep every frame of a spinner.
    #[must_use]
    pub fn stderr(style: Style) -> Progress {
        let live = std::io::stderr().is_terminal()
            && std::env::var_os("CI").is_none_or(|ci| ci.is_empty() || ci == "false")
            && std::env::var_os("TERM").is_some_and(|term| term != "dumb")
            && style.loudness > Loudness::Quiet;
        let target = live.then_some(ProgressDrawTarget::stderr as fn() -> ProgressDrawTarget);
        Progress::new(Box::new(std::io::stderr()), style, target)
    }

    /// Progress as plain lines.
    #[must_use]
    pub fn plain(out: impl Write + Send + 'static, style: Style) -> Progress {
        Progress::new(Box::new(out), style, None)
    }

    fn new(
        out: Box<dyn Write + Send>,
        style: Style,
        target: Option<fn() -> ProgressDrawTarget>,
    ) -> Progress {
        let state = State { out, spinner: None, phases: Vec::new(), planned: 0, finished: 0 };
        Progress { style, target, state: Mutex::new(state) }
    }

    /// Runs `write` with the spinner out of the way, for others that write to stderr. It must not
    /// lead to an event: the listener is held meanwhile.
    pub fn suspend<R>(&self, write: impl FnOnce() -> R) -> R {
        let state = self.lock();
        match &state.spinner {
            Some(spinner) => spinner.suspend(write),
            None => write(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A listener that panicked has lost a line; the others go on.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The line for an event, where it is worth one.
    fn line(&self, event: &Event) -> Option<String> {
        let loudness = self.style.loudness;
        let loud_enough = match event {
            Event::PhaseFailed { .. } | Event::Problem(_) | Event::Interrupted => true,
            // On a terminal the spinner tells these, and what is held is only counted.
            Event::PhaseProgress { .. } => loudness == Loudness::Verbose && self.target.is_none(),
            Event::PhaseStarted { .. } => loudness > Loudness::Quiet && self.target.is_none(),
            Event::CheckFinished { verdict, .. } => match (self.target, verdict) {
                (Some(_), Verdict::Held | Verdict::Skipped | Verdict::Waived) => {
                    loudness == Loudness::Verbose
                }
                (Some(_), Verdict::Broken | Verdict::Inconclusive) | (None, _) => {
                    loudness > Loudness::Quiet
                }
            },
            Event::RunStarted { .. }
            | Event::PhaseFinished { .. }
            | Event::Note(_)
            | Event::RunFinished { .. } => loudness > Loudness::Quiet,
            Event::ChecksPlanned { .. } | Event::CheckStarted { .. } => false,
        };
        if !loud_enough {
            return None;
        }
        Some(if self.target.is_some() { self.live_line(event) } else { plain_line(event) })
    }

    fn live_line(&self, event: &Event) -> String {
        let (role, word, rest) = match event {
            Event::RunStarted { scenario, run_id } => {
                (Role::Title, "run", format!("{} of {}", clean(run_id), clean(scenario)))
            }
            Event::PhaseFinished { phase, took, result } => {
                let took = self.style.paint(Role::Aside, &time(*took));
                let rest =
                    if result.is_empty() { took } else { format!("{}  {took}", clean(result)) };
                (Role::Verdict(Verdict::Held), phase.done(), rest)
            }
            Event::PhaseFailed { phase, took, problem } => (
                Role::Alarm,
                "failed",
                format!("{} after {}: {}", phase.word(), time(*took), clean(problem)),
            ),
            Event::CheckFinished { claim, code, service, verdict, took } => {
                let took = self.style.paint(Role::Aside, &time(*took));
                let check = check(claim, code, service);
                let word = format!("{} {verdict}", self.style.mark(*verdict));
                // The mark of an inconclusive check would make the word stick out.
                let word = if word.chars().count() > WORD { verdict.word() } else { &word };
                return self.aligned(Role::Verdict(*verdict), word, &format!("{check}  {took}"));
            }
            Event::Note(text) => (Role::Title, "note", clean(text)),
            Event::Problem(text) => (Role::Alarm, "problem", clean(text)),
            Event::Interrupted => (Role::Alarm, "interrupted", INTERRUPTED.to_owned()),
            Event::RunFinished { scenario, took } => (
                Role::Title,
                "finished",
                format!("{}  {}", clean(scenario), self.style.paint(Role::Aside, &time(*took))),
            ),
            Event::ChecksPlanned { .. }
            | Event::PhaseStarted { .. }
            | Event::PhaseProgress { .. }
            | Event::CheckStarted { .. } => (Role::Aside, "", String::new()),
        };
        self.aligned(role, word, &rest)
    }

    fn aligned(&self, role: Role, word: &str, rest: &str) -> String {
        let gap = " ".repeat(WORD.saturating_sub(word.chars().count()));
        format!("{gap}{}  {rest}", self.style.paint(role, word))
    }

    /// Brings the spinner up to date with the phases that are open.
    fn turn(&self, state: &mut State) {
        let Some(target) = self.target else { return };
        let Some(open) = state.phases.last() else {
            if let Some(spinner) = state.spinner.take() {
                spinner.finish_and_clear();
            }
            return;
        };
        let spinner = state.spinner.get_or_insert_with(|| {
            let spinner = ProgressBar::with_draw_target(None, target()).with_style(self.spinner());
            spinner.enable_steady_tick(TICK);
            spinner
        });
        let mut text = String::new();
        if state.planned > 0 {
            text = format!("{}/{} checks  ", state.finished, state.planned);
        }
        spinner.set_elapsed(open.since.elapsed());
        spinner.set_prefix(open.phase.doing());
        spinner.set_message(text + &self.style.paint(Role::Aside, &open.line));
    }

    fn spinner(&self) -> ProgressStyle {
        // The template is ours, but a spinner without it would still be one.
        let style = ProgressStyle::with_template("{spinner} {prefix:>10}  {took}  {wide_msg}")
            .unwrap_or_else(|_| ProgressStyle::default_spinner());
        let style = style.with_key(
            "took",
            |state: &indicatif::ProgressState, out: &mut dyn std::fmt::Write| {
                // Writing to the frame cannot fail.
                let _ = out.write_str(&time(state.elapsed()));
            },
        );
        if self.style.unicode {
            style.tick_chars("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏ ")
        } else {
            style.tick_chars("|/-\\ ")
        }
    }
}

impl Listener for Progress {
    fn hear(&self, event: Event) {
        let mut guard = self.lock();
        let state = &mut *guard;
        if let Some(line) = self.line(&event) {
            // A closed pipe must not end the run; see the head of this file.
            let out = &mut state.out;
            let mut write = || {
                let _ = writeln!(out, "{line}").and_then(|()| out.flush());
            };
            match &state.spinner {
                Some(spinner) => spinner.suspend(write),
                None => write(),
            }
        }
        match event {
            Event::RunStarted { .. } => {
                state.phases.clear();
                (state.planned, state.finished) = (0, 0);
            }
            Event::ChecksPlanned { count } => state.planned = count,
            Event::PhaseStarted { phase } => {
                state.phases.push(Open { phase, since: Instant::now(), line: String::new() });
            }
            Event::PhaseProgress { phase, line } => {
                if let Some(open) = state.phases.iter_mut().find(|open| open.phase == phase) {
                    open.line = progress_line(&line);
                }
            }
            Event::PhaseFinished { phase, .. } | Event::PhaseFailed { phase, .. } => {
                state.phases.retain(|open| open.phase != phase);
            }
            Event::CheckStarted { claim, code, service } => {
                if let Some(open) = state.phases.last_mut() {
                    open.line = check(&claim, &code, &service);
                }
            }
            Event::CheckFinished { .. } => state.finished += 1,
            Event::RunFinished { .. } => state.phases.clear(),
            Event::Note(_) | Event::Problem(_) | Event::Interrupted => {}
        }
        self.turn(state);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(spinner) = self.lock().spinner.take() {
            spinner.finish_and_clear();
        }
    }
}

const INTERRUPTED: &str = "removing what this run made";

/// The line without colour, width or cursor: for logs.
fn plain_line(event: &Event) -> String {
    let took = |took: &Duration| time(*took).replace(' ', "");
    let text = match event {
        Event::RunStarted { scenario, run_id } => {
            format!("{}: run {} started", clean(scenario), clean(run_id))
        }
        Event::PhaseStarted { phase } => format!("{} started", phase.word()),
        Event::PhaseProgress { phase, line } => {
            format!("{}: {}", phase.word(), progress_line(line))
        }
        Event::PhaseFinished { phase, took: time, result } => {
            let result =
                if result.is_empty() { String::new() } else { format!(": {}", clean(result)) };
            format!("{} done in {}{result}", phase.word(), took(time))
        }
        Event::PhaseFailed { phase, took: time, problem } => {
            format!("{} failed after {}: {}", phase.word(), took(time), clean(problem))
        }
        Event::CheckFinished { claim, code, service, verdict, took: time } => {
            format!("{verdict}: {} in {}", check(claim, code, service), took(time))
        }
        Event::Note(text) => clean(text),
        Event::Problem(text) => format!("problem: {}", clean(text)),
        Event::Interrupted => format!("interrupted: {INTERRUPTED}"),
        Event::RunFinished { scenario, took: time } => {
            format!("{}: run finished in {}", clean(scenario), took(time))
        }
        Event::ChecksPlanned { count } => format!("{count} checks planned"),
        Event::CheckStarted { claim, code, service } => {
            format!("{} started", check(claim, code, service))
        }
    };
    format!("stackproof: {text}")
}

/// `CLAIM: CODE [SERVICE]`, or without the service where there is none.
fn check(claim: &str, code: &str, service: &str) -> String {
    let check = format!("{}: {}", clean(claim), clean(code));
    if service.is_empty() { check } else { format!("{check} [{}]", clean(service)) }
}

fn clean(text: &str) -> String {
    one_line(&bounded(text, TEXT))
}

/// What a tool printed, without its colours: these lines come and go and are no evidence.
fn progress_line(line: &str) -> String {
    clean(&anstream::adapter::strip_str(&bounded(line, TEXT)).to_string())
}

#[cfg(test)]
mod tests;
