//! SentencePiece's `.model` files, as a `tokenizer.json`.

mod merges;
mod proto;

use base64::{Engine, prelude::BASE64_STANDARD};
use prost::Message;
use serde_json::{Value, json};

use self::merges::merges_of;
use self::proto::Kind;
pub(super) use self::proto::Model;
use crate::DataError;
use crate::tokenizer::byte_level::added_token;
use crate::tokenizer::fault::broken;

/// What stands for a space, U+2581.
const SPACE: &str = "\u{2581}";
/// How much less likely than the least likely token one that no text stands for is.
const NEVER: f32 = 100.0;

/// The model in `bytes`, where they are one.
pub(super) fn model_in(bytes: &[u8]) -> Option<Model> {
    // A field of tokens comes first, and nearly any bytes are some message.
    let model = Model::decode(bytes).ok().filter(|_| bytes.first() == Some(&0x0a))?;
    (model.trainer.is_some() && !model.pieces.is_empty()).then_some(model)
}

/// The `tokenizer.json` that Hugging Face's converter makes, but for normalization, which is SentencePiece's own: white
/// space is collapsed only where the model says so.
///
/// # Errors
/// When the model is neither of type unigram nor BPE, or marks spaces in another way.
pub(super) fn tokenizer_json(model: &Model) -> Result<Value, DataError> {
    let trainer = model.trainer.clone().unwrap_or_default();
    let byte_fallback = trainer.byte_fallback();
    if trainer.treat_whitespace_as_suffix() {
        return Err(broken("it puts spaces behind words (`treat_whitespace_as_suffix`), which is not supported"));
    }
    let (model_json, words) = match trainer.model_type() {
        proto::UNIGRAM => (unigram(model, byte_fallback)?, cut_at_spaces(model)),
        proto::BPE => (bpe(model, byte_fallback), Value::Null),
        other => return Err(broken(format!("its `model_type` is {other}, not 1 (unigram) or 2 (BPE)"))),
    };
    let specials = model.pieces.iter().zip(0..).filter_map(|(piece, id)| match piece.kind() {
        Kind::Unknown | Kind::Control => Some(added_token(piece.text(), id, true)),
        Kind::UserDefined => Some(added_token(piece.text(), id, false)),
        _ => None,
    });
    Ok(json!({
        "added_tokens": specials.collect::<Vec<_>>(),
        "normalizer": { "type": "Sequence", "normalizers": normalizers(model) },
        "pre_tokenizer": words,
        "decoder": { "type": "Sequence", "decoders": decoders(model) },
        "model": model_json,
    }))
}

fn normalizers(model: &Model) -> Vec<Value> {
    let rules = model.normalizer.clone().unwrap_or_default();
    let mut normalizers = Vec::new();
    if let Some(map) = rules.precompiled_charsmap.as_ref().filter(|map| !map.is_empty()) {
        normalizers.push(json!({ "type": "Precompiled", "precompiled_charsmap": BASE64_STANDARD.encode(map) }));
    }
    if rules.remove_extra_whitespaces() {
        normalizers.push(replacing(json!({ "Regex": r"\A +| +\z" }), ""));
        normalizers.push(replacing(json!({ "Regex": " {2,}" }), " "));
    }
    if rules.add_dummy_prefix() {
        normalizers.push(json!({ "type": "Prepend", "prepend": SPACE }));
    }
    normalizers.push(replacing(json!({ "String": " " }), SPACE));
    normalizers
}

fn decoders(model: &Model) -> Vec<Value> {
    let rules = model.normalizer.clone().unwrap_or_default();
    let mut decoders = vec![
        replacing(json!({ "String": SPACE }), " "),
        json!({ "type": "ByteFallback" }),
        json!({ "type": "Fuse" }),
    ];
    if rules.add_dummy_prefix() || rules.remove_extra_whitespaces() {
        decoders.push(json!({ "type": "Strip", "content": " ", "start": 1, "stop": 0 }));
    }
    decoders
}

fn replacing(pattern: Value, content: &str) -> Value {
    json!({ "type": "Replace", "pattern": pattern, "content": content })
}

/// Words are cut at spaces, which is faster, unless a token crosses one.
fn cut_at_spaces(model: &Model) -> Value {
    if model.pieces.iter().any(|piece| piece.text().chars().skip(1).any(|character| SPACE.contains(character))) {
        return Value::Null;
    }
    json!({ "type": "Split", "pattern": { "String": SPACE }, "behavior": "MergedWithNext", "invert": false })
}

fn unigram(model: &Model, byte_fallback: bool) -> Result<Value, DataError> {
    let unknown = model.pieces.iter().position(|piece| piece.kind() == Kind::Unknown);
    let unknown = unknown.ok_or_else(|| broken("it has no token for what is unknown"))?;
    if let Some(id) = model.pieces.iter().position(|piece| !piece.score().is_finite()) {
        return Err(broken(format!("the score of id {id} is {}", model.pieces[id].score())));
    }
    let of_text = model.pieces.iter().filter(|piece| piece.kind() == Kind::Normal);
    let least = of_text.map(proto::Piece::score).fold(0.0, f32::min);
    let scored = model.pieces.iter().map(|piece| match piece.kind() {
        Kind::Normal | Kind::UserDefined => json!([piece.text(), piece.score()]),
        Kind::Unknown | Kind::Control | Kind::Unused | Kind::Byte => json!([piece.text(), least - NEVER]),
    });
    Ok(json!({
        "type": "Unigram", "unk_id": unknown, "byte_fallback": byte_fallback, "vocab": scored.collect::<Vec<_>>(),
    }))
}

fn bpe(model: &Model, byte_fallback: bool) -> Value {
    let vocabulary: serde_json::Map<_, _> =
        model.pieces.iter().zip(0..).map(|(piece, id): (_, u32)| (piece.text().to_owned(), id.into())).collect();
    let unknown = model.pieces.iter().find(|piece| piece.kind() == Kind::Unknown).map(proto::Piece::text);
    json!({
        "type": "BPE", "unk_token": unknown, "fuse_unk": true, "byte_fallback": byte_fallback,
        "vocab": vocabulary, "merges": merges_of(&model.pieces),
    })
}
