//! SentencePiece's `.model` files, as a `tokenizer.json`.

mod merges;
mod proto;
mod words;

use base64::{Engine, prelude::BASE64_STANDARD};
use prost::Message;
use serde_json::{Value, json};

use self::merges::merges_of;
pub(super) use self::proto::Model;
use self::proto::{Kind, SPACE};
use crate::DataError;
use crate::tokenizer::byte_level::added_token;
use crate::tokenizer::fault::broken;

/// The model in `bytes`, where they are one.
pub(super) fn model_in(bytes: &[u8]) -> Option<Model> {
    // A field of tokens comes first, and nearly any bytes are some message.
    let model = Model::decode(bytes).ok().filter(|_| bytes.first() == Some(&0x0a))?;
    (model.trainer.is_some() && !model.pieces.is_empty()).then_some(model)
}

/// The `tokenizer.json` that gives SentencePiece's ids. It is Hugging Face's but for white space, which is collapsed only
/// where the model says so, and for tokens that a user defined: the text behind one does not open another.
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
        proto::UNIGRAM => (unigram(model, byte_fallback)?, words::of_unigram(model)),
        proto::BPE => (bpe(model, byte_fallback), words::of_bpe(model)),
        other => return Err(broken(format!("its `model_type` is {other}, not 1 (unigram) or 2 (BPE)"))),
    };
    let specials = model.pieces.iter().zip(0..).filter(|(piece, _)| piece.is_special());
    Ok(json!({
        "added_tokens": specials.map(|(piece, id)| added_token(piece.text(), id, true)).collect::<Vec<_>>(),
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
        normalizers.push(replacing(json!({ "Regex": r"\A +" }), ""));
        normalizers.push(replacing(json!({ "Regex": format!(r"[ {SPACE}]+\z") }), ""));
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
    let mut decoders =
        vec![replacing(json!({ "String": SPACE }), " "), json!({ "type": "ByteFallback" }), json!({ "type": "Fuse" })];
    if rules.add_dummy_prefix() || rules.remove_extra_whitespaces() {
        decoders.push(json!({ "type": "Strip", "content": " ", "start": 1, "stop": 0 }));
    }
    decoders
}

fn replacing(pattern: Value, content: &str) -> Value {
    json!({ "type": "Replace", "pattern": pattern, "content": content })
}

fn unigram(model: &Model, byte_fallback: bool) -> Result<Value, DataError> {
    let unknown = model.pieces.iter().position(|piece| piece.kind() == Kind::Unknown);
    let unknown = unknown.ok_or_else(|| broken("it has no token for what is unknown"))?;
    if let Some(id) = model.pieces.iter().position(|piece| !piece.score().is_finite()) {
        return Err(broken(format!("the score of id {id} is {}", model.pieces[id].score())));
    }
    let of_text = || model.pieces.iter().filter(|piece| piece.kind() == Kind::Normal).map(proto::Piece::score);
    let (least, most) = (of_text().fold(f32::MAX, f32::min).min(0.0), of_text().fold(f32::MIN, f32::max));
    let scored = model.pieces.iter().map(|piece| match piece.kind() {
        Kind::Normal => json!([piece.text(), piece.score()]),
        // As SentencePiece scores them, so that nothing is likelier.
        Kind::UserDefined => json!([piece.text(), piece.text().len() as f32 * most - 0.1]),
        Kind::Unknown | Kind::Control | Kind::Unused | Kind::Byte => json!([piece.text(), least]),
    });
    Ok(json!({
        "type": "Unigram", "unk_id": unknown, "byte_fallback": byte_fallback, "vocab": scored.collect::<Vec<_>>(),
    }))
}

fn bpe(model: &Model, byte_fallback: bool) -> Value {
    let vocabulary: serde_json::Map<_, _> =
        model.pieces.iter().zip(0..).map(|(piece, id): (_, u32)| (piece.text().to_owned(), id.into())).collect();
    let unknown = model.pieces.iter().find(|piece| piece.kind() == Kind::Unknown).map(proto::Piece::text);
    // No merges lead to tokens that a user defined.
    let whole_words = model.pieces.iter().any(|piece| piece.kind() == Kind::UserDefined);
    json!({
        "type": "BPE", "unk_token": unknown, "fuse_unk": true, "byte_fallback": byte_fallback,
        "ignore_merges": whole_words, "vocab": vocabulary, "merges": merges_of(&model.pieces),
    })
}
