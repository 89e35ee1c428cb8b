//! A tree to any type, with every problem reported at once.
//!
//! A serde visitor stops at the first error, and it cannot be resumed: it is gone by then. So the
//! tree is read in passes. What failed in one pass is reported and remembered, and the next pass
//! leaves it out: an element is missing from its list, an optional value has its default, and a
//! required value is stood in for ([`filler`]) until everything beside it was looked at too. The
//! passes end when one comes through or nothing is left to leave out.

use serde::Deserialize;
use serde::de::{Expected, Visitor};

mod access;
mod error;
mod filler;
mod session;

use super::node::{Entry, Kind, Node, Scalar, Value};
use super::span::SPANNED;
use crate::diagnostic::{Diagnostic, Problems, nearest};
use access::{Elements, Entries, Fields, Position, Variant};
use error::Error;
use session::Session;

/// Makes a `T` of a tree and adds every problem to `problems`.
///
/// With problems there may still be a value, from which whatever was wrong is left out, so that
/// further rules can be tried on it. Only a value without problems is whole.
///
/// Keys that a struct does not know are problems, whatever its serde attributes say. Types must
/// not use `untagged`, `flatten` or internal tags: serde buffers for these, and places are lost.
pub fn deserialize<'n, T: Deserialize<'n>>(root: &'n Node, problems: &mut Problems) -> Option<T> {
    let session = Session::default();
    loop {
        let result = T::deserialize(Reader { session: &session, node: root, role: Role::File });
        let value = match result {
            Ok(value) => Some(value),
            Err(Error::Again) if session.goes_on() => continue,
            Err(error) => {
                session.report_at(root, error);
                None
            }
        };
        problems.append(session.finish());
        return value;
    }
}

/// Reads one node.
#[derive(Clone, Copy)]
struct Reader<'s, 'n> {
    session: &'s Session,
    node: &'n Node,
    role: Role<'n>,
}

/// What a node is to the file, for messages.
#[derive(Clone, Copy)]
enum Role<'n> {
    /// All of it.
    File,
    /// The value of a key.
    Value(&'n str),
    /// An entry of the list with this key.
    Item(&'n str),
}

impl<'n> Role<'n> {
    /// The beginning of a sentence about the node.
    fn subject(self) -> String {
        match self {
            Role::File => "the file".to_owned(),
            Role::Value(key) => format!("`{key}`"),
            Role::Item(key) => format!("an entry of `{key}`"),
        }
    }

    /// The end of a sentence about something in the node.
    fn within(self) -> String {
        match self {
            Role::File => String::new(),
            Role::Value(key) => format!(" in `{key}`"),
            Role::Item(key) => format!(" in an entry of `{key}`"),
        }
    }

    /// The role of the entries of a list that has this role.
    fn of_items(self) -> Role<'n> {
        match self {
            Role::Value(key) | Role::Item(key) => Role::Item(key),
            Role::File => Role::File,
        }
    }
}

impl<'n> Reader<'_, 'n> {
    fn wrong_type(&self, expected: &str) -> Error {
        if matches!(self.node.value, Value::Refused) {
            return Error::Faulty;
        }
        let (subject, found) = (self.role.subject(), self.node.described());
        let message = match self.role {
            Role::File if self.node.is_null() => "the file is empty".to_owned(),
            Role::File | Role::Value(_) | Role::Item(_) => {
                format!("{subject} must be {expected}, not {found}")
            }
        };
        Error::problem(Diagnostic::new("wrong-type", message))
    }

    fn scalar(&self) -> Option<&'n Scalar> {
        match &self.node.value {
            Value::Scalar(scalar) => Some(scalar),
            Value::Sequence(_) | Value::Mapping(_) | Value::Refused => None,
        }
    }

    fn mapping(&self) -> Result<&'n [Entry], Error> {
        self.node.as_mapping().ok_or_else(|| self.wrong_type("a mapping"))
    }

    fn text(&self, expected: &dyn Expected) -> Result<&'n str, Error> {
        if let Some(text) = self.node.as_text() {
            return Ok(text);
        }
        let expected = expected.to_string();
        // Serde's own types say `a string`; a type that says more wants more than quotes.
        if expected != "a string" && expected != "a borrowed string" {
            return Err(self.wrong_type(&expected));
        }
        let error = self.wrong_type("a text");
        Err(match self.scalar() {
            Some(scalar) if scalar.kind != Kind::Null => {
                error.hint(format!("put it in quotes: \"{}\"", scalar.text))
            }
            _ => error,
        })
    }

    fn integer<T>(&self, least: T, most: T) -> Result<T, Error>
    where
        T: TryFrom<i128> + std::fmt::Display,
    {
        let integer = match self.scalar().map(|scalar| scalar.kind) {
            Some(Kind::Integer(integer)) => T::try_from(integer).ok(),
            _ => None,
        };
        integer.ok_or_else(|| self.wrong_type(&format!("a whole number from {least} to {most}")))
    }

    fn list<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, Error> {
        self.session.visit();
        match &self.node.value {
            Value::Sequence(items) => visitor.visit_seq(Elements::new(&self, items)),
            Value::Scalar(scalar) if scalar.kind == Kind::Text => Err(self
                .wrong_type("a list")
                .hint(format!("write it as a list: [\"{}\"]", scalar.text))),
            _ => Err(self.wrong_type("a list")),
        }
    }

    fn fields<V: Visitor<'n>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let entries = self.mapping()?;
        self.session.visit();
        let unknown = entries.iter().filter(|e| !fields.contains(&e.key.value.as_str()));
        // A key that is spelt wrong is one problem, not also a missing key.
        let mut misspelt = Vec::new();
        for entry in unknown {
            let message = format!("unknown key `{}`{}", entry.key.value, self.role.within());
            let unknown = Diagnostic::new("unknown-key", message).at(entry.key.span);
            self.session.report(unknown.suggest(&entry.key.value, fields));
            misspelt.extend(nearest(&entry.key.value, fields.iter().copied()));
        }
        let filled = self.session.filled(self.node);
        let whole = filled.is_empty();
        match visitor.visit_map(Fields::new(&self, entries, fields, filled)) {
            // It was only made to look at everything in it.
            Ok(_) if !whole => Err(Error::Faulty),
            Ok(value) => Ok(value),
            Err(Error::Missing(field)) => {
                let present = entries.iter().any(|entry| entry.key.value == field);
                if !present && !misspelt.contains(&field) {
                    let message = format!("missing key `{field}`{}", self.role.within());
                    let missing = Diagnostic::new("missing-key", message);
                    self.session.report(missing.at(self.node.span));
                }
                // A type that asks for what it was given cannot be satisfied.
                let is_new = self.session.fill(self.node, field);
                Err(if is_new { Error::Again } else { Error::Faulty })
            }
            Err(error) => Err(error),
        }
    }

    fn variant<V: Visitor<'n>>(
        self,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.session.visit();
        if let Some(word) = self.node.as_text() {
            if !variants.contains(&word) {
                return Err(self.unknown_value(word, variants));
            }
            return visitor.visit_enum(Variant { reader: self, name: word, content: None });
        }
        let Value::Mapping(entries) = &self.node.value else {
            return Err(self.wrong_type(&format!("one of {}", variants.join(", "))));
        };
        let [entry] = entries.as_slice() else {
            return Err(self.not_one_key(entries));
        };
        let word = &entry.key.value;
        if !variants.contains(&word.as_str()) {
            let unknown = self.unknown_value(word, variants);
            return Err(unknown.at(entry.key.span));
        }
        visitor.visit_enum(Variant { reader: self, name: word, content: Some(&entry.value) })
    }

    fn not_one_key(&self, entries: &[Entry]) -> Error {
        let (subject, count) = (self.role.subject(), entries.len());
        let message = format!("{subject} must have exactly one key, not {count}");
        let error = Error::problem(Diagnostic::new("wrong-type", message));
        match entries.get(1) {
            Some(second) => {
                error.at(second.key.span).hint("the keys below it may have to be indented further")
            }
            None => error,
        }
    }

    fn unknown_value(&self, word: &str, variants: &[&str]) -> Error {
        let message = match self.role {
            Role::File => format!("unknown value `{word}`"),
            Role::Value(key) => format!("unknown value `{word}` for `{key}`"),
            Role::Item(key) => format!("unknown entry `{word}` in `{key}`"),
        };
        Error::problem(Diagnostic::new("unknown-value", message).suggest(word, variants))
    }
}

macro_rules! integers {
    ($($deserialize:ident $visit:ident $type:ident),*) => {$(
        fn $deserialize<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, Error> {
            visitor.$visit(self.integer($type::MIN, $type::MAX)?)
        }
    )*};
}

impl<'n> serde::Deserializer<'n> for Reader<'_, 'n> {
    type Error = Error;

    integers!(
        deserialize_i8 visit_i8 i8, deserialize_i16 visit_i16 i16,
        deserialize_i32 visit_i32 i32, deserialize_i64 visit_i64 i64,
        deserialize_u8 visit_u8 u8, deserialize_u16 visit_u16 u16,
        deserialize_u32 visit_u32 u32, deserialize_u64 visit_u64 u64
    );

    fn deserialize_any<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.node.value {
            Value::Sequence(_) => self.list(visitor),
            Value::Mapping(_) => self.deserialize_map(visitor),
            Value::Refused => Err(Error::Faulty),
            Value::Scalar(scalar) => match scalar.kind {
                Kind::Null => visitor.visit_unit(),
                Kind::Bool(value) => visitor.visit_bool(value),
                Kind::Float(value) => visitor.visit_f64(value),
                Kind::Text => visitor.visit_borrowed_str(&scalar.text),
                Kind::Integer(value) => {
                    if let Ok(value) = u64::try_from(value) {
                        visitor.visit_u64(value)
                    } else if let Ok(value) = i64::try_from(value) {
                        visitor.visit_i64(value)
                    } else {
                        visitor.visit_i128(value)
                    }
                }
            },
        }
    }

    fn deserialize_bool<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, Error> {
        let meant = match self.scalar().map(|scalar| (scalar.kind, scalar.text.as_str())) {
            Some((Kind::Bool(value), _)) => return visitor.visit_bool(value),
            Some((_, "yes" | "Yes" | "YES" | "y" | "on" | "On" | "ON")) => Some("true"),
            Some((_, "no" | "No" | "NO" | "n" | "off" | "Off" | "OFF")) => Some("false"),
            _ => None,
        };
        let error = self.wrong_type("true or false");
        Err(match meant {
            Some(meant) => error.hint(format!("write `{meant}`")),
            None => error,
        })
    }

    fn deserialize_f32<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_f64<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.scalar().map(|scalar| scalar.kind) {
            Some(Kind::Float(value)) => visitor.visit_f64(value),
            #[expect(clippy::cast_precision_loss, reason = "a number is asked for, of any kind")]
            Some(Kind::Integer(value)) => visitor.visit_f64(value as f64),
            _ => Err(self.wrong_type("a number")),
        }
    }

    fn deserialize_char<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_str<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, Error> {
        let text = self.text(&visitor)?;
        visitor.visit_borrowed_str(text)
    }

    fn deserialize_string<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bytes<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_byte_buf<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.node.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_unit<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.node.is_null() { visitor.visit_unit() } else { Err(self.wrong_type("empty")) }
    }

    fn deserialize_unit_struct<V: Visitor<'n>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'n>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, Error> {
        self.list(visitor)
    }

    fn deserialize_tuple<V: Visitor<'n>>(self, len: usize, visitor: V) -> Result<V::Value, Error> {
        let items = self.node.as_sequence().unwrap_or_default();
        // A tuple has places, so that nothing can be left out of it.
        if items.iter().any(|item| self.session.is_faulty(item)) {
            return Err(Error::Faulty);
        }
        if items.len() != len {
            return Err(self.wrong_type(&format!("a list of {len}")));
        }
        self.list(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'n>>(
        self,
        _name: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_tuple(len, visitor)
    }

    fn deserialize_map<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, Error> {
        let entries = self.mapping()?;
        self.session.visit();
        visitor.visit_map(Entries::new(&self, entries))
    }

    fn deserialize_struct<V: Visitor<'n>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        if name == SPANNED {
            return visitor.visit_seq(Position::new(self));
        }
        self.fields(fields, visitor)
    }

    fn deserialize_enum<V: Visitor<'n>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.variant(variants, visitor)
    }

    fn deserialize_identifier<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }
}
