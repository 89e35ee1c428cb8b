//! YAML text to a tree of nodes with positions.

use granit_parser::{Event, Parser, ScalarStyle};

use super::Span;
use crate::diagnostic::Diagnostic;

/// How many nodes a document may have once its aliases are followed. The largest scenario that
/// we know has a few thousand.
const MAX_NODES: usize = 200_000;
/// How deep it may nest.
const MAX_DEPTH: usize = 64;

/// One node.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Where it stands.
    pub span: Span,
    /// What it is.
    pub kind: Kind,
}

/// What a node is: YAML 1.2, core schema. `yes` and `on` are strings.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// Nothing.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// Another number.
    Float(f64),
    /// Text.
    Text(String),
    /// A list.
    Sequence(Vec<Node>),
    /// Keys and values in the order of the text.
    Mapping(Vec<(Key, Node)>),
}

/// A key of a mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Where it stands.
    pub span: Span,
    /// The key.
    pub text: String,
}

impl Node {
    /// The value of a key, where this is a mapping that has it.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Node> {
        match &self.kind {
            Kind::Mapping(members) => {
                members.iter().find(|(name, _)| name.text == key).map(|(_, value)| value)
            }
            _ => None,
        }
    }

    /// What it is, with an article, for messages.
    #[must_use]
    pub fn describe(&self) -> &'static str {
        match self.kind {
            Kind::Null => "nothing",
            Kind::Bool(_) => "a boolean",
            Kind::Integer(_) | Kind::Float(_) => "a number",
            Kind::Text(_) => "text",
            Kind::Sequence(_) => "a list",
            Kind::Mapping(_) => "a mapping",
        }
    }
}

/// Whether tags that we do not know are ignored, as in Compose files, or refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tags {
    /// Ignored.
    Ignored,
    /// Refused.
    Refused,
}

/// Reads one document. What can be read around a problem is read.
///
/// # Errors
/// When the text is no YAML, or is too large once its aliases are followed.
pub fn read(text: &str, source: usize, tags: Tags, problems: &mut Vec<Diagnostic>) -> Option<Node> {
    let mut reader = Reader {
        events: Parser::new_from_str(text).peekable_events(),
        text,
        source,
        tags,
        anchors: std::collections::BTreeMap::new(),
        nodes: 0,
        problems,
    };
    match reader.document() {
        Ok(node) => Some(node),
        Err(stop) => {
            problems.push(*stop);
            None
        }
    }
}

/// A problem after which nothing more can be read.
type Stop = Box<Diagnostic>;

struct Reader<'a, 'p, I> {
    events: I,
    text: &'a str,
    source: usize,
    tags: Tags,
    anchors: std::collections::BTreeMap<usize, (Node, usize)>,
    nodes: usize,
    problems: &'p mut Vec<Diagnostic>,
}

type Item<'a> = Result<(Event<'a>, granit_parser::Span), granit_parser::ScanError>;

/// The parser is an iterator already; this names it so that the reader can be generic.
trait Events<'a> {
    fn peekable_events(self) -> impl Iterator<Item = Item<'a>>;
}

impl<'a, I: Iterator<Item = Item<'a>>> Events<'a> for I {
    fn peekable_events(self) -> impl Iterator<Item = Item<'a>> {
        self
    }
}

impl<'a, I: Iterator<Item = Item<'a>>> Reader<'a, '_, I> {
    fn document(&mut self) -> Result<Node, Stop> {
        let whole = Span { source: self.source, start: 0, end: self.text.len().min(1) };
        loop {
            match self.next()? {
                None | Some((Event::StreamEnd, _)) => {
                    return Err(Box::new(
                        Diagnostic::new("empty-file", "the file holds no YAML document").at(whole),
                    ));
                }
                Some((Event::StreamStart | Event::DocumentStart(..), _)) => {}
                Some((event, span)) => {
                    let node = self.node(event, span, 0)?;
                    self.only_one()?;
                    return Ok(node);
                }
            }
        }
    }

    fn only_one(&mut self) -> Result<(), Stop> {
        while let Some((event, span)) = self.next()? {
            if let Event::DocumentStart(..) = event {
                let diagnostic =
                    Diagnostic::new("several-documents", "the file holds a second YAML document")
                        .at(self.span(&span))
                        .hint("put each scenario into a file of its own");
                return Err(Box::new(diagnostic));
            }
        }
        Ok(())
    }

    fn next(&mut self) -> Result<Option<(Event<'a>, granit_parser::Span)>, Stop> {
        match self.events.next() {
            None => Ok(None),
            Some(Ok(item)) => Ok(Some(item)),
            Some(Err(error)) => {
                let start = self.offset(error.marker());
                let span = Span { source: self.source, start, end: self.after(start) };
                let message = format!("this is not YAML: {}", error.info());
                Err(Box::new(Diagnostic::new("syntax-error", message).at(span)))
            }
        }
    }

    fn node(
        &mut self,
        event: Event<'a>,
        span: granit_parser::Span,
        depth: usize,
    ) -> Result<Node, Stop> {
        let at = self.span(&span);
        self.count(1, at)?;
        if depth > MAX_DEPTH {
            let message = format!("the document nests more than {MAX_DEPTH} deep");
            return Err(Box::new(Diagnostic::new("too-deep", message).at(at)));
        }
        let before = self.nodes;
        let (node, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.check_tag(tag.as_deref(), at);
                let plain = style == ScalarStyle::Plain;
                (Node { span: at, kind: scalar(&text, plain) }, anchor)
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.check_tag(tag.as_deref(), at);
                (self.sequence(at, depth)?, anchor)
            }
            Event::MappingStart(_, anchor, tag) => {
                self.check_tag(tag.as_deref(), at);
                (self.mapping(at, depth)?, anchor)
            }
            Event::Alias(anchor) => {
                let Some((node, size)) = self.anchors.get(&anchor) else {
                    let message = "the alias stands inside its own anchor";
                    return Err(Box::new(Diagnostic::new("endless-alias", message).at(at)));
                };
                let (node, size) = (node.clone(), *size);
                self.count(size, at)?;
                return Ok(node);
            }
            _ => (Node { span: at, kind: Kind::Null }, 0),
        };
        if anchor > 0 {
            let size = self.nodes - before + 1;
            self.anchors.insert(anchor, (node.clone(), size));
        }
        Ok(node)
    }

    fn sequence(&mut self, start: Span, depth: usize) -> Result<Node, Stop> {
        let mut nodes = Vec::new();
        loop {
            match self.next()? {
                None => return Err(self.breaks_off(start)),
                Some((Event::SequenceEnd, span)) => {
                    let span = start.to(self.span(&span));
                    return Ok(Node { span, kind: Kind::Sequence(nodes) });
                }
                Some((event, span)) => nodes.push(self.node(event, span, depth + 1)?),
            }
        }
    }

    fn mapping(&mut self, start: Span, depth: usize) -> Result<Node, Stop> {
        let mut members: Vec<(Key, Node)> = Vec::new();
        let mut merged: Vec<(Key, Node)> = Vec::new();
        loop {
            let (event, span) = match self.next()? {
                None => return Err(self.breaks_off(start)),
                Some((Event::MappingEnd, span)) => {
                    // A key that the mapping has itself wins over a merged one.
                    for (key, value) in merged {
                        if !members.iter().any(|(known, _)| known.text == key.text) {
                            members.push((key, value));
                        }
                    }
                    let span = start.to(self.span(&span));
                    return Ok(Node { span, kind: Kind::Mapping(members) });
                }
                Some(item) => item,
            };
            let key = self.node(event, span, depth + 1)?;
            let Some((event, span)) = self.next()? else { return Err(self.breaks_off(start)) };
            let value = self.node(event, span, depth + 1)?;
            let Some(text) = key_text(&key) else {
                let message = format!("a key must be text, and this is {}", key.describe());
                self.problems.push(Diagnostic::new("wrong-type", message).at(key.span));
                continue;
            };
            if text == "<<" {
                self.merge(value, &mut merged);
            } else if let Some((first, _)) = members.iter().find(|(known, _)| known.text == text) {
                let message = format!("the key `{text}` stands here twice");
                let diagnostic = Diagnostic::new("duplicate-key", message)
                    .at(key.span)
                    .label(first.span, "here first");
                self.problems.push(diagnostic);
            } else {
                members.push((Key { span: key.span, text }, value));
            }
        }
    }

    fn merge(&mut self, value: Node, merged: &mut Vec<(Key, Node)>) {
        match value.kind {
            Kind::Mapping(members) => merged.extend(members),
            Kind::Sequence(nodes) => nodes.into_iter().for_each(|node| self.merge(node, merged)),
            _ => {
                let message = format!("`<<` takes a mapping, and this is {}", value.describe());
                self.problems.push(Diagnostic::new("wrong-type", message).at(value.span));
            }
        }
    }

    fn check_tag(&mut self, tag: Option<&granit_parser::Tag>, at: Span) {
        let Some(tag) = tag else { return };
        let core = tag.handle().starts_with("tag:yaml.org,2002:");
        if self.tags == Tags::Refused && !core {
            let message = format!("the tag `{}{}` is not known", tag.handle(), tag.suffix());
            self.problems.push(Diagnostic::new("unknown-tag", message).at(at));
        }
    }

    fn count(&mut self, nodes: usize, at: Span) -> Result<(), Stop> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes > MAX_NODES {
            let message = format!(
                "the document has more than {MAX_NODES} nodes once its aliases are followed"
            );
            let diagnostic = Diagnostic::new("too-large", message)
                .at(at)
                .hint("write out what is meant, without aliases of aliases");
            return Err(Box::new(diagnostic));
        }
        Ok(())
    }

    fn breaks_off(&self, start: Span) -> Stop {
        Box::new(Diagnostic::new("syntax-error", "the document breaks off").at(start))
    }

    fn span(&self, span: &granit_parser::Span) -> Span {
        let start = self.offset(&span.start);
        let end = self.offset(&span.end).max(start);
        Span { source: self.source, start, end }.trimmed(self.text)
    }

    fn offset(&self, marker: &granit_parser::Marker) -> usize {
        marker
            .byte_offset()
            .unwrap_or_else(|| {
                self.text.char_indices().nth(marker.index()).map_or(self.text.len(), |(at, _)| at)
            })
            .min(self.text.len())
    }

    fn after(&self, start: usize) -> usize {
        self.text[start..].chars().next().map_or(start, |c| start + c.len_utf8())
    }
}

fn key_text(key: &Node) -> Option<String> {
    match &key.kind {
        Kind::Text(text) => Some(text.clone()),
        Kind::Integer(number) => Some(number.to_string()),
        Kind::Bool(flag) => Some(flag.to_string()),
        Kind::Null | Kind::Float(_) | Kind::Sequence(_) | Kind::Mapping(_) => None,
    }
}

/// YAML 1.2.2, section 10.3.2. Only plain scalars are anything but text.
fn scalar(text: &str, plain: bool) -> Kind {
    if !plain {
        return Kind::Text(text.to_owned());
    }
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Kind::Null,
        "true" | "True" | "TRUE" => return Kind::Bool(true),
        "false" | "False" | "FALSE" => return Kind::Bool(false),
        _ => {}
    }
    if let Ok(number) = text.strip_prefix('+').unwrap_or(text).parse() {
        return Kind::Integer(number);
    }
    let numeric = text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c))
        && text.chars().all(|c| c.is_ascii_digit() || "+-.eE".contains(c));
    match text.parse() {
        Ok(number) if numeric => Kind::Float(number),
        _ => Kind::Text(text.to_owned()),
    }
}
