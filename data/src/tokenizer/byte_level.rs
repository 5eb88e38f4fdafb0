//! Byte-level BPE in Hugging Face's form, from a vocabulary and its merges.

use serde_json::{Value, json};
use tokenizers::utils::byte_level::BYTES_CHAR_LOOKUP;

/// The special token between documents, as GPT-2 names it.
pub(super) const END_OF_TEXT: &str = "<|endoftext|>";

/// `bytes` in GPT-2's alphabet of 256 printable characters, in which vocabularies are written.
pub(super) fn spell(bytes: &[u8]) -> String {
    bytes.iter().map(|&byte| BYTES_CHAR_LOOKUP[usize::from(byte)]).collect()
}

/// The parts of a byte-level BPE tokenizer.
pub(super) struct ByteLevelBpe<'a> {
    /// Tokens in GPT-2's alphabet, with their ids.
    pub(super) vocabulary: Vec<(String, u32)>,
    pub(super) merges: Vec<(String, String)>,
    /// Special tokens, with their ids.
    pub(super) specials: Vec<(String, u32)>,
    /// What cuts a text into words, a regular expression.
    pub(super) pattern: &'a str,
    /// A word that is a token is that token whichever merges lead to it, as in tiktoken.
    pub(super) whole_words: bool,
}

impl ByteLevelBpe<'_> {
    /// Its `tokenizer.json`.
    pub(super) fn tokenizer_json(self) -> Value {
        let vocabulary: serde_json::Map<_, _> =
            self.vocabulary.into_iter().map(|(token, id)| (token, id.into())).collect();
        let specials: Vec<Value> = self.specials.into_iter().map(|(token, id)| added_token(&token, id, true)).collect();
        json!({
            "added_tokens": specials,
            "pre_tokenizer": {
                "type": "Split", "pattern": { "Regex": self.pattern }, "behavior": "Isolated", "invert": false,
            },
            "decoder": { "type": "ByteLevel" },
            "model": {
                "type": "BPE", "byte_level": true, "ignore_merges": self.whole_words,
                "vocab": vocabulary, "merges": self.merges,
            },
        })
    }
}

/// An entry of `added_tokens` that takes the text as it is.
pub(super) fn added_token(content: &str, id: u32, special: bool) -> Value {
    json!({
        "id": id, "content": content, "special": special,
        "single_word": false, "lstrip": false, "rstrip": false, "normalized": false,
    })
}

/// The normalizer that puts a space before a text without one: `Metaspace`'s, where the separator of words is a space.
pub(super) fn prefix_space() -> Value {
    json!({ "type": "MetaspaceNormalizer", "replacement": " ", "prepend": "always", "drop_whitespace": false })
}
