//! Which components of a `tokenizer.json` are read.

use serde_json::{Map, Value};

use crate::DataError;
use crate::tokenizer::fault::broken;

const MODELS: [&str; 4] = ["BPE", "WordPiece", "Unigram", "WordLevel"];
const NORMALIZERS: [&str; 15] = [
    "Sequence",
    "BertNormalizer",
    "ByteLevel",
    "Lowercase",
    // In canonical form alone.
    "MetaspaceNormalizer",
    "NFC",
    "NFD",
    "NFKC",
    "NFKD",
    "Nmt",
    "Precompiled",
    "Prepend",
    "Replace",
    "Strip",
    "StripAccents",
];
const PRE_TOKENIZERS: [&str; 12] = [
    "Sequence",
    "BertPreTokenizer",
    "ByteLevel",
    "CharDelimiterSplit",
    "Digits",
    "FixedLength",
    "Metaspace",
    "Punctuation",
    "Split",
    "UnicodeScripts",
    "Whitespace",
    "WhitespaceSplit",
];
const DECODERS: [&str; 10] = [
    "Sequence",
    "BPEDecoder",
    "ByteFallback",
    "ByteLevel",
    "CTC",
    "Fuse",
    "Metaspace",
    "Replace",
    "Strip",
    "WordPiece",
];

/// # Errors
/// When a component has a type that is not known.
pub(super) fn check(root: &Map<String, Value>) -> Result<(), DataError> {
    check_model(root)?;
    check_slot(root, "normalizer", "normalizers", &NORMALIZERS)?;
    check_slot(root, "pre_tokenizer", "pretokenizers", &PRE_TOKENIZERS)?;
    check_slot(root, "decoder", "decoders", &DECODERS)
}

/// # Errors
/// When the canonical `json` has a pre-tokenizer at a place where none can stand, or a decoder that would take more than
/// there is.
pub(super) fn check_order(json: &Value) -> Result<(), DataError> {
    let mut fault = None;
    each(&json["pre_tokenizer"], "pretokenizers", &mut |component| {
        if let Some(kind @ ("Metaspace" | "ByteLevel")) = component["type"].as_str() {
            fault =
                Some(format!("its pre-tokenizer `{kind}` stands where it cannot be read, behind or before another"));
        }
    });
    each(&json["decoder"], "decoders", &mut |component| {
        if component["type"] == "Strip" && component["stop"].as_u64().is_some_and(|stop| stop > 0) {
            fault = Some(format!("its decoder `Strip` has `stop` {}, not 0", component["stop"]));
        }
    });
    fault.map_or(Ok(()), |fault| Err(broken(fault)))
}

fn check_model(root: &Map<String, Value>) -> Result<(), DataError> {
    let Some(model) = root.get("model").filter(|model| !model.is_null()) else {
        return Err(broken("it has no `model`"));
    };
    match model["type"].as_str() {
        Some(kind) if !MODELS.contains(&kind) => Err(broken(format!("its model is `{kind}`, not one of {MODELS:?}"))),
        _ => Ok(()),
    }
}

fn check_slot(root: &Map<String, Value>, slot: &str, members: &str, known: &[&str]) -> Result<(), DataError> {
    let mut fault = None;
    each(root.get(slot).unwrap_or(&Value::Null), members, &mut |component| {
        let kind = &component["type"];
        if !kind.as_str().is_some_and(|kind| known.contains(&kind)) {
            fault = Some(format!("its {slot} has the type {kind}, not one of {known:?}"));
        }
    });
    fault.map_or(Ok(()), |fault| Err(broken(fault)))
}

/// Shows `component` and, where it is a sequence, each of its members to `visit`.
fn each(component: &Value, members: &str, visit: &mut impl FnMut(&Value)) {
    if component.is_null() {
        return;
    }
    visit(component);
    for member in component[members].as_array().into_iter().flatten() {
        each(member, members, visit);
    }
}
