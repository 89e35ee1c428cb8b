//! What is shown of a run on a terminal and in a log.

use std::sync::Arc;

use super::*;

/// A sink that can be read after the progress has taken it.
#[derive(Debug, Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Buffer {
    fn lines(&self) -> Vec<String> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        text.lines().map(str::to_owned).collect()
    }
}

/// A pipe whose reader has gone.
struct Closed;

impl Write for Closed {
    fn write(&mut self, _bytes: &[u8]) -> std::io::Result<usize> {
        Err(std::io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Err(std::io::ErrorKind::BrokenPipe.into())
    }
}

fn finished(code: &str, service: &str, verdict: Verdict) -> Event {
    Event::CheckFinished {
        claim: "no-engine-access".to_owned(),
        code: code.to_owned(),
        service: service.to_owned(),
        verdict,
        took: Duration::from_millis(120),
    }
}

/// One of everything.
fn run() -> Vec<Event> {
    vec![
        Event::RunStarted { scenario: "otis".to_owned(), run_id: "7f3a2c19".to_owned() },
        Event::PhaseStarted { phase: Phase::Build },
        Event::PhaseProgress {
            phase: Phase::Build,
            line: "\u{1b}[32m#5 [api 2/3] RUN pip install\u{1b}[0m\u{8}".to_owned(),
        },
        Event::PhaseFinished {
            phase: Phase::Build,
            took: Duration::from_millis(33_100),
            result: "5 images".to_owned(),
        },
        Event::PhaseStarted { phase: Phase::Up },
        Event::PhaseFailed {
            phase: Phase::Up,
            took: Duration::from_secs(120),
            problem: "worker is\nunhealthy".to_owned(),
        },
        Event::ChecksPlanned { count: 3 },
        Event::PhaseStarted { phase: Phase::Observe },
        Event::CheckStarted {
            claim: "no-engine-access".to_owned(),
            code: "no-docker-access".to_owned(),
            service: "api".to_owned(),
        },
        finished("no-docker-access", "api", Verdict::Held),
        finished("no-docker-access", "worker", Verdict::Broken),
        finished("no-raw-socket-mount", "", Verdict::Inconclusive),
        Event::Note("port 8000 moved to 127.0.0.1:40123".to_owned()),
        Event::Problem("network otis is still there".to_owned()),
        Event::Interrupted,
        Event::PhaseFinished {
            phase: Phase::Observe,
            took: Duration::from_millis(900),
            result: String::new(),
        },
        Event::RunFinished { scenario: "otis".to_owned(), took: Duration::from_secs(185) },
    ]
}

fn lines(style: Style, target: Option<fn() -> ProgressDrawTarget>) -> Vec<String> {
    let buffer = Buffer::default();
    let progress = Progress::new(Box::new(buffer.clone()), style, target);
    for event in run() {
        progress.hear(event);
    }
    buffer.lines()
}

const PLAIN: [&str; 13] = [
    "stackproof: otis: run 7f3a2c19 started",
    "stackproof: build started",
    "stackproof: build done in 33.1s: 5 images",
    "stackproof: up started",
    "stackproof: up failed after 2m00s: worker is unhealthy",
    "stackproof: observe started",
    "stackproof: held: no-engine-access: no-docker-access [api] in 0.1s",
    "stackproof: broken: no-engine-access: no-docker-access [worker] in 0.1s",
    "stackproof: inconclusive: no-engine-access: no-raw-socket-mount in 0.1s",
    "stackproof: port 8000 moved to 127.0.0.1:40123",
    "stackproof: problem: network otis is still there",
    "stackproof: interrupted: removing what this run made",
    "stackproof: observe done in 0.9s",
];

#[test]
fn plain_lines_are_exact() {
    let lines = lines(Style::plain(), None);
    assert_eq!(lines[..13], PLAIN);
    assert_eq!(lines[13..], ["stackproof: otis: run finished in 3m05s"]);
}

#[test]
fn verbose_lines_show_what_compose_prints_without_its_colours() {
    let style = Style { loudness: Loudness::Verbose, ..Style::plain() };
    let lines = lines(style, None);
    assert_eq!(lines.len(), 15);
    assert_eq!(lines[2], r"stackproof: build: #5 [api 2/3] RUN pip install");
}

#[test]
fn quiet_lines_are_errors_only() {
    let style = Style { loudness: Loudness::Quiet, ..Style::plain() };
    assert_eq!(lines(style, None), [PLAIN[4], PLAIN[10], PLAIN[11]]);
}

#[test]
fn a_terminal_keeps_finished_phases_and_what_is_wrong() {
    let style = Style { unicode: true, ..Style::plain() };
    assert_eq!(
        lines(style, Some(ProgressDrawTarget::hidden)),
        [
            "         run  7f3a2c19 of otis",
            "       built  5 images  33.1 s",
            "      failed  up after 2 m 00 s: worker is unhealthy",
            "    ✗ broken  no-engine-access: no-docker-access [worker]  0.1 s",
            "inconclusive  no-engine-access: no-raw-socket-mount  0.1 s",
            "        note  port 8000 moved to 127.0.0.1:40123",
            "     problem  network otis is still there",
            " interrupted  removing what this run made",
            "    observed  0.9 s",
            "    finished  otis  3 m 05 s",
        ]
    );
}

#[test]
fn a_closed_pipe_ends_nothing() {
    for target in [None, Some(ProgressDrawTarget::hidden as fn() -> ProgressDrawTarget)] {
        let progress = Progress::new(Box::new(Closed), Style::plain(), target);
        for event in run() {
            progress.hear(event);
        }
    }
}

#[test]
fn many_threads_may_report() {
    let buffer = Buffer::default();
    let progress = Progress::plain(buffer.clone(), Style::plain());
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..100 {
                    progress.hear(finished("runs-as", "api", Verdict::Held));
                }
            });
        }
    });
    let lines = buffer.lines();
    assert_eq!(lines.len(), 800);
    assert!(
        lines
            .iter()
            .all(|line| line == "stackproof: held: no-engine-access: runs-as [api] in 0.1s")
    );
}

#[test]
fn the_spinner_counts_and_ends_with_its_phases() {
    let progress = Progress::new(
        Box::new(Buffer::default()),
        Style::plain(),
        Some(ProgressDrawTarget::hidden),
    );
    progress.hear(Event::ChecksPlanned { count: 2 });
    progress.hear(Event::PhaseStarted { phase: Phase::Observe });
    progress.hear(finished("runs-as", "api", Verdict::Held));
    progress.hear(Event::PhaseStarted { phase: Phase::Documented });
    progress
        .hear(Event::PhaseProgress { phase: Phase::Documented, line: "docker ps\n".to_owned() });
    {
        let state = progress.lock();
        let spinner = state.spinner.as_ref().unwrap();
        assert_eq!(spinner.prefix(), "following");
        assert_eq!(spinner.message(), "1/2 checks  docker ps");
    }
    for phase in [Phase::Documented, Phase::Observe] {
        let took = Duration::ZERO;
        progress.hear(Event::PhaseFinished { phase, took, result: String::new() });
    }
    assert!(progress.lock().spinner.is_none());
    assert_eq!(progress.suspend(|| 7), 7);
}
