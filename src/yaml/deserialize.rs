//! From a tree of nodes to any type. Problems are collected and not stopped at: an unknown key
//! is left out, an element that is wrong is left out, and the rest is read on. If anything was
//! left out, the value does not count, but every problem has been found.

use std::cell::RefCell;

use serde::de::value::{StrDeserializer, U64Deserializer};
use serde::de::{
    self, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess,
    VariantAccess, Visitor,
};

use super::node::{Kind, Node};
use super::{SPANNED, Span};
use crate::diagnostic::Diagnostic;

/// Reads `node` as a `T`; none when any problem was found.
pub fn deserialize<T: for<'de> de::Deserialize<'de>>(
    node: &Node,
    problems: &mut Vec<Diagnostic>,
) -> Option<T> {
    let found = RefCell::new(Vec::new());
    let reader = Reader { node, found: &found };
    let value = match T::deserialize(reader) {
        Ok(value) => Some(value),
        Err(fault) => {
            fault.note(node.span, &found);
            None
        }
    };
    let found = found.into_inner();
    let clean = found.is_empty();
    problems.extend(found);
    value.filter(|_| clean)
}

/// Reads a list, and goes on after an element that is wrong, so that the problems of all
/// elements are found. For `#[serde(deserialize_with)]`.
///
/// # Errors
/// When it is no list.
pub fn list<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: de::Deserialize<'de>,
{
    struct List<T>(std::marker::PhantomData<T>);

    impl<'de, T: de::Deserialize<'de>> Visitor<'de> for List<T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a list")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Vec<T>, A::Error> {
            let mut list = Vec::new();
            let mut wrong = 0_usize;
            loop {
                match elements.next_element() {
                    Ok(Some(element)) => list.push(element),
                    Ok(None) => return Ok(list),
                    // The reader has noted it and gone on to the next element.
                    Err(error) => {
                        wrong += 1;
                        if wrong > 1000 {
                            return Err(error);
                        }
                    }
                }
            }
        }
    }

    deserializer.deserialize_seq(List(std::marker::PhantomData))
}

/// What is wrong with one value.
#[derive(Debug)]
enum Fault {
    /// It has been noted already.
    Noted,
    /// It is to be noted where the value stands.
    Here(Diagnostic),
}

impl Fault {
    fn note(self, span: Span, found: &RefCell<Vec<Diagnostic>>) {
        if let Fault::Here(diagnostic) = self {
            let diagnostic =
                if diagnostic.span.is_some() { diagnostic } else { diagnostic.at(span) };
            found.borrow_mut().push(diagnostic);
        }
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Fault::Noted => f.write_str("a problem that was noted already"),
            Fault::Here(diagnostic) => f.write_str(&diagnostic.message),
        }
    }
}

impl std::error::Error for Fault {}

impl de::Error for Fault {
    fn custom<T: std::fmt::Display>(message: T) -> Fault {
        Fault::Here(Diagnostic::new("invalid-value", message.to_string()))
    }

    fn invalid_type(unexpected: de::Unexpected, expected: &dyn de::Expected) -> Fault {
        Fault::Here(Diagnostic::new(
            "wrong-type",
            format!("expected {expected}, found {unexpected}"),
        ))
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Fault {
        let message = format!("`{variant}` is none of the known names");
        let hint = nearest(variant, expected.iter().copied())
            .map_or_else(|| format!("known are {}", expected.join(", ")), did_you_mean);
        Fault::Here(Diagnostic::new("unknown-name", message).hint(hint))
    }

    fn missing_field(field: &'static str) -> Fault {
        Fault::Here(Diagnostic::new("missing-key", format!("the key `{field}` is missing")))
    }
}

/// The nearest known word, if one is near enough to be meant.
pub fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.len().min(word.len()) / 4)
        .min()
        .map(|(_, candidate)| candidate)
}

/// The hint for a word that was misspelt.
#[must_use]
pub fn did_you_mean(word: &str) -> String {
    format!("did you mean `{word}`?")
}

/// Levenshtein's distance, in characters.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in other.iter().enumerate() {
            let substituted = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[other.len()]
}

#[derive(Clone, Copy)]
struct Reader<'n, 'f> {
    node: &'n Node,
    found: &'f RefCell<Vec<Diagnostic>>,
}

impl<'n> Reader<'n, '_> {
    fn on(self, node: &'n Node) -> Self {
        Reader { node, ..self }
    }

    /// Reads a part; a fault in it is noted where the part stands.
    fn part<'de, S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Fault> {
        seed.deserialize(self).map_err(|fault| {
            fault.note(self.node.span, self.found);
            Fault::Noted
        })
    }
}

impl<'de> Deserializer<'de> for Reader<'_, '_> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.node.kind {
            Kind::Null => visitor.visit_unit(),
            Kind::Bool(flag) => visitor.visit_bool(*flag),
            Kind::Integer(number) => match u64::try_from(*number) {
                Ok(number) => visitor.visit_u64(number),
                Err(_) => visitor.visit_i64(*number),
            },
            Kind::Float(number) => visitor.visit_f64(*number),
            Kind::Text(text) => visitor.visit_str(text),
            Kind::Sequence(nodes) => {
                visitor.visit_seq(Elements { reader: self, rest: nodes.iter() })
            }
            Kind::Mapping(members) => visitor.visit_map(Members {
                reader: self,
                rest: members.iter(),
                value: None,
                known: None,
            }),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.node.kind {
            Kind::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        if name == SPANNED {
            return visitor.visit_seq(Place { reader: self, part: 0 });
        }
        let Kind::Mapping(members) = &self.node.kind else {
            let message = format!("expected a mapping, found {}", self.node.describe());
            return Err(Fault::Here(Diagnostic::new("wrong-type", message)));
        };
        for (key, _) in members {
            if !fields.contains(&key.text.as_str()) {
                let hint = nearest(&key.text, fields.iter().copied())
                    .map_or_else(|| format!("known here are {}", fields.join(", ")), did_you_mean);
                let message = format!("the key `{}` is not known here", key.text);
                let diagnostic = Diagnostic::new("unknown-key", message).at(key.span).hint(hint);
                self.found.borrow_mut().push(diagnostic);
            }
        }
        let before = self.found.borrow().len();
        let members =
            Members { reader: self, rest: members.iter(), value: None, known: Some(fields) };
        visitor.visit_map(members).map_err(|fault| {
            // A key whose value was wrong is not missing as well.
            let noted = self.found.borrow().len() > before;
            let missing = matches!(&fault, Fault::Here(fault) if fault.code == "missing-key");
            if noted && missing { Fault::Noted } else { fault }
        })
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match &self.node.kind {
            Kind::Text(text) => {
                visitor.visit_enum(IntoDeserializer::<Fault>::into_deserializer(text.as_str()))
            }
            Kind::Mapping(members) => match members.as_slice() {
                [(key, value)] => visitor.visit_enum(Variant {
                    reader: self.on(value),
                    name: &key.text,
                    at: key.span,
                }),
                members => {
                    let message = format!("expected one key, found {}", members.len());
                    let hint = nearest_of(members, variants);
                    Err(Fault::Here(Diagnostic::new("wrong-type", message).hint_if(hint)))
                }
            },
            _ => {
                let message =
                    format!("expected a name or a mapping, found {}", self.node.describe());
                Err(Fault::Here(Diagnostic::new("wrong-type", message)))
            }
        }
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct map identifier ignored_any
    }
}

fn nearest_of(
    members: &[(super::node::Key, Node)],
    variants: &'static [&'static str],
) -> Option<String> {
    members.is_empty().then(|| format!("known are {}", variants.join(", ")))
}

/// The four parts of a value with its position.
struct Place<'n, 'f> {
    reader: Reader<'n, 'f>,
    part: u8,
}

impl<'de> SeqAccess<'de> for Place<'_, '_> {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Fault> {
        let span = self.reader.node.span;
        let number = |number: usize| U64Deserializer::<Fault>::new(number as u64);
        self.part += 1;
        match self.part {
            1 => seed.deserialize(number(span.source)).map(Some),
            2 => seed.deserialize(number(span.start)).map(Some),
            3 => seed.deserialize(number(span.end)).map(Some),
            4 => seed.deserialize(self.reader).map(Some),
            _ => Ok(None),
        }
    }
}

struct Elements<'n, 'f> {
    reader: Reader<'n, 'f>,
    rest: std::slice::Iter<'n, Node>,
}

impl<'de> SeqAccess<'de> for Elements<'_, '_> {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Fault> {
        match self.rest.next() {
            None => Ok(None),
            Some(node) => self.reader.on(node).part(seed).map(Some),
        }
    }
}

struct Members<'n, 'f> {
    reader: Reader<'n, 'f>,
    rest: std::slice::Iter<'n, (super::node::Key, Node)>,
    value: Option<&'n Node>,
    known: Option<&'static [&'static str]>,
}

impl<'de> MapAccess<'de> for Members<'_, '_> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Fault> {
        for (key, value) in self.rest.by_ref() {
            if self.known.is_some_and(|known| !known.contains(&key.text.as_str())) {
                continue;
            }
            self.value = Some(value);
            let key = StrDeserializer::<Fault>::new(&key.text);
            return seed.deserialize(key).map(Some);
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Fault> {
        match self.value.take() {
            Some(value) => self.reader.on(value).part(seed),
            None => Err(Fault::Noted),
        }
    }
}

struct Variant<'n, 'f> {
    reader: Reader<'n, 'f>,
    name: &'n str,
    at: Span,
}

impl<'de, 'n, 'f> EnumAccess<'de> for Variant<'n, 'f> {
    type Error = Fault;
    type Variant = Reader<'n, 'f>;

    fn variant_seed<V: DeserializeSeed<'de>>(
        self,
        seed: V,
    ) -> Result<(V::Value, Reader<'n, 'f>), Fault> {
        match seed.deserialize(StrDeserializer::<Fault>::new(self.name)) {
            Ok(value) => Ok((value, self.reader)),
            Err(fault) => {
                fault.note(self.at, self.reader.found);
                Err(Fault::Noted)
            }
        }
    }
}

impl<'de> VariantAccess<'de> for Reader<'_, '_> {
    type Error = Fault;

    fn unit_variant(self) -> Result<(), Fault> {
        match self.node.kind {
            Kind::Null => Ok(()),
            _ => {
                let message = format!("expected nothing, found {}", self.node.describe());
                Err(Fault::Here(Diagnostic::new("wrong-type", message)))
            }
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Fault> {
        self.part(seed)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_any(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.deserialize_struct("", fields, visitor)
    }
}
