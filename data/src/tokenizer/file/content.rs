//! What a file is, by its content.

use std::path::Path;

use serde_json::Value;

use super::sentencepiece::{self, Model};
use super::{ranks, vocab_and_merges};
use crate::tokenizer::fault::broken;
use crate::{DataError, TokenizerError};

/// A form of tokenizer.
pub(super) enum Content<'a> {
    /// As Hearth saves it.
    Saved(Value),
    /// Hugging Face's `tokenizer.json`.
    TokenizerJson(Value),
    /// A `vocab.json`.
    Vocabulary(&'a str),
    /// A `merges.txt`.
    Merges(&'a str),
    /// tiktoken's ranks.
    Ranks(&'a str),
    /// SentencePiece's `.model`.
    SentencePiece(Model),
}

/// What is known and holds no tokenizer: how it begins, what it is, and what to do.
const BEGINNINGS: [(&[u8], &str, &str); 8] = [
    (b"GGUF", "a GGUF file of llama.cpp", "give it a name that ends in .gguf"),
    (b"PK\x03\x04", "a zip archive, or a checkpoint of PyTorch", "give the tokenizer.json of the model"),
    (b"\x80\x04", "a pickle of Python, as nanochat's tokenizer.pkl", PICKLE),
    (b"\x80\x05", "a pickle of Python", PICKLE),
    (b"version https://git-lfs", "a Git LFS pointer and not the file itself", "fetch it with `git lfs pull`"),
    (b"<!DOCTYPE", "a web page", "download the file itself, by the link to its raw form"),
    (b"<!doctype", "a web page", "download the file itself, by the link to its raw form"),
    (b"<html", "a web page", "download the file itself, by the link to its raw form"),
];
const PICKLE: &str =
    "write its ranks to a file, `base64 rank` a line, and give that with its pattern, or give a tokenizer.json";

/// As `BEGINNINGS`, for JSON objects, by a field that they have.
const FIELDS: [(&str, &str, &str); 6] = [
    ("added_tokens_decoder", "a tokenizer_config.json", BESIDE),
    ("tokenizer_class", "a tokenizer_config.json", BESIDE),
    ("architectures", "a model's config.json", BESIDE),
    ("transformers_version", "a configuration of a model", BESIDE),
    ("eos_token", "a special_tokens_map.json", BESIDE),
    ("special_tokens", "a tekken.json of Mistral's", "give the tokenizer.json of the model"),
];
const BESIDE: &str = "give the tokenizer.json, tokenizer.model or vocab.json that lies beside it";

/// What `bytes`, of the file at `path`, are.
///
/// # Errors
/// When it is something else than a tokenizer, no JSON although it begins so, or not UTF-8.
pub(super) fn of<'a>(path: &Path, bytes: &'a [u8]) -> Result<Content<'a>, DataError> {
    if let Some(&(_, what, advice)) = BEGINNINGS.iter().find(|(beginning, ..)| bytes.starts_with(beginning)) {
        return Err(TokenizerError::NotTokenizer { path: path.into(), what, advice }.into());
    }
    if let Some(model) = sentencepiece::model_in(bytes) {
        return Ok(Content::SentencePiece(model));
    }
    let is_utf16 = bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff");
    if bytes.contains(&0) && !is_utf16 {
        let (what, advice) = ("a binary file, but no model of SentencePiece", "give the tokenizer.json of the model");
        return Err(TokenizerError::NotTokenizer { path: path.into(), what, advice }.into());
    }
    let text = std::str::from_utf8(bytes)
        .map_err(|error| DataError::NotUtf8 { path: path.into(), offset: error.valid_up_to() })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.trim_start().starts_with('{') {
        return of_json(path, text);
    }
    if text.starts_with("#version") || vocab_and_merges::is_merges(path) {
        return Ok(Content::Merges(text));
    }
    let first = text.lines().next().unwrap_or_default();
    if !ranks::is_rank(first) && text.lines().any(|line| line == "[UNK]") {
        let what = "the vocab.txt of a WordPiece tokenizer";
        let advice = "convert it with transformers, whose `AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER)` \
                      writes a tokenizer.json";
        return Err(TokenizerError::NotTokenizer { path: path.into(), what, advice }.into());
    }
    Ok(Content::Ranks(text))
}

fn of_json<'a>(path: &Path, text: &'a str) -> Result<Content<'a>, DataError> {
    let json: Value = serde_json::from_str(text).map_err(broken)?;
    if json.get("kind").is_some() {
        return Ok(Content::Saved(json));
    }
    if json.get("model").is_some_and(Value::is_object) {
        return Ok(Content::TokenizerJson(json));
    }
    if vocab_and_merges::is_vocabulary(&json) {
        return Ok(Content::Vocabulary(text));
    }
    match FIELDS.iter().find(|(field, ..)| json.get(field).is_some()) {
        Some(&(_, what, advice)) => Err(TokenizerError::NotTokenizer { path: path.into(), what, advice }.into()),
        None => Ok(Content::TokenizerJson(json)),
    }
}
