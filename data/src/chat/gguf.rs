//! The chat template in a GGUF file, as llama.cpp has it.

use std::path::Path;

use hearth_gguf::Gguf;

use super::{ChatError, ChatTemplate};

/// The special tokens of a template, and where their ids stand.
const SPECIAL_TOKENS: [(&str, &str); 4] = [
    ("bos_token", "tokenizer.ggml.bos_token_id"),
    ("eos_token", "tokenizer.ggml.eos_token_id"),
    ("unk_token", "tokenizer.ggml.unknown_token_id"),
    ("pad_token", "tokenizer.ggml.padding_token_id"),
];

/// The template in the file at `path`, or `jinja` in its place, with the special tokens that the file names.
pub(super) fn template(path: &Path, jinja: Option<&str>) -> Result<Option<ChatTemplate>, ChatError> {
    let broken = |error: hearth_gguf::GgufError| ChatError::Gguf { path: path.into(), reason: error.fault.to_string() };
    let file = Gguf::open(path).map_err(broken)?;
    let source = match (jinja, file.metadata("tokenizer.chat_template")) {
        (Some(jinja), _) => jinja,
        (None, Some(_)) => file.get_str("tokenizer.chat_template").map_err(broken)?,
        (None, None) => return Ok(None),
    };
    let tokens = file.get_strings("tokenizer.ggml.tokens").map_err(broken)?;
    let template = SPECIAL_TOKENS.iter().fold(ChatTemplate::new(source)?, |template, (name, key)| {
        let id = file.get_u64(key).ok().and_then(|id| usize::try_from(id).ok());
        match id.and_then(|id| tokens.get(id)) {
            Some(token) => template.with_value(name, token.as_str().into()),
            None => template,
        }
    });
    Ok(Some(template))
}
