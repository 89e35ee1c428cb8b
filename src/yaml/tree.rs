//! The events of the parser to a tree.

use std::collections::{HashMap, HashSet};

use granit_parser::{Event, ScalarStyle, Tag};

use super::node::{Entry, Kind, Node, Scalar, Value};
use super::parse::{Dialect, too_deep};
use super::scalar;
use super::span::{Span, Spanned};
use crate::diagnostic::{Diagnostic, Problems};

/// Why nothing can be read any more. It is boxed because it is rare and large.
type Fatal = Box<Diagnostic>;

/// A tree that grows. It is built without recursion, whatever the nesting.
pub(super) struct Tree<'a> {
    text: &'a str,
    source: usize,
    dialect: &'a Dialect,
    problems: &'a mut Problems,
    open: Vec<Open>,
    anchors: HashMap<usize, Anchored>,
    root: Option<Node>,
    documents: usize,
    /// What the tree holds, aliases followed.
    spent: Weight,
    /// What the copies kept for aliases hold. It is counted apart, so that nested anchors do not
    /// seem to grow the tree.
    kept: Weight,
}

#[derive(Clone, Copy, Default)]
struct Weight {
    nodes: usize,
    text: usize,
}

/// A value that aliases can stand for.
struct Anchored {
    node: Node,
    weight: Weight,
    /// How many lists and mappings are nested in it, itself included; none in a scalar.
    height: usize,
}

/// A list or mapping that is not closed yet.
struct Open {
    start: usize,
    end: usize,
    anchor: usize,
    tag: Tagged,
    spent_before: Weight,
    height: usize,
    content: Content,
}

enum Content {
    Sequence(Vec<Node>),
    Mapping(Mapping),
}

#[derive(Default)]
struct Mapping {
    entries: Vec<Entry>,
    keys: HashMap<String, Span>,
    merged: Vec<Node>,
    key: Option<Key>,
}

/// The key whose value comes next.
enum Key {
    Named(Spanned<String>),
    /// `<<`, which takes entries over from other mappings.
    Merge,
    /// A key that was reported; its value is dropped.
    Refused,
}

/// What a tag says.
enum Tagged {
    Nothing,
    /// The part behind `!!`.
    Core(String),
    /// `!`, which makes a text of anything.
    Text,
    Kept(String),
    Refused,
}

/// A value that is ready to be put where it belongs.
struct Ready {
    node: Node,
    height: usize,
    is_merge_key: bool,
}

impl<'a> Tree<'a> {
    pub(super) fn new(
        text: &'a str,
        source: usize,
        dialect: &'a Dialect,
        problems: &'a mut Problems,
    ) -> Tree<'a> {
        Tree {
            text,
            source,
            dialect,
            problems,
            open: Vec::new(),
            anchors: HashMap::new(),
            root: None,
            documents: 0,
            spent: Weight::default(),
            kept: Weight::default(),
        }
    }

    /// Takes the next event. Says whether the tree wants more.
    pub(super) fn event(
        &mut self,
        event: Event<'_>,
        span: granit_parser::Span,
    ) -> Result<bool, Fatal> {
        let place = self.place(&span);
        match event {
            Event::DocumentStart(..) => return Ok(self.document(place)),
            Event::Scalar(text, style, anchor, tag) => {
                let tag = self.tag(tag.as_deref(), &span);
                self.scalar(&text, style == ScalarStyle::Plain, anchor, tag, place)?;
            }
            Event::SequenceStart(_, anchor, tag) => {
                let tag = self.tag(tag.as_deref(), &span);
                self.push(Content::Sequence(Vec::new()), anchor, tag, place)?;
            }
            Event::MappingStart(_, anchor, tag) => {
                let tag = self.tag(tag.as_deref(), &span);
                self.push(Content::Mapping(Mapping::default()), anchor, tag, place)?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.pop(place)?,
            Event::Alias(anchor) => self.alias(anchor, place)?,
            Event::UnresolvedAlias(name) => {
                let message = format!("nothing before this is marked `&{name}`");
                self.problems.push(Diagnostic::new("unknown-anchor", message).at(place));
                self.refused(place)?;
            }
            // The rest is the frame of the stream, and what we did not ask for.
            _ => {}
        }
        Ok(true)
    }

    /// The tree; a null at the beginning of the file where the file is empty.
    pub(super) fn finish(self) -> Node {
        let nothing = Scalar { text: String::new(), kind: Kind::Null };
        let span = Span { source: self.source, start: 0, end: 0 };
        self.root.unwrap_or(Node { span, tag: None, value: Value::Scalar(nothing) })
    }

    fn document(&mut self, place: Span) -> bool {
        self.documents += 1;
        if self.documents > 1 {
            let several = Diagnostic::new("several-documents", "a second document begins here");
            self.problems.push(several.at(place).hint("put each document into a file of its own"));
        }
        self.documents == 1
    }

    fn scalar(
        &mut self,
        text: &str,
        plain: bool,
        anchor: usize,
        tag: Tagged,
        place: Span,
    ) -> Result<(), Fatal> {
        // The parser writes `~` for a value that is not there at all.
        let text = if plain && place.start == place.end { "" } else { text };
        let spent_before = self.spent;
        self.spend(Weight { nodes: 1, text: text.len() }, place)?;
        let is_merge_key = plain && text == "<<" && matches!(tag, Tagged::Nothing);
        let own = if plain { scalar::kind(text) } else { Kind::Text };
        let (kind, kept) = match tag {
            Tagged::Nothing => (Some(own), None),
            Tagged::Text => (Some(Kind::Text), None),
            Tagged::Kept(tag) => (Some(own), Some(tag)),
            Tagged::Refused => (None, None),
            Tagged::Core(name) => (self.cast(&name, text, place), None),
        };
        let value = kind
            .map_or(Value::Refused, |kind| Value::Scalar(Scalar { text: text.to_owned(), kind }));
        let node = Node { span: place, tag: kept, value };
        self.keep(anchor, &node, spent_before, 0, place)?;
        self.complete(Ready { node, height: 0, is_merge_key });
        Ok(())
    }

    /// What `!!name` makes of a scalar.
    fn cast(&mut self, name: &str, text: &str, place: Span) -> Option<Kind> {
        let kind = match (name, scalar::kind(text)) {
            ("str", _) => Some(Kind::Text),
            ("null", Kind::Null) => Some(Kind::Null),
            ("bool", Kind::Bool(value)) => Some(Kind::Bool(value)),
            ("int", Kind::Integer(value)) => Some(Kind::Integer(value)),
            ("float", Kind::Float(value)) => Some(Kind::Float(value)),
            #[expect(clippy::cast_precision_loss, reason = "the tag asks for a float")]
            ("float", Kind::Integer(value)) => Some(Kind::Float(value as f64)),
            _ => None,
        };
        if kind.is_none() {
            self.mismatch(name, place);
        }
        kind
    }

    fn mismatch(&mut self, name: &str, place: Span) {
        let message = format!("this is no `!!{name}`");
        self.problems.push(Diagnostic::new("tag-mismatch", message).at(place));
    }

    fn push(
        &mut self,
        content: Content,
        anchor: usize,
        tag: Tagged,
        place: Span,
    ) -> Result<(), Fatal> {
        if self.open.len() + 1 > self.dialect.budget.depth {
            return Err(Box::new(too_deep(place, &self.dialect.budget)));
        }
        let spent_before = self.spent;
        self.spend(Weight { nodes: 1, text: 0 }, place)?;
        let Span { start, end, .. } = place;
        self.open.push(Open { start, end, anchor, tag, spent_before, height: 1, content });
        Ok(())
    }

    fn pop(&mut self, place: Span) -> Result<(), Fatal> {
        // The parser closes only what it has opened.
        let Some(open) = self.open.pop() else { return Ok(()) };
        // A closing bracket belongs to the value; in block style the end is where the parser
        // noticed it, lines below the last entry.
        let end = if place.start < place.end { place.end } else { open.end };
        let span = Span { source: self.source, start: open.start, end: end.max(open.start) };
        let (name, value) = match open.content {
            Content::Sequence(items) => ("seq", Value::Sequence(items)),
            Content::Mapping(mapping) => ("map", self.merge(mapping)),
        };
        let (value, tag) = match open.tag {
            Tagged::Nothing | Tagged::Text => (value, None),
            Tagged::Core(tag) if tag == name => (value, None),
            Tagged::Core(tag) => {
                self.mismatch(&tag, span);
                (Value::Refused, None)
            }
            Tagged::Kept(tag) => (value, Some(tag)),
            Tagged::Refused => (Value::Refused, None),
        };
        let node = Node { span, tag, value };
        self.keep(open.anchor, &node, open.spent_before, open.height, span)?;
        self.complete(Ready { node, height: open.height, is_merge_key: false });
        Ok(())
    }

    /// Takes over the entries of merged mappings that the mapping does not have itself.
    fn merge(&mut self, mapping: Mapping) -> Value {
        let Mapping { mut entries, keys, merged, .. } = mapping;
        let mut known: HashSet<String> = keys.into_keys().collect();
        for node in merged {
            let span = node.span;
            let mappings = match node.value {
                Value::Sequence(items) => items,
                value => vec![Node { value, ..node }],
            };
            for mapping in mappings {
                match mapping.value {
                    Value::Mapping(more) => {
                        entries.extend(
                            more.into_iter().filter(|entry| known.insert(entry.key.value.clone())),
                        );
                    }
                    Value::Refused => {}
                    value @ (Value::Scalar(_) | Value::Sequence(_)) => {
                        let found = Node { span, tag: None, value }.described();
                        let message = format!("`<<` takes mappings over, not {found}");
                        self.problems.push(Diagnostic::new("wrong-merge", message).at(span));
                    }
                }
            }
        }
        Value::Mapping(entries)
    }

    fn alias(&mut self, anchor: usize, place: Span) -> Result<(), Fatal> {
        let Some(anchored) = self.anchors.get(&anchor) else {
            let message = "this alias stands for a value that contains it";
            self.problems.push(Diagnostic::new("recursive-alias", message).at(place));
            return self.refused(place);
        };
        let (weight, height) = (anchored.weight, anchored.height);
        if self.open.len() + height > self.dialect.budget.depth {
            return Err(Box::new(too_deep(place, &self.dialect.budget)));
        }
        // What the copy will weigh is known, so that a bomb is refused before it is copied.
        self.spend(weight, place)?;
        let Some(anchored) = self.anchors.get(&anchor) else { return Ok(()) };
        let node = Node { span: place, ..anchored.node.clone() };
        self.complete(Ready { node, height, is_merge_key: false });
        Ok(())
    }

    fn refused(&mut self, place: Span) -> Result<(), Fatal> {
        self.spend(Weight { nodes: 1, text: 0 }, place)?;
        let node = Node { span: place, tag: None, value: Value::Refused };
        self.complete(Ready { node, height: 0, is_merge_key: false });
        Ok(())
    }

    /// Puts a value where it belongs.
    fn complete(&mut self, ready: Ready) {
        let Ready { mut node, height, is_merge_key } = ready;
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return;
        };
        open.end = open.end.max(node.span.end);
        open.height = open.height.max(height + 1);
        let mapping = match &mut open.content {
            Content::Sequence(items) => {
                items.push(node);
                return;
            }
            Content::Mapping(mapping) => mapping,
        };
        match mapping.key.take() {
            None if is_merge_key && !mapping.merged.is_empty() => {
                let twice = Diagnostic::new("duplicate-key", "the key `<<` is here twice");
                self.problems.push(twice.at(node.span).hint("write `<<: [*one, *another]`"));
                mapping.key = Some(Key::Refused);
            }
            None if is_merge_key => mapping.key = Some(Key::Merge),
            None => mapping.key = Some(mapping.named(node, self.problems)),
            Some(Key::Merge) => mapping.merged.push(node),
            Some(Key::Refused) => {}
            Some(Key::Named(key)) => {
                // A value that is not there is shown where its key is.
                if node.span.start == node.span.end {
                    node.span = key.span;
                }
                mapping.entries.push(Entry { key, value: node });
            }
        }
    }

    /// Keeps a copy of a value for its aliases.
    fn keep(
        &mut self,
        anchor: usize,
        node: &Node,
        spent_before: Weight,
        height: usize,
        place: Span,
    ) -> Result<(), Fatal> {
        // The parser counts anchors from 1; 0 is none.
        if anchor == 0 {
            return Ok(());
        }
        let weight = Weight {
            nodes: self.spent.nodes - spent_before.nodes,
            text: self.spent.text - spent_before.text,
        };
        self.kept = self.within_budget(self.kept, weight, place)?;
        self.anchors.insert(anchor, Anchored { node: node.clone(), weight, height });
        Ok(())
    }

    fn spend(&mut self, weight: Weight, place: Span) -> Result<(), Fatal> {
        self.spent = self.within_budget(self.spent, weight, place)?;
        Ok(())
    }

    fn within_budget(&self, spent: Weight, more: Weight, place: Span) -> Result<Weight, Fatal> {
        let nodes = spent.nodes.saturating_add(more.nodes);
        let text = spent.text.saturating_add(more.text);
        let budget = &self.dialect.budget;
        let message = if nodes > budget.nodes {
            format!("the file holds more than {} values, aliases followed", budget.nodes)
        } else if text > budget.text {
            format!("the file holds more than {} bytes of text, aliases followed", budget.text)
        } else {
            return Ok(Weight { nodes, text });
        };
        Err(Box::new(Diagnostic::new("too-many-values", message).at(place)))
    }

    fn tag(&mut self, tag: Option<&Tag>, span: &granit_parser::Span) -> Tagged {
        let Some(tag) = tag else { return Tagged::Nothing };
        let name = tag.original();
        if let Some(core) = tag.core_suffix() {
            return Tagged::Core(core.to_owned());
        }
        if name == "!" {
            return Tagged::Text;
        }
        if self.dialect.tags.contains(&name.as_str()) {
            return Tagged::Kept(name);
        }
        let place = self.place(&span.tag_span().unwrap_or(*span));
        let message = format!("unknown tag `{name}`");
        self.problems.push(Diagnostic::new("unknown-tag", message).at(place));
        Tagged::Refused
    }

    /// A place as we keep it, inside the text and between characters whatever the parser says.
    fn place(&self, span: &granit_parser::Span) -> Span {
        let offset = |marker: &granit_parser::Marker| {
            self.text.floor_char_boundary(marker.byte_offset().unwrap_or_default())
        };
        let start = offset(&span.start);
        Span { source: self.source, start, end: offset(&span.end).max(start) }
    }
}

impl Mapping {
    /// Makes a key of a value.
    fn named(&mut self, node: Node, problems: &mut Problems) -> Key {
        let text = match node.value {
            Value::Scalar(scalar) => scalar.text,
            Value::Refused => return Key::Refused,
            Value::Sequence(_) | Value::Mapping(_) => {
                let message = "a key must be a single word or text";
                problems.push(Diagnostic::new("wrong-key", message).at(node.span));
                return Key::Refused;
            }
        };
        if let Some(first) = self.keys.get(&text) {
            let message = format!("the key `{text}` is here twice");
            problems.push(
                Diagnostic::new("duplicate-key", message).at(node.span).label(*first, "first here"),
            );
            return Key::Refused;
        }
        self.keys.insert(text.clone(), node.span);
        Key::Named(Spanned { value: text, span: node.span })
    }
}
