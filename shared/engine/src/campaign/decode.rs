//! Reads the types of the document from a tree.
//!
//! The wanted type decides what a plain scalar is: a text keeps what was written, whatever it looks
//! like; a number or a boolean must look like one. Where anything goes, YAML's core schema decides,
//! except that what would lose characters as a number stays a text: postcodes with a leading zero,
//! telephone numbers with a plus, and digits beyond 64 bits.

use serde::Deserialize;
use serde::de::value::BorrowedStrDeserializer;
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, VariantAccess, Visitor,
};

use super::nearest;
use super::node::{Content, Key, Node, Scalar};
use super::refusal::Refusal;
use crate::one_or_many;

/// Reads a value of the wanted type.
pub(crate) fn decode<'de, T: Deserialize<'de>>(node: &'de Node) -> Result<T, Refusal> {
    T::deserialize(Decoder { node, without: None })
}

/// Reads a value from a map as if it did not have this key.
pub(crate) fn decode_without<'de, T: Deserialize<'de>>(
    node: &'de Node,
    key: &'static str,
) -> Result<T, Refusal> {
    T::deserialize(Decoder { node, without: Some(key) })
}

/// What stands there, in words.
pub(crate) fn found_content(node: &Node) -> String {
    match &node.content {
        Content::Scalar(scalar) => match scalar.meaning() {
            Meaning::Nothing => "nothing".to_owned(),
            Meaning::Boolean(boolean) => format!("{boolean}"),
            Meaning::Signed(_) | Meaning::Unsigned(_) | Meaning::Float(_) => {
                format!("the number {}", scalar.text)
            }
            Meaning::Text => format!("the text `{}`", scalar.text),
        },
        Content::List(_) => "a list".to_owned(),
        Content::Map(_) => "a map".to_owned(),
    }
}

#[derive(Clone, Copy)]
struct Decoder<'de> {
    node: &'de Node,
    without: Option<&'static str>,
}

impl<'de> Decoder<'de> {
    fn wrong(&self, wanted: impl Into<String>) -> Refusal {
        Refusal::wrong_type(wanted, found_content(self.node))
    }

    fn scalar(&self) -> Option<&'de Scalar> {
        match &self.node.content {
            Content::Scalar(scalar) => Some(scalar),
            Content::List(_) | Content::Map(_) => None,
        }
    }

    fn entries(&self, entries: &'de [(Key, Node)]) -> Entries<'de> {
        Entries { rest: entries.iter(), without: self.without, current: None }
    }
}

impl<'de> Deserializer<'de> for Decoder<'de> {
    type Error = Refusal;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        match &self.node.content {
            Content::List(items) => visitor.visit_seq(Items { rest: items.iter(), index: 0 }),
            Content::Map(entries) => visitor.visit_map(self.entries(entries)),
            Content::Scalar(scalar) => match scalar.meaning() {
                Meaning::Nothing => visitor.visit_unit(),
                Meaning::Boolean(boolean) => visitor.visit_bool(boolean),
                Meaning::Signed(number) if !scalar.loses_characters() => visitor.visit_i64(number),
                Meaning::Unsigned(number) if !scalar.loses_characters() => {
                    visitor.visit_u64(number)
                }
                Meaning::Float(number) if !scalar.loses_characters() => visitor.visit_f64(number),
                Meaning::Signed(_) | Meaning::Unsigned(_) | Meaning::Float(_) | Meaning::Text => {
                    visitor.visit_borrowed_str(&scalar.text)
                }
            },
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        match self.scalar() {
            Some(scalar) if scalar.meaning() != Meaning::Nothing => {
                visitor.visit_borrowed_str(&scalar.text)
            }
            Some(_) | None => Err(self.wrong("a text")),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        match self.scalar().map(Scalar::meaning) {
            Some(Meaning::Boolean(boolean)) => visitor.visit_bool(boolean),
            Some(_) | None => Err(self.wrong("true or false")),
        }
    }

    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        let number = match self.scalar().map(Scalar::meaning) {
            Some(Meaning::Signed(number)) => u32::try_from(number).ok(),
            Some(Meaning::Unsigned(_)) => None,
            Some(Meaning::Nothing | Meaning::Boolean(_) | Meaning::Float(_) | Meaning::Text)
            | None => {
                return Err(self.wrong("a whole number"));
            }
        };
        match number {
            Some(number) => visitor.visit_u32(number),
            None => Err(Refusal::custom(format_args!(
                "{} is out of range; write a whole number from 0 to {}",
                found_content(self.node),
                u32::MAX
            ))),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        match self.scalar().map(Scalar::meaning) {
            Some(Meaning::Nothing) => visitor.visit_none(),
            Some(_) | None => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        match &self.node.content {
            Content::List(_) if name == one_or_many::NAME => self.deserialize_seq(visitor),
            Content::Scalar(_) if name == one_or_many::NAME => self.deserialize_str(visitor),
            Content::Map(_) if name == one_or_many::NAME => {
                Err(self.wrong("a text or a list of texts"))
            }
            Content::Scalar(_) | Content::List(_) | Content::Map(_) => {
                visitor.visit_newtype_struct(self)
            }
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        match &self.node.content {
            Content::List(items) => visitor.visit_seq(Items { rest: items.iter(), index: 0 }),
            Content::Scalar(scalar) if scalar.meaning() != Meaning::Nothing => {
                Err(self.wrong(format!("a list such as [{}]", scalar.text)))
            }
            Content::Scalar(_) | Content::Map(_) => Err(self.wrong("a list")),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        match &self.node.content {
            Content::Map(entries) => visitor.visit_map(self.entries(entries)),
            Content::Scalar(_) | Content::List(_) => Err(self.wrong("a map")),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        keys: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        match &self.node.content {
            Content::Map(entries) => visitor.visit_map(self.entries(entries)),
            Content::Scalar(_) | Content::List(_) => {
                Err(self.wrong(format!("a map with the keys {}", nearest::list(keys))))
            }
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        choices: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        match &self.node.content {
            Content::Scalar(scalar) if scalar.meaning() != Meaning::Nothing => {
                visitor.visit_enum(Choice::Word(scalar, self.node))
            }
            Content::Map(entries) => match entries.as_slice() {
                [(key, node)] => visitor.visit_enum(Choice::Key(key, node)),
                several => Err(Refusal::wrong_type(
                    format!("a map with exactly one of {}", nearest::list(choices)),
                    format!("a map with {} keys", several.len()),
                )),
            },
            Content::Scalar(_) | Content::List(_) => {
                Err(self.wrong(format!("one of {}", nearest::list(choices))))
            }
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        visitor.visit_unit()
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        self.deserialize_str(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        self.deserialize_str(visitor)
    }

    serde::forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u16 u64 u128 f32 f64 char bytes byte_buf unit unit_struct tuple
        tuple_struct
    }
}

struct Items<'de> {
    rest: std::slice::Iter<'de, Node>,
    index: usize,
}

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = Refusal;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Refusal> {
        let Some(node) = self.rest.next() else {
            return Ok(None);
        };
        let index = self.index;
        self.index += 1;
        seed.deserialize(Decoder { node, without: None })
            .map(Some)
            .map_err(|refusal| refusal.inside(index, node.place))
    }
}

struct Entries<'de> {
    rest: std::slice::Iter<'de, (Key, Node)>,
    without: Option<&'static str>,
    current: Option<&'de (Key, Node)>,
}

impl<'de> MapAccess<'de> for Entries<'de> {
    type Error = Refusal;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Refusal> {
        let without = self.without;
        self.current = self.rest.find(|(key, _)| Some(key.text.as_str()) != without);
        let Some((key, _)) = self.current else {
            return Ok(None);
        };
        seed.deserialize(BorrowedStrDeserializer::new(&key.text))
            .map(Some)
            .map_err(|refusal: Refusal| refusal.at_key(key))
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Refusal> {
        let Some((key, node)) = self.current.take() else {
            return Err(Refusal::custom("a value was asked for before its key"));
        };
        seed.deserialize(Decoder { node, without: None })
            .map_err(|refusal| refusal.under(key, node.place))
    }
}

/// One of several: a word, or a key with what belongs to it.
#[derive(Clone, Copy)]
enum Choice<'de> {
    Word(&'de Scalar, &'de Node),
    Key(&'de Key, &'de Node),
}

impl<'de> EnumAccess<'de> for Choice<'de> {
    type Error = Refusal;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), Refusal> {
        let chosen = match self {
            Self::Word(scalar, _) => seed.deserialize(BorrowedStrDeserializer::new(&scalar.text)),
            Self::Key(key, _) => seed
                .deserialize(BorrowedStrDeserializer::new(&key.text))
                .map_err(|refusal: Refusal| refusal.of_choice_as_key().at_key(key)),
        }?;
        Ok((chosen, self))
    }
}

impl<'de> VariantAccess<'de> for Choice<'de> {
    type Error = Refusal;

    fn unit_variant(self) -> Result<(), Refusal> {
        match self {
            Self::Word(..) => Ok(()),
            Self::Key(key, _) => {
                Err(Refusal::wrong_type(format!("the word `{}`", key.text), "a map"))
            }
        }
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Refusal> {
        match self {
            Self::Key(key, node) => seed
                .deserialize(Decoder { node, without: None })
                .map_err(|refusal| refusal.under(key, node.place)),
            Self::Word(scalar, node) => Err(Refusal::wrong_type(
                format!("a map such as {{ {}: … }}", scalar.text),
                found_content(node),
            )),
        }
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Refusal> {
        match self {
            Self::Key(_, node) => Decoder { node, without: None }.deserialize_seq(visitor),
            Self::Word(_, node) => Err(Refusal::wrong_type("a map", found_content(node))),
        }
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        keys: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        match self {
            Self::Key(_, node) => {
                Decoder { node, without: None }.deserialize_struct("", keys, visitor)
            }
            Self::Word(_, node) => Err(Refusal::wrong_type("a map", found_content(node))),
        }
    }
}

/// What a scalar is by YAML's core schema.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Meaning {
    Nothing,
    Boolean(bool),
    Signed(i64),
    /// Too large for a signed number.
    Unsigned(u64),
    Float(f64),
    Text,
}

impl Scalar {
    pub(crate) fn meaning(&self) -> Meaning {
        if !self.plain {
            return Meaning::Text;
        }
        match self.text.as_str() {
            "" | "~" | "null" | "Null" | "NULL" => Meaning::Nothing,
            "true" | "True" | "TRUE" => Meaning::Boolean(true),
            "false" | "False" | "FALSE" => Meaning::Boolean(false),
            text => number(text).unwrap_or(Meaning::Text),
        }
    }

    /// Whether writing the number again would not give what was written, so that a text is safer.
    fn loses_characters(&self) -> bool {
        let digits = self.text.strip_prefix('-').unwrap_or(&self.text);
        let has_leading_zero =
            digits.len() > 1 && digits.starts_with('0') && digits.as_bytes()[1].is_ascii_digit();
        let is_whole = digits.bytes().all(|b| b.is_ascii_digit());
        digits.starts_with('+')
            || has_leading_zero
            || (is_whole && matches!(self.meaning(), Meaning::Float(_)))
    }
}

fn number(text: &str) -> Option<Meaning> {
    let whole = |digits: &str, radix| {
        if digits.starts_with(['+', '-']) {
            return None;
        }
        let signed = i64::from_str_radix(digits, radix).ok().map(Meaning::Signed);
        signed.or_else(|| u64::from_str_radix(digits, radix).ok().map(Meaning::Unsigned))
    };
    if let Some(digits) = text.strip_prefix("0x") {
        return whole(digits, 16);
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return whole(digits, 8);
    }
    // Rust reads words such as `inf` and `nan` as numbers; JSON could not carry them on.
    let begins = text.strip_prefix(['+', '-']).unwrap_or(text);
    if !begins.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    if let Ok(number) = text.parse::<i64>() {
        return Some(Meaning::Signed(number));
    }
    if let Ok(number) = text.parse::<u64>() {
        return Some(Meaning::Unsigned(number));
    }
    text.parse::<f64>().ok().filter(|number| number.is_finite()).map(Meaning::Float)
}
