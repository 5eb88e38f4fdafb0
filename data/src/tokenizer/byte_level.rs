//! Byte-level BPE in Hugging Face's form, from a vocabulary and its merges.

use serde_json::{Value, json};
use tokenizers::utils::byte_level::BYTES_CHAR_LOOKUP;

/// The special token between documents, as GPT-2 names it.
pub(super) const END_OF_TEXT: &str = "<|endoftext|>";

/// `bytes` in GPT-2's alphabet of 256 printable characters, in which vocabularies are written.
pub(super) fn spell(bytes: &[u8]) -> String {
    bytes.iter().map(|&byte| BYTES_CHAR_LOOKUP[usize::from(byte)]).collect()
}

/// The `tokenizer.json` that splits words as GPT-2 does and has one special token, [`END_OF_TEXT`].
///
/// `whole_words`: a word that is a token is that token whichever merges lead to it, as in tiktoken.
pub(super) fn tokenizer_json(
    vocabulary: impl IntoIterator<Item = (String, u32)>,
    merges: Vec<(String, String)>,
    end_of_text: u32,
    whole_words: bool,
) -> Value {
    let vocabulary: serde_json::Map<_, _> = vocabulary.into_iter().map(|(token, id)| (token, id.into())).collect();
    json!({
        "added_tokens": [{
            "id": end_of_text, "content": END_OF_TEXT, "special": true,
            "single_word": false, "lstrip": false, "rstrip": false, "normalized": false,
        }],
        "pre_tokenizer": { "type": "ByteLevel", "add_prefix_space": false, "use_regex": true },
        "decoder": { "type": "ByteLevel" },
        "model": { "type": "BPE", "ignore_merges": whole_words, "vocab": vocabulary, "merges": merges },
    })
}
