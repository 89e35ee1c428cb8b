//! The command line: the only file that knows the parser crate.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

/// Proves that a Docker Compose stack enforces the security its documentation claims.
#[derive(Debug, Parser)]
#[command(name = "stackproof", version, max_term_width = 100)]
#[command(after_help = "\
Exit codes: 0 every claim held (or was skipped or waived), 1 a claim is broken, 2 one is \
inconclusive, 3 nothing was judged, 64 usage, 65 invalid scenario or Compose file, 69 no engine \
or Compose, or the stack did not come up, 70 internal, 73 a report could not be written, 75 \
objects were left behind, 130 interrupted.")]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
    /// Say more; twice for debugging.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Say only what is broken, and errors.
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// When to use colour.
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub color: ColorWhen,
}

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ColorWhen {
    /// On a terminal, unless `NO_COLOR` is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Bring a stack up, verify the claims made of it, take it down.
    Run(RunArgs),
    /// Put known weaknesses back into a stack of its own, one at a time, and see the claims turn
    /// red.
    Mutate(MutateArgs),
    /// Show the claims and checks of scenarios; no engine is needed.
    List {
        /// The scenario files.
        #[arg(required = true, value_name = "SCENARIO")]
        scenarios: Vec<PathBuf>,
    },
    /// Show the engine, Compose, cgroup version, LSM and swap: what can and cannot be proven here.
    /// With a scenario: also which limits this host is too small for, and an overlay that fits.
    Doctor(DoctorArgs),
    /// Remove what earlier runs left behind. Runs that are alive on this machine are left alone.
    Sweep {
        /// Only this run, alive or not.
        #[arg(long, value_name = "ID", conflicts_with = "wait")]
        run: Option<String>,
        /// First wait until no run is alive on this machine: a reaper may still be at work.
        #[arg(long)]
        wait: bool,
        /// End with 75 where anything was left behind, although it is removed: a test of whether
        /// runs clean up after themselves.
        #[arg(long)]
        expect_nothing: bool,
    },
    /// Print the JSON Schema of the scenario format.
    Schema,
    /// Print a completion script.
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Write man pages.
    Man {
        /// The folder to write to.
        folder: PathBuf,
    },
    /// Clean up after a run that dies; started by the run itself.
    #[command(hide = true)]
    Reap {
        /// The run.
        run: String,
        /// The engine.
        endpoint: String,
    },
    /// Take a shared stack down when its test runner has ended; started by the first test.
    #[command(hide = true)]
    ReapLease {
        /// The run.
        run: String,
        /// The engine.
        endpoint: String,
        /// The runner's pid.
        pid: i32,
        /// When the runner started, in clock ticks since boot.
        started: u64,
        /// The folder of the lease.
        folder: PathBuf,
    },
}

/// The arguments of `doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// The scenario files whose limits are compared with the engine's host.
    #[arg(value_name = "SCENARIO")]
    pub scenarios: Vec<PathBuf>,
    /// A further Compose file, merged last, as for `run`.
    #[arg(long, value_name = "FILE", requires = "scenarios")]
    pub overlay: Vec<PathBuf>,
    /// Write the proposed overlay of the one scenario here; `-` is stdout. It is written where all
    /// limits fit, too, and changes nothing then.
    #[arg(long, value_name = "PATH", requires = "scenarios")]
    pub write_overlay: Option<PathBuf>,
}

/// The arguments of `run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// The scenario files.
    #[arg(required = true, value_name = "SCENARIO")]
    pub scenarios: Vec<PathBuf>,
    /// Verify a project that runs already: no up, no down, nothing changed.
    #[arg(long, value_name = "PROJECT", conflicts_with = "keep")]
    pub attach: Option<String>,
    /// A further Compose file, merged last.
    #[arg(long, value_name = "FILE")]
    pub overlay: Vec<PathBuf>,
    /// Leave the stack up.
    #[arg(long)]
    pub keep: bool,
    /// Only this claim.
    #[arg(long, value_name = "ID")]
    pub claim: Vec<String>,
    /// Only this service.
    #[arg(long, value_name = "NAME")]
    pub service: Vec<String>,
    /// Not this claim.
    #[arg(long, value_name = "ID")]
    pub skip: Vec<String>,
    /// Leave out what stresses, stops or kills.
    #[arg(long)]
    pub no_intrusive: bool,
    /// Write JUnit here; `-` is stdout.
    #[arg(long, value_name = "PATH")]
    pub junit: Option<PathBuf>,
    /// Write the record as JSON here; `-` is stdout.
    #[arg(long, value_name = "PATH")]
    pub json: Option<PathBuf>,
}

/// The arguments of `mutate`.
#[derive(Debug, Args)]
#[command(after_help = "\
Exit codes: 0 nothing survived, 1 a mutant survived, 2 a mutant was invalid, or a claim does not \
hold on the unmutated stack, 3 no mutant fits; the others as for `run`.")]
pub struct MutateArgs {
    /// The scenario file.
    #[arg(value_name = "SCENARIO")]
    pub scenario: PathBuf,
    /// Only this mutant, or the mutants of this weakness.
    #[arg(long, value_name = "ID")]
    pub mutant: Vec<String>,
    /// Only mutants that this claim must catch.
    #[arg(long, value_name = "ID")]
    pub claim: Vec<String>,
    /// Only mutants of this service.
    #[arg(long, value_name = "NAME")]
    pub service: Vec<String>,
    /// Only as many mutants as it takes to see every check fail once.
    #[arg(long, conflicts_with = "all")]
    pub sample: bool,
    /// Every weakness in every service that it fits, and not only so many that each weakness is
    /// there and each check of each service breaks once.
    #[arg(long)]
    pub all: bool,
    /// Verify every claim with every mutant, and not only those that it can touch.
    #[arg(long)]
    pub full: bool,
    /// How many mutants may share a stack, each in another service.
    #[arg(long, value_name = "N", default_value = "16")]
    pub jobs: std::num::NonZeroUsize,
    /// A further Compose file, merged last.
    #[arg(long, value_name = "FILE")]
    pub overlay: Vec<PathBuf>,
    /// Write JUnit here; `-` is stdout.
    #[arg(long, value_name = "PATH")]
    pub junit: Option<PathBuf>,
    /// Write what came of the mutants as JSON here; `-` is stdout.
    #[arg(long, value_name = "PATH")]
    pub json: Option<PathBuf>,
    /// Write a table of the weaknesses in Markdown here; `-` is stdout.
    #[arg(long, value_name = "PATH")]
    pub markdown: Option<PathBuf>,
}
