//! Tokens of bytes that a vocabulary leaves out.
//!
//! A BPE with `byte_fallback` spells a character that it does not know by tokens as `<0x09>`. Gemma's has no `<0x09>`, for the
//! tabulator is a token itself; SmolLM2's byte-level BPE has none for bytes that its corpus did not have. The `tokenizers` crate
//! wants all 256.

use serde_json::{Map, Value};

use crate::DataError;
use crate::tokenizer::byte_level::spell;
use crate::tokenizer::fault::broken;
use crate::tokenizer::hf::check::MAX_VOCABULARY;

/// Adds tokens of bytes, with ids above all others, and returns their names: of a fallback those that no text needs, of a byte-level
/// BPE those that are missing, whose ids are left out of what is encoded as Hugging Face leaves them out. A vocabulary without any
/// token of a byte has no fallback.
///
/// # Errors
/// When the token of a byte is missing that a text may need.
pub(super) fn complete(json: &mut Value) -> Result<Vec<String>, DataError> {
    let model = &json["model"];
    let Some(vocabulary) = model["vocab"].as_object() else { return Ok(Vec::new()) };
    if model["type"] != "BPE" || vocabulary.is_empty() {
        return Ok(Vec::new());
    }
    if is_byte_level(json) {
        let names = (0..=u8::MAX).map(|byte| spell(&[byte])).filter(|name| !vocabulary.contains_key(name)).collect();
        return Ok(add(json, names));
    }
    if model["byte_fallback"] != true {
        return Ok(Vec::new());
    }
    let missing: Vec<u8> = (0..=u8::MAX).filter(|&byte| !vocabulary.contains_key(&name(byte))).collect();
    if missing.len() == 256 {
        json["model"]["byte_fallback"] = false.into();
        return Ok(Vec::new());
    }
    if let Some(&byte) = missing.iter().find(|&&byte| is_needed(byte, vocabulary)) {
        let name = name(byte);
        return Err(broken(format!("it has `byte_fallback`, but no token {name} for characters that have this byte")));
    }
    let names = missing.into_iter().map(name).collect();
    Ok(add(json, names))
}

/// Whether texts are spelled in the alphabet of bytes.
fn is_byte_level(json: &Value) -> bool {
    let words = &json["pre_tokenizer"];
    let several = words["pretokenizers"].as_array().into_iter().flatten();
    json["model"]["byte_level"] == true || [words].into_iter().chain(several).any(|it| it["type"] == "ByteLevel")
}

/// Gives tokens of these names ids above all others.
fn add(json: &mut Value, names: Vec<String>) -> Vec<String> {
    let in_model = json["model"]["vocab"].as_object().into_iter().flat_map(Map::values);
    let added = json["added_tokens"].as_array().into_iter().flatten().map(|token| &token["id"]);
    // A wild id is refused later, by name.
    let largest =
        in_model.chain(added).filter_map(Value::as_u64).filter(|&id| id < MAX_VOCABULARY as u64).max().unwrap_or(0);
    if let Some(vocabulary) = json["model"]["vocab"].as_object_mut() {
        for (id, name) in (largest + 1..).zip(&names) {
            vocabulary.insert(name.clone(), id.into());
        }
    }
    names
}

/// A saved tokenizer without the tokens that were added to it.
///
/// # Errors
/// When it is no JSON.
pub(super) fn without(saved: String, names: &[String]) -> Result<String, serde_json::Error> {
    if names.is_empty() {
        return Ok(saved);
    }
    let mut json: Value = serde_json::from_str(&saved)?;
    if let Some(vocabulary) = json["model"]["vocab"].as_object_mut() {
        names.iter().for_each(|name| drop(vocabulary.remove(name)));
    }
    serde_json::to_string(&json)
}

fn name(byte: u8) -> String {
    format!("<0x{byte:02X}>")
}

/// Whether there is a text with a character that is no token and has this byte.
fn is_needed(byte: u8, vocabulary: &Map<String, Value>) -> bool {
    match byte {
        0..0x80 => !vocabulary.contains_key(char::from(byte).encode_utf8(&mut [0; 4])),
        // UTF-8 has none of these.
        0xc0 | 0xc1 | 0xf5.. => false,
        _ => true,
    }
}
