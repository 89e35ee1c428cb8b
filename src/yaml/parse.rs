//! Text to a tree, within a budget.

use granit_parser::{ErrorKind, Options, Parser, ScanError, options};

use super::node::Node;
use super::span::Span;
use super::tree::Tree;
use crate::diagnostic::{Diagnostic, Problems};

/// What a file may contain.
#[derive(Debug, Clone, Copy)]
pub struct Dialect {
    /// The tags besides those of the core schema that are kept, such as `!reset`. Every other one
    /// is a problem.
    pub tags: &'static [&'static str],
    /// How large it may be.
    pub budget: Budget,
}

/// How much of everything a file may contain. What is read is written by others, and a few
/// hundred bytes of aliases can stand for more than any machine holds.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    /// The size of the file in bytes.
    pub bytes: usize,
    /// How deep lists and mappings may be nested, aliases followed.
    pub depth: usize,
    /// The number of values, aliases followed.
    pub nodes: usize,
    /// The length of all texts together in bytes, aliases followed.
    pub text: usize,
}

impl Budget {
    /// Far more than any scenario or Compose file needs, and read in a fraction of a second.
    pub const USUAL: Budget = Budget { bytes: 1 << 20, depth: 64, nodes: 100_000, text: 4 << 20 };
}

impl Dialect {
    /// YAML 1.2 without custom tags.
    pub const PLAIN: Dialect = Dialect { tags: &[], budget: Budget::USUAL };
}

/// Reads the one document of a file. An empty file is a null.
///
/// Problems that leave the rest of the tree readable leave it in place of what is wrong with
/// [`Value::Refused`](super::Value::Refused); after others, such as a syntax error, there is no
/// tree.
#[must_use]
pub fn parse(
    text: &str,
    source: usize,
    dialect: &Dialect,
    problems: &mut Problems,
) -> Option<Node> {
    if text.len() > dialect.budget.bytes {
        let (limit, is) = (dialect.budget.bytes, text.len());
        problems.push(
            Diagnostic::new(
                "file-too-large",
                format!("the file has {is} bytes, more than {limit}"),
            )
            .at(Span { source, start: 0, end: 0 }),
        );
        return None;
    }
    let mut tree = Tree::new(text, source, dialect, problems);
    for event in Parser::new_from_str_with_options(text, parser_options(&dialect.budget)) {
        let (event, span) = match event {
            Ok(event) => event,
            Err(error) => {
                problems.push(refusal(text, source, &error, &dialect.budget));
                return None;
            }
        };
        match tree.event(event, span) {
            Ok(true) => {}
            Ok(false) => break,
            Err(diagnostic) => {
                problems.push(*diagnostic);
                return None;
            }
        }
    }
    Some(tree.finish())
}

fn parser_options(budget: &Budget) -> Options {
    options! {
        emit_unresolved_aliases: true,
        flow_nesting_limit: budget.depth,
        block_nesting_limit: budget.depth,
    }
}

/// The problem for nesting that is too deep.
pub(super) fn too_deep(span: Span, budget: &Budget) -> Diagnostic {
    let message = format!("lists and mappings are nested more than {} deep", budget.depth);
    Diagnostic::new("too-deep", message).at(span)
}

/// The problem for text that is not YAML.
fn refusal(text: &str, source: usize, error: &ScanError, budget: &Budget) -> Diagnostic {
    let mut offset = error.marker().byte_offset().unwrap_or_default();
    // The parser may notice a tab only behind it.
    if is_about_tab(error.kind()) && text.get(..offset).is_some_and(|read| read.ends_with('\t')) {
        offset -= 1;
    }
    let span = place(text, source, offset);
    if *error.kind() == ErrorKind::RecursionLimitExceeded {
        return too_deep(span, budget);
    }
    let diagnostic = Diagnostic::new("syntax", format!("not YAML: {}", error.info())).at(span);
    match remedy(error.kind()) {
        Some(remedy) => diagnostic.hint(remedy),
        None => diagnostic,
    }
}

/// The character at an offset; behind the last one for the end of the file.
fn place(text: &str, source: usize, offset: usize) -> Span {
    let start = text.floor_char_boundary(offset);
    let end =
        start + text.get(start..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
    let last = text.trim_end().len();
    if start >= last {
        Span { source, start: last, end: last }
    } else {
        Span { source, start, end }
    }
}

fn is_about_tab(kind: &ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::TabNotAllowed
            | ErrorKind::TabInBlockIndentation
            | ErrorKind::TabInIndentation
            | ErrorKind::TabInPlainScalar
            | ErrorKind::TabAtBlockScalarStart
    )
}

/// What to do about the syntax errors that people make most.
fn remedy(kind: &ErrorKind) -> Option<&'static str> {
    match kind {
        kind if is_about_tab(kind) => Some("indent with spaces"),
        ErrorKind::MappingValueNotAllowed
        | ErrorKind::InvalidColonPlacement
        | ErrorKind::SimpleKeyExpected => {
            Some("a text that contains `: ` must be in quotes; a key must stand under its siblings")
        }
        ErrorKind::InvalidIndentation
        | ErrorKind::ExpectedBlockMappingKey
        | ErrorKind::ExpectedBlockSequenceEntry => {
            Some("the entries of a list or mapping must be indented alike")
        }
        ErrorKind::UnexpectedCharacter { .. } => {
            Some("a text that begins with this character must be in quotes")
        }
        ErrorKind::UnknownQuotedScalarEscape => {
            Some("write a backslash twice, or use single quotes")
        }
        _ => None,
    }
}
