//! How llama.cpp cuts texts into words, by the names that a file of GGUF has for it.

use super::patterns::{GPT2, LLAMA3, QWEN2};

/// How texts are cut into words, by `tokenizer.ggml.pre`.
pub(super) struct Words {
    /// The first of them is written.
    pub(super) names: &'static [&'static str],
    /// One after the other.
    pub(super) patterns: &'static [&'static str],
    pub(super) is_normalized: bool,
    /// A word that is a token is that token, whichever merges lead to it.
    pub(super) whole_words: bool,
}

/// A digit by itself.
pub(super) const DIGIT: &str = r"\p{N}";

/// As `llm_load_vocab` and `llama-vocab.cpp` of llama.cpp have them.
pub(super) const WORDS: [Words; 5] = [
    Words { names: &["gpt-2", "olmo", "jais"], patterns: &[GPT2], is_normalized: false, whole_words: false },
    Words { names: &["smollm", "starcoder"], patterns: &[DIGIT, GPT2], is_normalized: false, whole_words: false },
    Words { names: &["llama-bpe", "llama3", "llama-v3"], patterns: &[LLAMA3], is_normalized: false, whole_words: true },
    Words { names: &["dbrx", "smaug-bpe"], patterns: &[LLAMA3], is_normalized: false, whole_words: false },
    Words { names: &["qwen2"], patterns: &[QWEN2], is_normalized: true, whole_words: false },
];
