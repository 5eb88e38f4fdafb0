//! The document of a JSON object: its field.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;

use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde_json::value::RawValue;

use crate::reader::fault::{FaultKind, listed};

/// The text in `field` of the JSON object in `bytes`; empty where they are blank. A field with dots in it that the object
/// does not have is a path: `data.text` is `text` in the object `data`. What JSON does not allow but Python writes is
/// read: NaN and infinities beside the text, and half a surrogate pair, which becomes U+FFFD.
pub(super) fn document(bytes: &[u8], field: &str) -> Result<String, (FaultKind, String)> {
    let object = std::str::from_utf8(bytes).map_err(|error| (FaultKind::NotUtf8, error.to_string()))?;
    if object.trim().is_empty() {
        return Ok(String::new());
    }
    match text_in(object, field) {
        // Valid JSON, nearly always, is parsed once.
        Err((FaultKind::BrokenJson, _)) => text_in(&with_numbers(object), field),
        other => other,
    }
}

/// The JSON object in `bytes` itself; empty where they are blank. In place of NaN and infinities it has 0.
pub(super) fn row(bytes: &[u8]) -> Result<String, (FaultKind, String)> {
    let object = std::str::from_utf8(bytes).map_err(|error| (FaultKind::NotUtf8, error.to_string()))?.trim();
    if object.is_empty() {
        return Ok(String::new());
    }
    let Err(error) = fields_of::<Lossy>(object) else { return Ok(object.to_owned()) };
    let with_numbers = with_numbers(object);
    match fields_of::<Lossy>(&with_numbers) {
        Ok(_) => Ok(with_numbers),
        Err(_) => Err((FaultKind::BrokenJson, in_words(object, &error))),
    }
}

fn text_in(object: &str, field: &str) -> Result<String, (FaultKind, String)> {
    let broken = |error: serde_json::Error| (FaultKind::BrokenJson, in_words(object, &error));
    match find(object, field).map_err(broken)? {
        Some(value) if value.starts_with('"') => match serde_json::from_str(value) {
            Ok(text) => Ok(text),
            Err(_) => serde_json::from_str(value).map(|Lossy(text)| text).map_err(broken),
        },
        Some(value) => Err((FaultKind::NotAString, format!("the field {field:?} is {}, not a string", kind_of(value)))),
        None => {
            let fields = fields_of::<Lossy>(object).map_err(broken)?;
            let mut names: Vec<_> = fields.into_keys().map(|Lossy(name)| name).collect();
            names.sort_unstable();
            let others = if names.is_empty() { "and no other".to_owned() } else { format!("but {}", listed(&names)) };
            Err((FaultKind::MissingField, format!("there is no field {field:?} {others}")))
        }
    }
}

/// The value of `field` in `object`, as JSON. Of equal keys the last counts.
fn find<'a>(object: &'a str, field: &str) -> Result<Option<&'a str>, serde_json::Error> {
    let fields = match fields_of::<String>(object) {
        Ok(fields) => fields,
        // A key may have half a surrogate pair, too.
        Err(_) => fields_of::<Lossy>(object)?.into_iter().map(|(Lossy(key), value)| (key, value)).collect(),
    };
    if let Some(value) = fields.get(field) {
        return Ok(Some(value.get()));
    }
    match field.split_once('.').and_then(|(outer, inner)| Some((fields.get(outer)?.get(), inner))) {
        Some((value, inner)) if value.starts_with('{') => find(value, inner),
        _ => Ok(None),
    }
}

fn fields_of<'a, Key: Deserialize<'a> + Eq + Hash>(
    object: &'a str,
) -> Result<HashMap<Key, &'a RawValue>, serde_json::Error> {
    serde_json::from_str(object)
}

/// `object` with a number of the same length in place of each NaN, Infinity and -Infinity.
fn with_numbers(object: &str) -> String {
    let mut bytes = object.as_bytes().to_vec();
    let (mut at, mut in_string) = (0, false);
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 1, // and what it escapes
            b'"' => in_string = !in_string,
            b'N' | b'I' if !in_string => {
                if let Some(name) = ["NaN", "Infinity"].iter().find(|name| bytes[at..].starts_with(name.as_bytes())) {
                    bytes[at..at + name.len()].fill(b' ');
                    bytes[at] = b'0';
                }
            }
            _ => {}
        }
        at += 1;
    }
    String::from_utf8(bytes).expect("ASCII stands in place of ASCII")
}

/// What is wrong in `object`, in a clause.
fn in_words(object: &str, error: &serde_json::Error) -> String {
    let mut values = serde_json::Deserializer::from_str(object).into_iter::<&RawValue>();
    if matches!(values.next(), Some(Ok(_))) {
        return match object[values.byte_offset()..].trim() {
            "" => format!("this is {}, not an object", kind_of(object.trim())),
            _ => {
                "more follows the first value: give each object a line of its own, which ends in a line feed".to_owned()
            }
        };
    }
    if error.is_eof() {
        return "the line ends inside of a value: give each object one line, or the file one array of them".to_owned();
    }
    let (line, column) = (error.line(), error.column());
    let what = error.to_string();
    match what.strip_suffix(&format!(" at line {line} column {column}")) {
        Some(what) if line == 1 => format!("{what} at column {column}"),
        _ => what,
    }
}

fn kind_of(value: &str) -> &'static str {
    match value.as_bytes().first() {
        Some(b'n') => "null",
        Some(b't' | b'f') => "true or false",
        Some(b'[') => "a list",
        Some(b'{') => "an object",
        Some(b'"') => "a string",
        _ => "a number",
    }
}

/// A string whose halves of surrogate pairs, if it has any, became U+FFFD.
#[derive(PartialEq, Eq, Hash)]
struct Lossy(String);

impl<'de> Deserialize<'de> for Lossy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct LossyVisitor;
        impl Visitor<'_> for LossyVisitor {
            type Value = Lossy;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Lossy, E> {
                let mut bytes = bytes.to_vec();
                // `serde_json` gives half a pair as what would be its UTF-8, and no other character begins like that.
                for at in 0..bytes.len().saturating_sub(2) {
                    if bytes[at] == 0xed && bytes[at + 1] >= 0xa0 {
                        bytes[at..at + 3].copy_from_slice("\u{fffd}".as_bytes());
                    }
                }
                String::from_utf8(bytes).map(Lossy).map_err(E::custom)
            }
        }
        deserializer.deserialize_bytes(LossyVisitor)
    }
}
