//! What a Dockerfile installs beside the one source of dependencies.

use serde::Serialize;

use crate::image::dependencies::install::Survey;
use crate::image::dependencies::shell;

/// What a Dockerfile brings in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum InstallKind {
    /// A distribution by its name.
    Package,
    /// A list of requirements or constraints that is not derived from the source.
    RequirementsFile,
    /// A URL or a repository.
    Url,
    /// A folder, wheel or archive that is not the project.
    LocalPath,
    /// The packages of another manager, such as Conda.
    OtherManager,
    /// A list of requirements that is copied into the image.
    CopiedRequirements,
    /// What is installed is only known when the build runs.
    Unreadable,
}

/// An instruction that brings in more than the source declares.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct InstallFinding {
    /// The line of the command, the first being 1.
    pub line: usize,
    /// What it is.
    pub kind: InstallKind,
    /// The argument that does it, without secrets.
    pub argument: String,
    /// The command, shortened and without secrets.
    pub command: String,
}

/// What reading a Dockerfile came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct InstallReport {
    /// What is brought in beside the source.
    pub findings: Vec<InstallFinding>,
    /// Installers and build backends that are installed; they are no dependencies of the project.
    pub bootstrap: Vec<String>,
}

/// One instruction.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Instruction {
    /// The line it begins on, the first being 1.
    pub(crate) line: usize,
    /// In upper case.
    pub(crate) keyword: String,
    /// `--name=value` in front of the arguments.
    pub(crate) flags: Vec<String>,
    /// The arguments, continuations joined by newlines so that lines can be counted.
    pub(crate) text: String,
    /// Here-documents, each with the line it begins on.
    pub(crate) heredocs: Vec<(usize, String)>,
}

/// Looks for what a Dockerfile installs beside `source`, the one file, given relative to the build
/// context. `project` is the project's own name; `locks` are files of the context that are derived
/// from the source, see [`context::second_sources`](super::context::second_sources).
#[must_use]
pub fn installs(
    text: &str,
    source: &str,
    project: Option<&str>,
    locks: &[String],
) -> InstallReport {
    let mut survey = Survey::new(source, project, locks);
    for instruction in parse(text) {
        survey.instruction(&instruction);
    }
    survey.report()
}

impl Instruction {
    /// The arguments of the JSON form, where they have it.
    pub(crate) fn json(&self) -> Option<Vec<String>> {
        let text = self.text.replace("\\\n", "");
        text.trim_start().starts_with('[').then(|| serde_json::from_str(&text).ok())?
    }

    /// The commands of a RUN.
    pub(crate) fn commands(&self) -> Vec<shell::Command> {
        if let Some(words) = self.json() {
            return shell::command_of_words(&words);
        }
        // A here-document is the script itself, or what an interpreter is fed. What is fed to
        // another program is no command, but reading it as one does no harm.
        let mut commands = shell::commands(&self.text);
        for command in &mut commands {
            command.line += self.line;
        }
        for (line, text) in &self.heredocs {
            let inner = shell::commands(text).into_iter();
            commands.extend(
                inner.map(|command| shell::Command { line: command.line + line, ..command }),
            );
        }
        commands
    }
}

/// The instructions of a Dockerfile. Whatever is no instruction is passed over: the builder is
/// who refuses it.
pub(crate) fn parse(text: &str) -> Vec<Instruction> {
    let escape = escape(text);
    let mut instructions = Vec::new();
    let mut lines = text.lines().enumerate().peekable();
    while let Some((number, line)) = lines.next() {
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            continue;
        }
        let mut joined = String::new();
        let mut current = line;
        loop {
            let end = current.trim_end();
            let Some(head) = end.strip_suffix(escape) else {
                joined.push_str(current);
                break;
            };
            joined.push_str(head);
            // Comments and empty lines do not end an instruction.
            let mut next = None;
            for (_, line) in lines.by_ref() {
                joined.push_str("\\\n");
                if !line.trim_start().starts_with('#') && !line.trim().is_empty() {
                    next = Some(line);
                    break;
                }
            }
            match next {
                Some(line) => current = line,
                None => break,
            }
        }
        let mut instruction = Instruction::of(number + 1, &joined);
        for (name, strips) in instruction.heredoc_names() {
            let mut body = String::new();
            let mut first = None;
            for (number, line) in lines.by_ref() {
                first.get_or_insert(number + 1);
                let bare = if strips { line.trim_start_matches('\t') } else { line };
                if bare == name {
                    break;
                }
                body.push_str(bare);
                body.push('\n');
            }
            instruction.heredocs.push((first.unwrap_or(number + 1), body));
        }
        instructions.push(instruction);
    }
    instructions
}

impl Instruction {
    fn of(line: usize, joined: &str) -> Instruction {
        let mut rest = joined.trim_start();
        let mut keyword = take_word(&mut rest).to_ascii_uppercase();
        if keyword == "ONBUILD" {
            keyword = take_word(&mut rest).to_ascii_uppercase();
        }
        let mut flags = Vec::new();
        loop {
            // Lines between flags count for the commands behind them.
            let bare = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '\\');
            if !bare.starts_with("--") {
                break;
            }
            let skipped = rest[..rest.len() - bare.len()].matches('\n').count();
            rest = bare;
            flags.push(take_word(&mut rest).to_owned());
            if skipped > 0 {
                flags.push("\n".repeat(skipped));
            }
        }
        let skipped: usize = flags.iter().map(|flag| flag.matches('\n').count()).sum();
        flags.retain(|flag| flag.starts_with("--"));
        Instruction {
            line: line + skipped,
            keyword,
            flags,
            text: rest.to_owned(),
            heredocs: Vec::new(),
        }
    }

    /// The end marks of here-documents, and whether tabs before lines are taken off.
    fn heredoc_names(&self) -> Vec<(String, bool)> {
        if !matches!(self.keyword.as_str(), "RUN" | "COPY" | "ADD") || self.json().is_some() {
            return Vec::new();
        }
        let mut names = Vec::new();
        for part in self.text.split("<<").skip(1) {
            // A here-string has three signs and no body.
            let (strips, part) = match part.strip_prefix('-') {
                Some(part) => (true, part),
                None => (false, part),
            };
            let part = part.trim_start_matches(['"', '\'']);
            let name: String =
                part.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
            if name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
                && !self.text.contains(&format!("<<<{name}"))
            {
                names.push((name, strips));
            }
        }
        names
    }
}

fn take_word<'a>(rest: &mut &'a str) -> &'a str {
    let text = rest.trim_start();
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    let (word, tail) = text.split_at(end);
    *rest = tail;
    word
}

/// The character that continues a line: a backslash unless a directive at the top says otherwise.
fn escape(text: &str) -> char {
    for line in text.lines() {
        let Some((name, value)) =
            line.trim().strip_prefix('#').and_then(|rest| rest.split_once('='))
        else {
            break;
        };
        if name.trim().eq_ignore_ascii_case("escape") && value.trim() == "`" {
            return '`';
        }
    }
    '\\'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn continuations_comments_and_flags_are_read() {
        let instructions = parse(
            "# syntax=x\nFROM a AS b\nRUN --mount=type=cache,target=/c \\\n  # no\n\n  pip install x \\\n  && y\n",
        );
        assert_eq!(instructions.len(), 2);
        let run = &instructions[1];
        assert_eq!((run.keyword.as_str(), run.flags.len()), ("RUN", 1));
        let commands = run.commands();
        assert_eq!(commands[0].shown(), "pip install x");
        assert_eq!((commands[0].line, commands[1].line), (6, 7));
    }

    #[test]
    fn here_documents_are_scripts() {
        let instructions =
            parse("RUN <<EOF\npip install x\nEOF\nRUN bash <<-'END'\n\ty\n\tEND\nUSER a\n");
        assert_eq!(instructions.len(), 3);
        let commands = instructions[0].commands();
        assert_eq!(
            commands.last().map(|one| (one.shown(), one.line)),
            Some(("pip install x".to_owned(), 2))
        );
        assert_eq!(instructions[1].heredocs, [(5, "y\n".to_owned())]);
    }

    #[test]
    fn the_json_form_is_read() {
        let instructions = parse("RUN [\"pip\", \"install\", \"a b\"]\n");
        assert_eq!(instructions[0].commands()[0].words.len(), 3);
    }

    #[test]
    fn the_escape_directive_is_honoured() {
        let instructions = parse("# escape=`\nRUN a `\n  b\n");
        assert_eq!(instructions.len(), 1);
        assert_eq!(instructions[0].commands()[0].shown(), "a b");
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_a_dockerfile(text: String) {
            for instruction in parse(&text) {
                instruction.commands();
            }
        }
    }
}
