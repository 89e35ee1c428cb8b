//! The tree of a YAML document, with the place of every part.

use super::{Span, Spanned};

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Where it stands. For the value of an alias, where the alias stands.
    pub span: Span,
    /// The tag, such as `!reset`, if it has one that the dialect tolerates.
    pub tag: Option<String>,
    /// The value.
    pub value: Value,
}

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A single word or text.
    Scalar(Scalar),
    /// A list.
    Sequence(Vec<Node>),
    /// Keys and values in the order of the file, merged ones last. No key comes twice.
    Mapping(Vec<Entry>),
    /// Something that was reported already and that nothing can be made of.
    Refused,
}

/// A key and its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The key.
    pub key: Spanned<String>,
    /// The value.
    pub value: Node,
}

/// A scalar: its text and what the core schema of YAML 1.2 makes of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Scalar {
    /// The text, after quotes and escapes were resolved.
    pub text: String,
    /// What it is.
    pub kind: Kind,
}

/// What a scalar is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// `null`, `~` or nothing at all.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Integer(i128),
    /// Any other number.
    Float(f64),
    /// Everything else, also `yes`, `no`, `on` and `off`, and everything in quotes.
    Text,
}

impl Node {
    /// The text of a scalar that is a text.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar(scalar) if scalar.kind == Kind::Text => Some(&scalar.text),
            Value::Scalar(_) | Value::Sequence(_) | Value::Mapping(_) | Value::Refused => None,
        }
    }

    /// The items of a list.
    #[must_use]
    pub fn as_sequence(&self) -> Option<&[Node]> {
        match &self.value {
            Value::Sequence(items) => Some(items),
            Value::Scalar(_) | Value::Mapping(_) | Value::Refused => None,
        }
    }

    /// The entries of a mapping.
    #[must_use]
    pub fn as_mapping(&self) -> Option<&[Entry]> {
        match &self.value {
            Value::Mapping(entries) => Some(entries),
            Value::Scalar(_) | Value::Sequence(_) | Value::Refused => None,
        }
    }

    /// The value of a key of a mapping.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Node> {
        let entry = self.as_mapping()?.iter().find(|entry| entry.key.value == key)?;
        Some(&entry.value)
    }

    /// Whether there is nothing here: `null`, or a key without a value.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar(scalar) if scalar.kind == Kind::Null)
    }

    /// What is here, for a message: "the text `web`", "a list".
    #[must_use]
    pub fn described(&self) -> String {
        match &self.value {
            Value::Scalar(scalar) => scalar.described(),
            Value::Sequence(_) => "a list".to_owned(),
            Value::Mapping(_) => "a mapping".to_owned(),
            Value::Refused => "something unreadable".to_owned(),
        }
    }
}

impl Scalar {
    fn described(&self) -> String {
        let what = match self.kind {
            Kind::Null => return "nothing".to_owned(),
            Kind::Bool(_) => "the boolean",
            Kind::Integer(_) | Kind::Float(_) => "the number",
            Kind::Text if self.text.is_empty() => return "an empty text".to_owned(),
            Kind::Text => "the text",
        };
        format!("{what} `{}`", shortened(&self.text))
    }
}

/// The beginning of a text: a message is no place for a whole certificate.
pub(super) fn shortened(text: &str) -> String {
    const LONGEST: usize = 40;
    let mut short: String = text.chars().take(LONGEST).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}
