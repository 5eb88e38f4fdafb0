//! Which token stands between documents.

/// What families of models call the token between documents, in the order in which they are looked for.
const DOCUMENT_ENDS: [&str; 12] = [
    super::byte_level::END_OF_TEXT, // GPT-2, GPT-NeoX, Qwen, SmolLM, Phi
    "<|end_of_text|>",              // Llama-3, Granite
    "</s>",                         // Llama-2, Mistral, T5, XLM-R, RoBERTa
    "<eos>",                        // Gemma
    "<｜end▁of▁sentence｜>",        // DeepSeek
    "<|endofdocument|>",
    "<|EOS|>", // OLMo's first
    "[EOS]",
    "<EOS>",
    "<EOS_TOKEN>", // Command R
    "<|bos|>",     // nanochat, which puts it before each document
    "[SEP]",       // BERT, and Hugging Face's quick tour
];

/// What ends a turn of a chat; between documents only where a vocabulary has nothing better.
const TURN_ENDS: [&str; 5] = ["<|eot_id|>", "<|im_end|>", "<end_of_turn>", "<|end|>", "<|eot|>"];

/// The id of the first of the known names that `id_of` has an id for.
pub(super) fn by_name(id_of: impl Fn(&str) -> Option<u32>) -> Option<u32> {
    DOCUMENT_ENDS.iter().chain(&TURN_ENDS).find_map(|name| id_of(name))
}

/// Whether the name is one that only ends a turn of a chat.
pub(super) fn ends_a_turn(name: &str) -> bool {
    TURN_ENDS.contains(&name)
}

/// Whether the name is known to stand between documents.
pub(super) fn ends_a_document(name: &str) -> bool {
    DOCUMENT_ENDS.contains(&name)
}
