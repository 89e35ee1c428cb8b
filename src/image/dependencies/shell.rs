//! The simple commands in a shell script, as far as that can be told without running it.

/// How deep command substitutions and `sh -c` may be nested.
const MAX_DEPTH: usize = 8;

/// One word of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Word {
    /// The text with its quotes taken off. Expansions stand as they are written.
    pub(crate) text: String,
    /// Whether part of it is only known when the script runs.
    pub(crate) expands: bool,
}

/// One simple command.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Command {
    /// The words, the program first; assignments and wrappers such as `exec` left out.
    pub(crate) words: Vec<Word>,
    /// The files that it writes its output to.
    pub(crate) outputs: Vec<String>,
    /// The lines before it in the script.
    pub(crate) line: usize,
}

impl Command {
    /// The program's name without its folder; empty where it is not known.
    pub(crate) fn program(&self) -> &str {
        self.words.first().map_or("", |word| crate::image::path::name(&word.text))
    }

    /// The words as one line.
    pub(crate) fn shown(&self) -> String {
        self.words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ")
    }
}

/// The simple commands of a script, in order, those in substitutions and in `sh -c` included.
pub(crate) fn commands(script: &str) -> Vec<Command> {
    let mut parser = Parser { found: Vec::new() };
    parser.script(script, 0, 0);
    parser.found
}

/// The commands of an exec form, which no shell reads.
pub(crate) fn command_of_words(words: &[String]) -> Vec<Command> {
    let words =
        words.iter().map(|word| Word { text: word.clone(), expands: false }).collect::<Vec<_>>();
    let mut parser = Parser { found: Vec::new() };
    parser.finish(Command { words, ..Command::default() }, 0);
    parser.found
}

struct Parser {
    found: Vec<Command>,
}

/// What is read of a word so far.
#[derive(Default)]
struct Draft {
    text: String,
    expands: bool,
    /// Quotes make a word even of nothing.
    quoted: bool,
}

impl Parser {
    fn script(&mut self, script: &str, first_line: usize, depth: usize) {
        if depth > MAX_DEPTH {
            // What is nested so deep is not read; the word that holds it stays an expansion.
            return;
        }
        let chars: Vec<char> = script.chars().collect();
        let (mut at, mut line) = (0, first_line);
        let mut command = Command::default();
        let mut draft = Draft::default();
        let mut to_output = false;
        while at < chars.len() {
            let c = chars[at];
            let next = chars.get(at + 1).copied();
            match c {
                '\\' if next == Some('\n') => {
                    line += 1;
                    at += 2;
                    continue;
                }
                '\\' => {
                    draft.text.extend(next);
                    draft.quoted = true;
                    at += 2;
                    continue;
                }
                '\'' => {
                    let end = find(&chars, at + 1, '\'');
                    draft.text.extend(&chars[at + 1..end]);
                    draft.quoted = true;
                    line += newlines(&chars[at..end]);
                    at = end + 1;
                    continue;
                }
                '"' => {
                    let end = self.double_quoted(&chars, at + 1, line, depth, &mut draft);
                    line += newlines(&chars[at..end.min(chars.len())]);
                    at = end + 1;
                    continue;
                }
                '$' | '`' => {
                    let end = self.expansion(&chars, at, line, depth, &mut draft);
                    line += newlines(&chars[at..end.min(chars.len())]);
                    at = end;
                    continue;
                }
                _ => {}
            }
            let separates = matches!(c, ' ' | '\t' | '\r' | '\n' | ';' | '&' | '|' | '(' | ')')
                || matches!(c, '<' | '>');
            if !separates {
                if c == '#' && draft.text.is_empty() && !draft.quoted {
                    at = find(&chars, at, '\n');
                    continue;
                }
                draft.text.push(c);
                at += 1;
                continue;
            }
            // A number right before a redirection is a descriptor.
            let is_descriptor = matches!(c, '<' | '>')
                && !draft.text.is_empty()
                && draft.text.bytes().all(|byte| byte.is_ascii_digit());
            if is_descriptor {
                draft = Draft::default();
            }
            end_word(&mut draft, &mut command, line, &mut to_output);
            match c {
                '>' => {
                    at += 1;
                    while matches!(chars.get(at), Some('>' | '|')) {
                        at += 1;
                    }
                    if chars.get(at) == Some(&'&') {
                        // `2>&1` names a descriptor and no file.
                        at += 2;
                    } else {
                        to_output = true;
                    }
                    continue;
                }
                '<' => {
                    // Input comes from a file, a here-string or a process; none is an argument.
                    at += 1;
                    continue;
                }
                ' ' | '\t' | '\r' => {}
                _ => {
                    line += usize::from(c == '\n');
                    self.finish(std::mem::take(&mut command), depth);
                }
            }
            at += 1;
        }
        end_word(&mut draft, &mut command, line, &mut to_output);
        self.finish(command, depth);
    }

    /// Reads to the closing quote; gives its place.
    fn double_quoted(
        &mut self,
        chars: &[char],
        from: usize,
        line: usize,
        depth: usize,
        draft: &mut Draft,
    ) -> usize {
        let mut at = from;
        draft.quoted = true;
        while at < chars.len() && chars[at] != '"' {
            match chars[at] {
                '\\' => {
                    match chars.get(at + 1) {
                        Some('\n') | None => {}
                        Some(escaped @ ('"' | '\\' | '$' | '`')) => draft.text.push(*escaped),
                        Some(other) => draft.text.extend(['\\', *other]),
                    }
                    at += 2;
                }
                '$' | '`' => at = self.expansion(chars, at, line, depth, draft),
                c => {
                    draft.text.push(c);
                    at += 1;
                }
            }
        }
        at.min(chars.len())
    }

    /// Reads `$name`, `${...}`, `$(...)` or a backtick; gives the place behind it. Commands inside
    /// are commands too.
    fn expansion(
        &mut self,
        chars: &[char],
        from: usize,
        line: usize,
        depth: usize,
        draft: &mut Draft,
    ) -> usize {
        let (end, script) = match (chars[from], chars.get(from + 1)) {
            ('`', _) => {
                let end = find(chars, from + 1, '`');
                ((end + 1).min(chars.len()), Some(from + 1..end))
            }
            (_, Some('(')) => {
                let end = closing(chars, from + 1, '(', ')');
                ((end + 1).min(chars.len()), Some((from + 2).min(end)..end))
            }
            (_, Some('{')) => ((closing(chars, from + 1, '{', '}') + 1).min(chars.len()), None),
            (_, Some(c)) if c.is_alphanumeric() || matches!(c, '_' | '@' | '*' | '?' | '#') => {
                let rest = &chars[from + 2..];
                let length = rest.iter().take_while(|c| c.is_alphanumeric() || **c == '_').count();
                (from + 2 + length, None)
            }
            _ => {
                draft.text.push(chars[from]);
                return from + 1;
            }
        };
        draft.text.extend(&chars[from..end]);
        draft.expands = true;
        if let Some(range) = script {
            let inner: String = chars[range].iter().collect();
            self.script(&inner, line, depth + 1);
        }
        end
    }

    /// Takes wrappers off a command and keeps it; goes into `sh -c` and `eval`.
    fn finish(&mut self, mut command: Command, depth: usize) {
        const KEYWORDS: &[&str] =
            &["if", "then", "elif", "else", "do", "while", "until", "!", "{", "}", "fi", "done"];
        const WRAPPERS: &[&str] = &[
            "exec", "command", "sudo", "time", "nice", "nohup", "env", "xargs", "ionice", "stdbuf",
            "builtin", "doas",
        ];
        loop {
            let Some(first) = command.words.first() else { return };
            let text = first.text.as_str();
            let name = crate::image::path::name(text).to_owned();
            if KEYWORDS.contains(&text) || is_assignment(text) {
                command.words.remove(0);
            } else if WRAPPERS.contains(&name.as_str()) {
                command.words.remove(0);
                let reads_input = name == "xargs";
                // Options of a wrapper; those with a value of their own are rare enough.
                while command.words.first().is_some_and(|word| word.text.starts_with('-')) {
                    command.words.remove(0);
                }
                if reads_input && !command.words.is_empty() {
                    command.words.push(Word { text: "$(input)".to_owned(), expands: true });
                }
            } else {
                break;
            }
        }
        let script = match command.program() {
            "sh" | "bash" | "dash" | "ash" | "zsh" | "busybox" => {
                let flag = command.words.iter().position(|word| {
                    word.text.starts_with('-')
                        && !word.text.starts_with("--")
                        && word.text.ends_with('c')
                });
                flag.and_then(|at| command.words.get(at + 1)).map(|word| word.text.clone())
            }
            "eval" => Some(
                command.words[1..]
                    .iter()
                    .map(|word| word.text.as_str())
                    .collect::<Vec<_>>()
                    .join(" "),
            ),
            _ => None,
        };
        let line = command.line;
        self.found.push(command);
        if let Some(script) = script {
            self.script(&script, line, depth + 1);
        }
    }
}

fn end_word(draft: &mut Draft, command: &mut Command, line: usize, to_output: &mut bool) {
    let Draft { text, expands, quoted } = std::mem::take(draft);
    if text.is_empty() && !quoted {
        return;
    }
    if std::mem::take(to_output) {
        command.outputs.push(text);
        return;
    }
    if command.words.is_empty() {
        command.line = line;
    }
    command.words.push(Word { text, expands });
}

fn is_assignment(text: &str) -> bool {
    text.split_once('=').is_some_and(|(name, _)| {
        !name.is_empty()
            && !name.starts_with(|c: char| c.is_ascii_digit())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    })
}

fn find(chars: &[char], from: usize, wanted: char) -> usize {
    (from..chars.len()).find(|at| chars[*at] == wanted).unwrap_or(chars.len())
}

/// The place of the bracket that closes the one at `from`.
fn closing(chars: &[char], from: usize, open: char, close: char) -> usize {
    let mut depth = 0usize;
    for (at, c) in chars.iter().enumerate().skip(from) {
        if *c == open {
            depth += 1;
        } else if *c == close {
            depth = depth.saturating_sub(1);
            if depth == 0 {
                return at;
            }
        }
    }
    chars.len()
}

fn newlines(chars: &[char]) -> usize {
    chars.iter().filter(|c| **c == '\n').count()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn shown(script: &str) -> Vec<String> {
        commands(script).iter().map(Command::shown).collect()
    }

    #[rstest]
    #[case("a b && c; d || e | f & g", &["a b", "c", "d", "e", "f", "g"])]
    #[case("a 'b c' \"d e\" f\\ g", &["a b c d e f g"])]
    #[case("X=1 Y='2 3' a b", &["a b"])]
    #[case("if a; then b; fi", &["a", "b"])]
    #[case("(a; b) && { c; }", &["a", "b", "c"])]
    #[case("sudo -E env X=1 exec a b", &["a b"])]
    #[case("a # b\nc", &["a", "c"])]
    #[case("a \\\n  b", &["a b"])]
    #[case("a 2>&1 >/dev/null < in", &["a in"])]
    #[case("sh -c 'a && b'", &["sh -c a && b", "a", "b"])]
    #[case("bash -lc \"pip install x\"", &["bash -lc pip install x", "pip install x"])]
    #[case("eval 'a b'", &["eval a b", "a b"])]
    #[case("a $(b c) `d`", &["b c", "d", "a $(b c) `d`"])]
    #[case("", &[])]
    fn scripts_are_taken_apart(#[case] script: &str, #[case] expected: &[&str]) {
        assert_eq!(shown(script), expected);
    }

    #[test]
    fn words_that_expand_are_marked() {
        let words = &commands("a $B \"${C}\" 'd$E'")[0].words;
        let expands: Vec<bool> = words.iter().map(|word| word.expands).collect();
        assert_eq!(expands, [false, true, true, false]);
    }

    #[test]
    fn outputs_and_lines_are_kept() {
        let found = commands("a\nb > out.txt");
        assert_eq!(found[1].outputs, ["out.txt"]);
        assert_eq!(found[1].line, 1);
    }

    #[test]
    fn broken_and_deep_scripts_end() {
        for script in ["'", "\"", "$(", "`", "${", "a \\", "\"$(", "$((((((((((((((((((("] {
            commands(script);
        }
        commands(&"$(".repeat(10_000));
        commands(&"sh -c '".repeat(1_000));
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_a_script(script: String) {
            commands(&script);
        }
    }
}
