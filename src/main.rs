//! The command line program: parses, calls the library, prints, exits.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

use clap::{CommandFactory, Parser};
use stackproof::cli::{Cli, ColorWhen, DoctorArgs, MutateArgs, RunArgs, Verb};
use stackproof::diagnostic::render;
use stackproof::doctor;
use stackproof::engine::{Endpoint, Engine, EngineError};
use stackproof::exit_code::ExitCode;
use stackproof::failure::Failure;
use stackproof::interrupt::Interrupt;
use stackproof::lease;
use stackproof::plan::Selection;
use stackproof::progress::Progress;
use stackproof::record::Record;
use stackproof::report::console::{self, Loudness, Style};
use stackproof::report::{json, junit, mutation};
use stackproof::run::{Choice, Extent, Mode, Request, run};
use stackproof::run_id::RunId;
use stackproof::scenario::load::{Loaded, load_with};
use stackproof::scenario::schema;
use stackproof::stack::reaper;
use stackproof::sweep;
use tracing_subscriber::EnvFilter;

fn main() -> std::process::ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are asked for and go to stdout; a closed pipe is no failure.
            let _ = error.print();
            let code = if error.use_stderr() { ExitCode::Usage } else { ExitCode::Held };
            return code.into();
        }
    };
    Console::set_color(cli.color);
    let level = match cli.verbose {
        0 => "off",
        1 => "info",
        _ => "debug",
    };
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_from_env("STACKPROOF_LOG").unwrap_or_else(|_| level.into()))
        .with_writer(std::io::stderr)
        .init();
    let console = Console { verbose: cli.verbose, quiet: cli.quiet };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            console.error(&format!("cannot start: {error}"));
            return ExitCode::Internal.into();
        }
    };
    runtime.block_on(console.dispatch(cli.verb)).into()
}

/// Where text goes.
#[derive(Clone, Copy)]
enum Stream {
    Stdout,
    Stderr,
}

/// The terminal, and how much is said on it.
struct Console {
    verbose: u8,
    quiet: bool,
}

impl Console {
    fn set_color(when: ColorWhen) {
        match when {
            ColorWhen::Auto => {}
            ColorWhen::Always => anstream::ColorChoice::Always.write_global(),
            ColorWhen::Never => anstream::ColorChoice::Never.write_global(),
        }
    }

    /// What a stream can show.
    fn style(&self, stream: Stream) -> Style {
        let (terminal, choice) = match stream {
            Stream::Stdout => {
                (std::io::stdout().is_terminal(), anstream::AutoStream::choice(&std::io::stdout()))
            }
            Stream::Stderr => {
                (std::io::stderr().is_terminal(), anstream::AutoStream::choice(&std::io::stderr()))
            }
        };
        let loudness = match (self.quiet, self.verbose) {
            (true, _) => Loudness::Quiet,
            (false, 0) => Loudness::Normal,
            (false, _) => Loudness::Verbose,
        };
        let columns = || std::env::var("COLUMNS").ok()?.parse::<usize>().ok();
        let width = match (terminal, terminal_size::terminal_size()) {
            (true, Some((terminal_size::Width(width), _))) => usize::from(width),
            _ => columns().unwrap_or(100),
        };
        let utf8 = ["LC_ALL", "LC_CTYPE", "LANG"]
            .iter()
            .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
            .is_some_and(|value| value.to_ascii_uppercase().replace('-', "").contains("UTF8"));
        Style {
            colour: choice != anstream::ColorChoice::Never,
            unicode: utf8,
            width: width.clamp(40, 160),
            loudness,
        }
    }

    /// Prints to stdout. A reader that went away is no failure.
    fn print(&self, text: &str) {
        let _ = anstream::stdout().lock().write_all(text.as_bytes());
    }

    fn error(&self, message: &str) {
        let _ = writeln!(anstream::stderr().lock(), "error: {message}");
    }

    async fn dispatch(&self, verb: Verb) -> ExitCode {
        match verb {
            Verb::Run(arguments) => self.run(arguments).await,
            Verb::Mutate(arguments) => self.mutate(arguments).await,
            Verb::List { scenarios } => self.list(&scenarios),
            Verb::Doctor(arguments) => self.doctor(&arguments).await,
            Verb::Sweep { run, wait, expect_nothing } => {
                self.sweep(run.as_deref(), wait, expect_nothing).await
            }
            Verb::Schema => {
                self.print(&schema::text());
                ExitCode::Held
            }
            Verb::Completions { shell } => {
                let mut text = Vec::new();
                clap_complete::generate(shell, &mut Cli::command(), "stackproof", &mut text);
                self.print(&String::from_utf8_lossy(&text));
                ExitCode::Held
            }
            Verb::Man { folder } => match clap_mangen::generate_to(Cli::command(), &folder) {
                Ok(()) => ExitCode::Held,
                Err(error) => {
                    self.error(&format!("cannot write man pages to {}: {error}", folder.display()));
                    ExitCode::ReportNotWritten
                }
            },
            Verb::Reap { run, endpoint } => reap(&run, &endpoint).await,
            Verb::ReapLease { run, endpoint, pid, started, folder } => {
                reap_lease(&run, &endpoint, pid, started, &folder).await
            }
        }
    }

    /// Loads every scenario, or shows every problem of all of them.
    fn load(&self, paths: &[PathBuf], overlays: &[PathBuf]) -> Result<Vec<Loaded>, ExitCode> {
        let mut loaded = Vec::new();
        let mut failed = false;
        for path in paths {
            match load_with(path, overlays) {
                Ok(scenario) => loaded.push(scenario),
                Err(refused) => {
                    failed = true;
                    let text = render(&refused.sources, &refused.diagnostics, &path.display());
                    let _ = anstream::stderr().lock().write_all(text.as_bytes());
                }
            }
        }
        if failed { Err(ExitCode::InvalidScenario) } else { Ok(loaded) }
    }

    fn list(&self, scenarios: &[PathBuf]) -> ExitCode {
        match self.load(scenarios, &[]) {
            Ok(loaded) => {
                for loaded in loaded {
                    self.print(&console::list(&loaded.scenario, &self.style(Stream::Stdout)));
                }
                ExitCode::Held
            }
            Err(code) => code,
        }
    }

    async fn doctor(&self, arguments: &DoctorArgs) -> ExitCode {
        let DoctorArgs { scenarios, overlay, write_overlay: file } = arguments;
        let loaded = match self.load(scenarios, overlay) {
            Ok(loaded) => loaded,
            Err(code) => return code,
        };
        match doctor::advise(&loaded, scenarios, overlay, file.as_deref()).await {
            Ok(advice) => {
                let made = self.make_room(&[file]).is_ok();
                if !made || !self.write(file, || Ok(advice.overlay.into_bytes())) {
                    return ExitCode::ReportNotWritten;
                }
                self.text(&advice.text, file.as_ref().is_some_and(|file| file.as_os_str() == "-"));
                ExitCode::Held
            }
            Err(failure) => {
                self.error(&failure.to_string());
                failure.exit_code()
            }
        }
    }

    async fn sweep(&self, run: Option<&str>, wait: bool, expect_nothing: bool) -> ExitCode {
        let only = match run.map(|run| RunId::parse(run).ok_or(run)).transpose() {
            Ok(only) => only,
            Err(run) => {
                self.error(&format!("{run} is not the id of a run"));
                return ExitCode::Usage;
            }
        };
        let swept = async {
            let engine = Engine::connect(Endpoint::from_environment()?).await?;
            let alive = if wait { sweep::wait(&engine).await? } else { vec![] };
            Ok::<_, EngineError>((alive, sweep::sweep(&engine, only.as_ref()).await?))
        };
        match swept.await {
            Ok((alive, swept)) => {
                for line in &swept.lines {
                    self.print(&format!("{line}\n"));
                }
                if swept.lines.is_empty() && !self.quiet {
                    self.print("nothing was left behind\n");
                }
                for left in &swept.left {
                    self.error(left);
                }
                let unexpected: Vec<&String> = alive.iter().chain(&swept.found).collect();
                if expect_nothing {
                    unexpected.iter().for_each(|found| self.error(found));
                }
                if swept.left.is_empty() && (unexpected.is_empty() || !expect_nothing) {
                    ExitCode::Held
                } else {
                    ExitCode::LeftBehind
                }
            }
            Err(error) => {
                self.error(&error.to_string());
                ExitCode::Unavailable
            }
        }
    }

    async fn run(&self, arguments: RunArgs) -> ExitCode {
        let loaded = match self.load(&arguments.scenarios, &arguments.overlay) {
            Ok(loaded) => loaded,
            Err(code) => return code,
        };
        if let Err(code) = self.make_room(&[&arguments.junit, &arguments.json]) {
            return code;
        }
        let (endpoint, interrupt, program) = match self.surroundings() {
            Ok(surroundings) => surroundings,
            Err(code) => return code,
        };
        let progress = Progress::stderr(self.style(Stream::Stderr));
        let on_stdout = [&arguments.junit, &arguments.json]
            .into_iter()
            .flatten()
            .any(|path| path.as_os_str() == "-");
        let mut records = Vec::new();
        let mut failures = Vec::new();
        for loaded in loaded {
            let request = Request {
                loaded,
                mode: arguments.attach.clone().map_or(Mode::Own, Mode::Attached),
                keep: arguments.keep,
                selection: Selection {
                    claims: arguments.claim.clone(),
                    services: arguments.service.clone(),
                    skip: arguments.skip.clone(),
                    no_intrusive: arguments.no_intrusive,
                },
                program: program.clone(),
                mutants: None,
            };
            match run(&request, endpoint.clone(), &interrupt, &progress).await {
                Ok(outcome) => {
                    self.show(&request, on_stdout, &outcome.record, outcome.failure.as_ref());
                    records.push(outcome.record);
                    failures.extend(outcome.failure.map(|failure| failure.exit_code()));
                }
                Err(failure) => {
                    self.error(&failure.to_string());
                    failures.push(failure.exit_code());
                }
            }
            if interrupt.is_set() {
                break;
            }
        }
        let total = console::total(&records, &self.style(Stream::Stdout));
        self.text(&total, on_stdout);
        let written = self.write_reports(&arguments, &records);
        settle(&records, &failures, written)
    }

    async fn mutate(&self, arguments: MutateArgs) -> ExitCode {
        let scenario = std::slice::from_ref(&arguments.scenario);
        let loaded = match self.load(scenario, &arguments.overlay) {
            Ok(mut loaded) => loaded.remove(0),
            Err(code) => return code,
        };
        let paths = [&arguments.junit, &arguments.json, &arguments.markdown];
        if let Err(code) = self.make_room(&paths) {
            return code;
        }
        let (endpoint, interrupt, program) = match self.surroundings() {
            Ok(surroundings) => surroundings,
            Err(code) => return code,
        };
        let request = Request {
            loaded,
            mode: Mode::Own,
            keep: false,
            selection: Selection { no_intrusive: true, ..Selection::default() },
            program,
            mutants: Some(Choice {
                mutants: arguments.mutant.clone(),
                claims: arguments.claim.clone(),
                services: arguments.service.clone(),
                extent: match (arguments.sample, arguments.all) {
                    (true, _) => Extent::Sample,
                    (_, true) => Extent::All,
                    (false, false) => Extent::Cover,
                },
                full: arguments.full,
                at_once: arguments.jobs.get(),
            }),
        };
        let progress = Progress::stderr(self.style(Stream::Stderr));
        let outcome = match run(&request, endpoint, &interrupt, &progress).await {
            Ok(outcome) => outcome,
            Err(failure) => {
                self.error(&failure.to_string());
                return failure.exit_code();
            }
        };
        let Some(record) = outcome.mutation else { return ExitCode::Internal };
        let on_stdout = paths.into_iter().flatten().any(|path| path.as_os_str() == "-");
        let tried = outcome.failure.is_none() || !record.mutants.is_empty();
        if tried {
            self.text(&mutation::console(&record, &self.style(Stream::Stdout)), on_stdout);
        } else {
            self.show(&request, on_stdout, &outcome.record, outcome.failure.as_ref());
        }
        let [junit, json, markdown] = paths;
        let text = |error: &dyn std::fmt::Display| error.to_string();
        let written = [
            self.write(junit, || mutation::junit(&record).map_err(|error| text(&error))),
            self.write(json, || mutation::json(&record).map_err(|error| text(&error))),
            self.write(markdown, || Ok(mutation::markdown(&record).into_bytes())),
        ];
        let found = ExitCode::of_mutation(&record);
        match outcome.failure {
            _ if matches!(found, ExitCode::Broken | ExitCode::LeftBehind) => found,
            Some(failure) => failure.exit_code(),
            None if !written.iter().all(|written| *written) => ExitCode::ReportNotWritten,
            None => found,
        }
    }

    /// Text for people: reports asked for on stdout leave no room for it there.
    fn text(&self, text: &str, request_on_stdout: bool) {
        if request_on_stdout {
            let _ = anstream::stderr().lock().write_all(text.as_bytes());
        } else {
            self.print(text);
        }
    }

    fn show(
        &self,
        request: &Request,
        request_on_stdout: bool,
        record: &Record,
        failure: Option<&Failure>,
    ) {
        self.text(&console::console(record, &self.style(Stream::Stdout)), request_on_stdout);
        match failure {
            Some(Failure::Invalid(diagnostics)) => {
                let sources = &request.loaded.sources;
                let text = render(sources, diagnostics, &record.scenario);
                let _ = anstream::stderr().lock().write_all(text.as_bytes());
            }
            // On a terminal the text above has said it already.
            Some(_) if std::io::stdout().is_terminal() && std::io::stderr().is_terminal() => {}
            // In the record's words: the failure itself may quote a secret.
            Some(_) => self.error(record.aborted.as_deref().unwrap_or_default()),
            None => {}
        }
    }

    fn write_reports(&self, arguments: &RunArgs, records: &[Record]) -> bool {
        let junit = self
            .write(&arguments.junit, || junit::junit(records).map_err(|error| error.to_string()));
        let json =
            self.write(&arguments.json, || json::json(records).map_err(|error| error.to_string()));
        junit && json
    }

    /// Writes a report where it is asked for, and says whether that could be done.
    fn write(
        &self,
        path: &Option<PathBuf>,
        bytes: impl FnOnce() -> Result<Vec<u8>, String>,
    ) -> bool {
        let Some(path) = path else { return true };
        let outcome = bytes().and_then(|bytes| {
            if path.as_os_str() == "-" {
                let mut stdout = std::io::stdout().lock();
                stdout.write_all(&bytes).map_err(|error| error.to_string())
            } else {
                std::fs::write(path, bytes).map_err(|error| error.to_string())
            }
        });
        if let Err(error) = &outcome {
            self.error(&format!("cannot write {}: {error}", path.display()));
        }
        outcome.is_ok()
    }

    fn surroundings(&self) -> Result<(Endpoint, Interrupt, PathBuf), ExitCode> {
        surroundings().map_err(|failure| {
            self.error(&failure.to_string());
            failure.exit_code()
        })
    }

    /// A path that cannot be written is better known before a long run than after it.
    fn make_room(&self, paths: &[&Option<PathBuf>]) -> Result<(), ExitCode> {
        for path in paths.iter().copied().flatten() {
            if let Err(error) = make_room(path) {
                self.error(&format!("cannot write {}: {error}", path.display()));
                return Err(ExitCode::ReportNotWritten);
            }
        }
        Ok(())
    }
}

/// One exit code for all runs: what stopped a run comes before what was found, except that a
/// broken claim is never hidden, and neither is what a run could not remove.
fn settle(records: &[Record], failures: &[ExitCode], written: bool) -> ExitCode {
    let found = ExitCode::of(records);
    let stopped = failures.iter().copied().max();
    match stopped {
        _ if found == ExitCode::LeftBehind => ExitCode::LeftBehind,
        Some(ExitCode::Interrupted) => ExitCode::Interrupted,
        _ if found == ExitCode::Broken => ExitCode::Broken,
        Some(code) => code,
        None if !written => ExitCode::ReportNotWritten,
        None => found,
    }
}

fn make_room(path: &Path) -> std::io::Result<()> {
    if path.as_os_str() == "-" {
        return Ok(());
    }
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::File::options().create(true).truncate(false).write(true).open(path).map(|_| ())
}

fn surroundings() -> Result<(Endpoint, Interrupt, PathBuf), Failure> {
    let system = |doing: &str, error: std::io::Error| Failure::System {
        doing: doing.to_owned(),
        cause: error.to_string(),
    };
    Ok((
        Endpoint::from_environment()?,
        Interrupt::listen().map_err(|error| system("listen for signals", error))?,
        std::env::current_exe().map_err(|error| system("find our own program", error))?,
    ))
}

async fn reap(run: &str, endpoint: &str) -> ExitCode {
    let (Some(run), Ok(endpoint)) = (RunId::parse(run), Endpoint::parse(endpoint)) else {
        return ExitCode::Usage;
    };
    match reaper::reap(&run, endpoint).await {
        Ok(()) => ExitCode::Held,
        Err(_) => ExitCode::LeftBehind,
    }
}

async fn reap_lease(run: &str, endpoint: &str, pid: i32, started: u64, folder: &Path) -> ExitCode {
    let (Some(run), Ok(endpoint)) = (RunId::parse(run), Endpoint::parse(endpoint)) else {
        return ExitCode::Usage;
    };
    match lease::reap(&run, endpoint, pid, started, folder).await {
        Ok(()) => ExitCode::Held,
        Err(_) => ExitCode::LeftBehind,
    }
}
