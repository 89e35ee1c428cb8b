//! The program that installs.

use crate::image::dependencies::shell::{Command, Word};

/// The installer that a command runs, and its arguments.
pub(super) fn of(command: &Command) -> Option<(&'static str, &[Word])> {
    const TOOLS: &[&str] = &[
        "pip",
        "uv",
        "uvx",
        "pipx",
        "poetry",
        "pdm",
        "pipenv",
        "hatch",
        "conda",
        "mamba",
        "micromamba",
        "easy_install",
        "pip-compile",
        "pip-sync",
    ];
    let known = |name: &str| {
        let bare = name.trim_end_matches(|c: char| c.is_ascii_digit() || matches!(c, '.' | '-'));
        TOOLS.iter().find(|tool| **tool == name || **tool == bare).copied()
    };
    let program = command.program();
    if let Some(tool) = known(program) {
        return Some((tool, &command.words[1..]));
    }
    // `python3 -m pip`, with options of Python in front of it; `$PYTHON -m pip` too.
    if program.starts_with("python")
        || program.starts_with("pypy")
        || command.words.first().is_some_and(|word| word.expands)
    {
        let at = command.words.iter().position(|word| word.text == "-m")?;
        let tool = known(&command.words.get(at + 1)?.text)?;
        return Some((tool, &command.words[at + 2..]));
    }
    None
}
