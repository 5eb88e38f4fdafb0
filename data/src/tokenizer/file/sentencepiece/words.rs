//! What a text is cut into before the model sees it. SentencePiece itself gives the model the whole of it.

use std::cmp::Reverse;

use serde_json::{Value, json};

use super::proto::{Kind, Model, Piece, SPACE};

/// Words are cut at spaces, which is faster, unless a token crosses one.
pub(super) fn of_unigram(model: &Model) -> Value {
    let mut words = vec![split(json!({ "Regex": inside_of_names(model) }), "Isolated")];
    let crosses = |piece: &Piece| piece.text().chars().skip(1).any(|character| SPACE.contains(character));
    if !model.pieces.iter().any(crosses) {
        words.push(split(json!({ "String": SPACE }), "MergedWithNext"));
    }
    json!({ "type": "Sequence", "pretokenizers": words })
}

/// The whole text is one word, but for tokens that a user defined.
pub(super) fn of_bpe(model: &Model) -> Value {
    let mut defined: Vec<&str> =
        model.pieces.iter().filter(|piece| piece.kind() == Kind::UserDefined).map(|piece| piece.text()).collect();
    if defined.is_empty() {
        return Value::Null;
    }
    defined.sort_by_key(|text| Reverse(text.len()));
    let defined: Vec<String> = defined.into_iter().map(literal).collect();
    let words = [json!({ "Regex": defined.join("|") }), json!({ "Regex": inside_of_names(model) })]
        .map(|it| split(it, "Isolated"));
    json!({ "type": "Sequence", "pretokenizers": words })
}

fn split(pattern: Value, behavior: &str) -> Value {
    json!({ "type": "Split", "pattern": pattern, "behavior": behavior, "invert": false })
}

/// The pattern of places inside of the names of tokens that no text stands for: cut there, a name is text like any other.
fn inside_of_names(model: &Model) -> String {
    let names = model.pieces.iter().filter(|piece| piece.is_special()).filter_map(|piece| before_last(piece.text()));
    names.chain([r"(?<=<0x[0-9A-F]{2})(?=>)".to_owned()]).collect::<Vec<_>>().join("|")
}

/// The place before the last character of `name`. Between its first ones, two that are unknown would not count as one.
fn before_last(name: &str) -> Option<String> {
    let (last, _) = name.char_indices().next_back().filter(|(last, _)| *last > 0)?;
    Some(format!("(?<={})(?={})", literal(&name[..last]), literal(&name[last..])))
}

fn literal(text: &str) -> String {
    text.chars().map(|character| format!(r"\x{{{:x}}}", u32::from(character))).collect()
}
