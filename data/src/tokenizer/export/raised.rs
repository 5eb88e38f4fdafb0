//! A canonical `tokenizer.json`, of version 2.0, as version 1.0 has it, which every release of Hugging Face's library reads.

use serde_json::{Map, Value, json};

use crate::DataError;
use crate::tokenizer::fault::broken;
use crate::tokenizer::patterns::GPT2;

/// What version 1.0 has, which refuses anything else.
const ROOT: [&str; 9] = [
    "version",
    "truncation",
    "padding",
    "added_tokens",
    "normalizer",
    "pre_tokenizer",
    "post_processor",
    "decoder",
    "model",
];

/// `canonical` as version 1.0 has it; `stages` are pre-tokenizers that stand in the place of its own.
///
/// # Errors
/// A component that version 1.0 does not have.
pub(super) fn raised(canonical: &str, stages: &[Value]) -> Result<Value, DataError> {
    let mut json: Value = serde_json::from_str(canonical).map_err(broken)?;
    let processor = json["post_processor"].take();
    let processor = post_processor(processor, &json)?;
    let Some(root) = json.as_object_mut() else { return Err(broken("it is no JSON object")) };
    root.retain(|name, _| ROOT.contains(&name.as_str()));
    root.insert("version".into(), "1.0".into());
    root.insert("post_processor".into(), processor);
    for name in ["truncation", "padding", "normalizer", "decoder"] {
        root.entry(name).or_insert(Value::Null);
    }
    let model = root.get_mut("model").and_then(Value::as_object_mut).ok_or_else(|| broken("it has no `model`"))?;
    let is_byte_level = model.remove("byte_level") == Some(Value::Bool(true));
    let mut words = match stages {
        [] => members(root.get("pre_tokenizer").cloned().unwrap_or_default(), "pretokenizers"),
        stages => stages.to_vec(),
    };
    let mut normalizers = members(root.get("normalizer").cloned().unwrap_or_default(), "normalizers");
    let space = take_space(&mut normalizers)?;
    match (space, is_byte_level) {
        (None, false) => {}
        (None, true) => words.push(byte_level(false, false)),
        (Some(space), true)
            if space["replacement"] == " " && words.len() == 1 && words[0]["pattern"]["Regex"] == GPT2 =>
        {
            words = vec![byte_level(true, true)];
        }
        (Some(space), false) => words = metaspace(&space, &words)?,
        (Some(_), true) => return Err(broken("its space before a text has no place in version 1.0 of tokenizer.json")),
    }
    words.iter_mut().for_each(fill);
    if let Some(decoder) = root.get_mut("decoder") {
        fill(decoder);
    }
    root.insert("normalizer".into(), sequence(normalizers, "normalizers"));
    root.insert("pre_tokenizer".into(), sequence(words, "pretokenizers"));
    Ok(json)
}

/// What puts the token of this id before every text.
///
/// # Errors
/// There is no such token.
pub(super) fn beginning(id: u32, json: &Value) -> Result<Value, DataError> {
    let (own, text) = (json!({ "ids": [id] }), |name: &str| json!({ "seq": name }));
    let template = json!({
        "type": "TemplateProcessing", "single": [own, text("A")], "pair": [own, text("A"), own, text("B")],
    });
    post_processor(template, json)
}

/// Fields that version 1.0 must have, where they say what is usual.
fn fill(component: &mut Value) {
    let usual = match component["type"].as_str() {
        Some("ByteLevel") => json!({ "add_prefix_space": false, "trim_offsets": true, "use_regex": true }),
        Some("Split") => json!({ "behavior": "Isolated", "invert": false }),
        _ => Value::Null,
    };
    let (Some(component), Value::Object(usual)) = (component.as_object_mut(), usual) else { return };
    for (name, value) in usual {
        component.entry(name).or_insert(value);
    }
}

fn byte_level(prefix: bool, cuts: bool) -> Value {
    json!({ "type": "ByteLevel", "add_prefix_space": prefix, "trim_offsets": true, "use_regex": cuts })
}

/// The normalizer that spells spaces, which version 1.0 has as a pre-tokenizer, taken from where it stands last.
fn take_space(normalizers: &mut Vec<Value>) -> Result<Option<Value>, DataError> {
    let is_space = |it: &Value| it["type"] == "MetaspaceNormalizer";
    if normalizers.last().is_some_and(is_space) {
        return Ok(normalizers.pop());
    }
    match normalizers.iter().any(is_space) {
        true => Err(broken("it spells spaces before another normalizer, which version 1.0 of tokenizer.json cannot")),
        false => Ok(None),
    }
}

/// The pre-tokenizer `Metaspace` of its normalizer and what cuts behind it.
fn metaspace(space: &Value, words: &[Value]) -> Result<Vec<Value>, DataError> {
    let cuts = match words {
        [] => false,
        [cut, ..] if cut["pattern"]["String"] == space["replacement"] && cut["behavior"] == "MergedWithNext" => true,
        _ => {
            return Err(broken(
                "its words are not cut at the spaces that it spells, as version 1.0 of tokenizer.json has it",
            ));
        }
    };
    let own = json!({
        "type": "Metaspace", "replacement": space["replacement"], "prepend_scheme": space["prepend"], "split": cuts,
    });
    let first = (space["drop_whitespace"] == true).then(|| json!({ "type": "WhitespaceSplit" }));
    Ok(first.into_iter().chain([own]).chain(words.iter().skip(1).cloned()).collect())
}

/// A template whose tokens have names again.
fn post_processor(mut processor: Value, json: &Value) -> Result<Value, DataError> {
    if processor["type"] != "TemplateProcessing" {
        return Ok(Value::Null);
    }
    let mut specials = Map::new();
    for kind in ["single", "pair"] {
        let pieces = processor[kind].as_array().cloned().unwrap_or_default();
        let mut named = Vec::new();
        for piece in pieces {
            let type_id = piece["type_id"].as_u64().unwrap_or(0);
            if let Some(sequence) = piece["seq"].as_str() {
                named.push(json!({ "Sequence": { "id": sequence, "type_id": type_id } }));
                continue;
            }
            for id in piece["ids"].as_array().into_iter().flatten() {
                let name = name_of(id, json)
                    .ok_or_else(|| broken(format!("it puts id {id} beside texts, which it does not have")))?;
                specials.insert(name.clone(), json!({ "id": name, "ids": [id], "tokens": [name] }));
                named.push(json!({ "SpecialToken": { "id": name, "type_id": type_id } }));
            }
        }
        processor[kind] = named.into();
    }
    processor["special_tokens"] = specials.into();
    Ok(processor)
}

fn name_of(id: &Value, json: &Value) -> Option<String> {
    let added = json["added_tokens"].as_array()?.iter().find(|token| token["id"] == *id);
    if let Some(name) = added.and_then(|token| token["content"].as_str()) {
        return Some(name.into());
    }
    json["model"]["vocab"].as_object()?.iter().find(|(_, it)| *it == id).map(|(name, _)| name.clone())
}

/// The members of a sequence; a component by itself is the one.
fn members(component: Value, name: &str) -> Vec<Value> {
    match &component[name] {
        Value::Array(all) => all.clone(),
        _ if component.is_null() => Vec::new(),
        _ => vec![component],
    }
}

fn sequence(mut members: Vec<Value>, name: &str) -> Value {
    match members.len() {
        0 => Value::Null,
        1 => members.swap_remove(0),
        _ => {
            let mut all = json!({ "type": "Sequence" });
            all[name] = members.into();
            all
        }
    }
}
