//! The parts of a node, one after the other, as serde asks for them.

use serde::de::value::StrDeserializer;
use serde::de::{DeserializeSeed, EnumAccess, IntoDeserializer, MapAccess, SeqAccess};
use serde::de::{VariantAccess, Visitor};

use super::super::node::{Entry, Node};
use super::super::span::Spanned;
use super::error::Error;
use super::filler::Filler;
use super::session::Session;
use super::{Reader, Role};
use crate::diagnostic::Diagnostic;

/// The elements of a list, without the faulty ones.
pub(super) struct Elements<'s, 'n> {
    session: &'s Session,
    items: std::slice::Iter<'n, Node>,
    role: Role<'n>,
}

impl<'s, 'n> Elements<'s, 'n> {
    pub(super) fn new(list: &Reader<'s, 'n>, items: &'n [Node]) -> Elements<'s, 'n> {
        Elements { session: list.session, items: items.iter(), role: list.role.of_items() }
    }
}

impl<'n> SeqAccess<'n> for Elements<'_, 'n> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'n>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Error> {
        let session = self.session;
        let Some(node) = self.items.find(|node| !session.is_faulty(node)) else {
            return Ok(None);
        };
        session.visit();
        let element = seed.deserialize(Reader { session, node, role: self.role });
        session.settle(node, element).map(Some)
    }
}

/// The keys and values of a map, without the faulty ones.
pub(super) struct Entries<'s, 'n> {
    session: &'s Session,
    entries: std::slice::Iter<'n, Entry>,
    value: Option<&'n Entry>,
}

impl<'s, 'n> Entries<'s, 'n> {
    pub(super) fn new(map: &Reader<'s, 'n>, entries: &'n [Entry]) -> Entries<'s, 'n> {
        Entries { session: map.session, entries: entries.iter(), value: None }
    }
}

impl<'n> MapAccess<'n> for Entries<'_, 'n> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'n>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Error> {
        let session = self.session;
        self.value = self.entries.find(|entry| !session.is_faulty(&entry.value));
        let Some(entry) = self.value else { return Ok(None) };
        session.visit();
        let key = seed.deserialize(KeyReader(&entry.key)).map_err(|error| match error {
            Error::Problem(_) => error.at(entry.key.span),
            Error::Missing(_) | Error::Faulty | Error::Again => error,
        });
        session.settle(&entry.value, key).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'n>>(&mut self, seed: V) -> Result<V::Value, Error> {
        // Serde asks for a value only after its key.
        let Some(entry) = self.value.take() else { return Err(Error::Faulty) };
        read(self.session, entry, seed)
    }
}

fn read<'n, V: DeserializeSeed<'n>>(
    session: &Session,
    entry: &'n Entry,
    seed: V,
) -> Result<V::Value, Error> {
    let node = &entry.value;
    let value = seed.deserialize(Reader { session, node, role: Role::Value(&entry.key.value) });
    session.settle(node, value)
}

/// The keys and values of a struct: those that it knows and that are not faulty, and stand-ins
/// for others.
pub(super) struct Fields<'s, 'n> {
    session: &'s Session,
    entries: std::slice::Iter<'n, Entry>,
    known: &'static [&'static str],
    /// What is stood in for; taken from the end.
    filled: Vec<&'static str>,
    value: Option<&'n Entry>,
}

impl<'s, 'n> Fields<'s, 'n> {
    pub(super) fn new(
        mapping: &Reader<'s, 'n>,
        entries: &'n [Entry],
        known: &'static [&'static str],
        filled: Vec<&'static str>,
    ) -> Fields<'s, 'n> {
        Fields { session: mapping.session, entries: entries.iter(), known, filled, value: None }
    }
}

impl<'n> MapAccess<'n> for Fields<'_, 'n> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'n>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Error> {
        let (session, known) = (self.session, self.known);
        self.value = self.entries.find(|entry| {
            known.contains(&entry.key.value.as_str()) && !session.is_faulty(&entry.value)
        });
        session.visit();
        let name = match (self.value, self.filled.last()) {
            (Some(entry), _) => entry.key.value.as_str(),
            (None, Some(field)) => field,
            (None, None) => return Ok(None),
        };
        let name: StrDeserializer<'_, Error> = name.into_deserializer();
        seed.deserialize(name).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'n>>(&mut self, seed: V) -> Result<V::Value, Error> {
        match self.value.take() {
            Some(entry) => read(self.session, entry, seed),
            None => {
                self.filled.pop();
                // Not every type can be stood in for; then the struct ends here.
                seed.deserialize(Filler::default()).map_err(|_| Error::Faulty)
            }
        }
    }
}

/// The parts of a [`Spanned`]: source, start, end and the value itself.
pub(super) struct Position<'s, 'n> {
    reader: Reader<'s, 'n>,
    given: usize,
}

impl<'s, 'n> Position<'s, 'n> {
    pub(super) fn new(reader: Reader<'s, 'n>) -> Position<'s, 'n> {
        Position { reader, given: 0 }
    }
}

impl<'n> SeqAccess<'n> for Position<'_, 'n> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'n>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Error> {
        let span = self.reader.node.span;
        let part = match self.given {
            0 => span.source,
            1 => span.start,
            2 => span.end,
            3 => {
                self.given += 1;
                return seed.deserialize(self.reader).map(Some);
            }
            _ => return Ok(None),
        };
        self.given += 1;
        seed.deserialize(part.into_deserializer()).map(Some)
    }
}

/// The name and the content of an enum.
pub(super) struct Variant<'s, 'n> {
    pub(super) reader: Reader<'s, 'n>,
    pub(super) name: &'n str,
    /// None where the variant is written as a bare word.
    pub(super) content: Option<&'n Node>,
}

impl<'s, 'n> Variant<'s, 'n> {
    fn content(&self) -> Result<Reader<'s, 'n>, Error> {
        let Some(node) = self.content else {
            let message = format!("`{}` needs a value", self.name);
            let error = Error::problem(Diagnostic::new("wrong-type", message));
            return Err(error.hint(format!("write `{}: …`", self.name)));
        };
        Ok(Reader { session: self.reader.session, node, role: Role::Value(self.name) })
    }

    /// Reports a problem with the content where the content is; what becomes of the content
    /// becomes of the variant.
    fn settle<T>(&self, result: Result<T, Error>) -> Result<T, Error> {
        result.map_err(|error| match (error, self.content) {
            (error @ Error::Problem(_), Some(node)) => {
                self.reader.session.report_at(node, error);
                Error::Faulty
            }
            (error, _) => error,
        })
    }
}

impl<'s, 'n> EnumAccess<'n> for Variant<'s, 'n> {
    type Error = Error;
    type Variant = Variant<'s, 'n>;

    fn variant_seed<V: DeserializeSeed<'n>>(
        self,
        seed: V,
    ) -> Result<(V::Value, Variant<'s, 'n>), Error> {
        let name: StrDeserializer<'_, Error> = self.name.into_deserializer();
        Ok((seed.deserialize(name)?, self))
    }
}

impl<'n> VariantAccess<'n> for Variant<'_, 'n> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        if self.content.is_none() {
            return Ok(());
        }
        let message = format!("`{}` takes no value", self.name);
        let error = Error::problem(Diagnostic::new("wrong-type", message));
        Err(error.hint(format!("write `{}` without a colon", self.name)))
    }

    fn newtype_variant_seed<T: DeserializeSeed<'n>>(self, seed: T) -> Result<T::Value, Error> {
        let content = self.content()?;
        self.settle(seed.deserialize(content))
    }

    fn tuple_variant<V: Visitor<'n>>(self, len: usize, visitor: V) -> Result<V::Value, Error> {
        let content = self.content()?;
        self.settle(serde::Deserializer::deserialize_tuple(content, len, visitor))
    }

    fn struct_variant<V: Visitor<'n>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let content = self.content()?;
        self.settle(content.fields(fields, visitor))
    }
}

/// Reads a key. Whatever it looks like, it is a text: `8080: web` is a fine entry.
struct KeyReader<'de>(&'de Spanned<String>);

impl<'de> serde::Deserializer<'de> for KeyReader<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_borrowed_str(&self.0.value)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        if name != super::SPANNED {
            return self.deserialize_any(visitor);
        }
        visitor.visit_seq(KeyPosition { key: self.0, given: 0 })
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let name: StrDeserializer<'_, Error> = self.0.value.as_str().into_deserializer();
        visitor.visit_enum(name)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct seq tuple tuple_struct map identifier ignored_any
    }
}

/// The parts of a key with its place.
struct KeyPosition<'n> {
    key: &'n Spanned<String>,
    given: usize,
}

impl<'n> SeqAccess<'n> for KeyPosition<'n> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'n>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Error> {
        let span = self.key.span;
        let part = match self.given {
            0 => span.source,
            1 => span.start,
            2 => span.end,
            3 => {
                self.given += 1;
                return seed.deserialize(KeyReader(self.key)).map(Some);
            }
            _ => return Ok(None),
        };
        self.given += 1;
        seed.deserialize(part.into_deserializer()).map(Some)
    }
}
