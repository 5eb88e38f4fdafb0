//! Rewriting a `tokenizer.json` of any version into the one that the `tokenizers` crate reads.

use serde_json::{Map, Value, json};

use super::{components, stages};
use crate::DataError;
use crate::tokenizer::byte_level::prefix_space;
use crate::tokenizer::fault::broken;

/// A tokenizer in canonical form.
pub(super) struct Lowered {
    pub json: Value,
    /// Its pre-tokenizers, where they stand in an order that the canonical form cannot have.
    pub stages: Vec<Value>,
}

/// `json` in canonical form.
///
/// # Errors
/// When a component is not known.
pub(super) fn lowered(mut json: Value) -> Result<Lowered, DataError> {
    let Some(root) = json.as_object_mut() else {
        return Err(broken("it is no JSON object"));
    };
    components::check(root)?;
    drop_what_is_not_used(root);
    flatten_pre_tokenizer(root);
    let stages = split_off_stages(root);
    prefix_space_to_normalizer(root);
    let rest = split_off_metaspace(root);
    tokenizers::canonicalize_value(&mut json).map_err(broken)?;
    if !rest.is_empty() {
        append_pre_tokenizers(&mut json, rest);
    }
    components::check_order(&json)?;
    Ok(Lowered { json, stages })
}

/// The pre-tokenizers, taken away where they need stages of their own.
fn split_off_stages(root: &mut Map<String, Value>) -> Vec<Value> {
    let is_bpe = root.get("model").is_none_or(|model| model["type"].is_null() || model["type"] == "BPE");
    let Some(pre_tokenizer) = root.get_mut("pre_tokenizer") else {
        return Vec::new();
    };
    let all = match members(pre_tokenizer) {
        [] => std::slice::from_ref(pre_tokenizer),
        all => all,
    };
    if !stages::needed(all, is_bpe) {
        return Vec::new();
    }
    let all = all.to_vec();
    *pre_tokenizer = Value::Null;
    all
}

/// Dropout is for training a model with many tokenizations of one text; a post-processor, padding and truncation are for
/// prompts.
fn drop_what_is_not_used(root: &mut Map<String, Value>) {
    if let Some(model) = root.get_mut("model").and_then(Value::as_object_mut) {
        model.remove("dropout");
    }
    if let Some(post_processor) = root.get_mut("post_processor") {
        let mut canonical = post_processor.clone();
        if tokenizers::canonicalize_post_processor(&mut canonical).is_err() {
            *post_processor = Value::Null;
        }
    }
}

/// A sequence in a sequence is one sequence, and one of a single member is that member.
fn flatten_pre_tokenizer(root: &mut Map<String, Value>) {
    let Some(pre_tokenizer) = root.get_mut("pre_tokenizer") else {
        return;
    };
    let is_nested = members(pre_tokenizer).iter().any(|member| member["type"] == "Sequence");
    let is_metaspace = members(pre_tokenizer).len() == 1 && members(pre_tokenizer)[0]["type"] == "Metaspace";
    if is_nested || is_metaspace {
        let mut flat = Vec::new();
        flatten_into(pre_tokenizer.take(), &mut flat);
        *pre_tokenizer = match flat.len() {
            1 => flat.swap_remove(0),
            _ => json!({ "type": "Sequence", "pretokenizers": flat }),
        };
    }
}

fn flatten_into(pre_tokenizer: Value, flat: &mut Vec<Value>) {
    if pre_tokenizer["type"] == "Sequence" {
        members(&pre_tokenizer).iter().for_each(|member| flatten_into(member.clone(), flat));
    } else {
        flat.push(pre_tokenizer);
    }
}

/// The members of a sequence; none of what is no sequence.
fn members(pre_tokenizer: &Value) -> &[Value] {
    pre_tokenizer["pretokenizers"].as_array().map_or(&[], Vec::as_slice)
}

/// The space that `ByteLevel` puts before a text without one is a normalizer's work.
fn prefix_space_to_normalizer(root: &mut Map<String, Value>) {
    let Some(pre_tokenizer) = root.get_mut("pre_tokenizer") else {
        return;
    };
    let is_prefixing = |member: &Value| member["type"] == "ByteLevel" && member["add_prefix_space"] == true;
    let byte_level = match members(pre_tokenizer) {
        [] => pre_tokenizer,
        _ => &mut pre_tokenizer["pretokenizers"][0],
    };
    if !is_prefixing(byte_level) {
        return;
    }
    byte_level["add_prefix_space"] = false.into();
    let normalizers = match root.remove("normalizer") {
        None | Some(Value::Null) => vec![prefix_space()],
        Some(normalizer) => vec![normalizer, prefix_space()],
    };
    root.insert("normalizer".to_owned(), json!({ "type": "Sequence", "normalizers": normalizers }));
}

/// What stands behind a `Metaspace` that begins a sequence, split off so that canonical form is found for it alone.
fn split_off_metaspace(root: &mut Map<String, Value>) -> Vec<Value> {
    let Some(pre_tokenizer) = root.get_mut("pre_tokenizer") else {
        return Vec::new();
    };
    let Some(sequence) = pre_tokenizer.get_mut("pretokenizers").and_then(Value::as_array_mut) else {
        return Vec::new();
    };
    if sequence.first().is_none_or(|first| first["type"] != "Metaspace") {
        return Vec::new();
    }
    let rest = sequence.split_off(1);
    *pre_tokenizer = sequence.swap_remove(0);
    rest
}

fn append_pre_tokenizers(json: &mut Value, rest: Vec<Value>) {
    let first = json["pre_tokenizer"].take();
    let all: Vec<Value> = Some(first).filter(|first| !first.is_null()).into_iter().chain(rest).collect();
    json["pre_tokenizer"] = json!({ "type": "Sequence", "pretokenizers": all });
}
