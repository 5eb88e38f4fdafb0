//! The tokenizer in a GGUF file, as llama.cpp has it.

use hearth_gguf::{Gguf, GgufError};
use serde_json::{Value, json};

use super::sentencepiece;
use crate::DataError;
use crate::tokenizer::byte_level::{ByteLevelBpe, added_token};
use crate::tokenizer::fault::broken;
use crate::tokenizer::words::WORDS;

/// `tokenizer.ggml.token_type`.
const NORMAL: u64 = 1;
const CONTROL: u64 = 3;
const USER_DEFINED: u64 = 4;

/// Its `tokenizer.json`, and the name of the token that ends a text.
///
/// # Errors
/// A kind of tokenizer, or a way to cut words, that Hearth does not know; metadata that are missing or of another kind.
pub(super) fn tokenizer_json(file: &Gguf) -> Result<(Value, Option<String>), DataError> {
    let tokens = file.get_strings("tokenizer.ggml.tokens").map_err(fault)?;
    let kinds = match file.metadata("tokenizer.ggml.token_type") {
        Some(_) => file.get_u64s("tokenizer.ggml.token_type").map_err(fault)?,
        None => vec![NORMAL; tokens.len()],
    };
    if kinds.len() != tokens.len() {
        let [tokens, kinds] = [tokens.len(), kinds.len()];
        return Err(broken(format!("it has {tokens} tokens and {kinds} kinds of them (tokenizer.ggml.token_type)")));
    }
    let json = match file.get_str("tokenizer.ggml.model").map_err(fault)? {
        "gpt2" => byte_level(file, tokens, &kinds)?,
        "llama" => {
            let scores = file.get_f64s("tokenizer.ggml.scores").map_err(fault)?;
            let prefix = match file.metadata("tokenizer.ggml.add_space_prefix") {
                Some(_) => file.get_bool("tokenizer.ggml.add_space_prefix").map_err(fault)?,
                None => true,
            };
            sentencepiece::tokenizer_json(&sentencepiece::Model::of_tokens(tokens, &scores, &kinds, prefix))?
        }
        other => return Err(broken(format!("tokenizer.ggml.model = \"{other}\": Hearth knows gpt2 and llama"))),
    };
    let end = file.get_u64("tokenizer.ggml.eos_token_id").ok();
    let end = end.and_then(|id| tokens.get(usize::try_from(id).ok()?)).cloned();
    Ok((json, end))
}

fn byte_level(file: &Gguf, tokens: &[String], kinds: &[u64]) -> Result<Value, DataError> {
    let name = file.get_str("tokenizer.ggml.pre").map_err(fault)?;
    let Some(words) = WORDS.iter().find(|words| words.names.contains(&name)) else {
        let known: Vec<&str> = WORDS.iter().flat_map(|words| words.names).copied().collect();
        return Err(broken(format!("tokenizer.ggml.pre = \"{name}\": Hearth knows {}", known.join(", "))));
    };
    let with_ids = || tokens.iter().zip(0u32..).zip(kinds);
    let merges = file.get_strings("tokenizer.ggml.merges").map_err(fault)?.iter().map(|merge| {
        let halves = merge.split_once(' ');
        let (left, right) = halves.ok_or_else(|| broken(format!("the merge {merge:?} is no two tokens")))?;
        Ok((left.to_owned(), right.to_owned()))
    });
    let mut json = ByteLevelBpe {
        vocabulary: with_ids().map(|((token, id), _)| (token.clone(), id)).collect(),
        merges: merges.collect::<Result<_, DataError>>()?,
        specials: Vec::new(),
        pattern: "",
        whole_words: words.whole_words,
    }
    .tokenizer_json();
    let added = with_ids().filter(|(_, kind)| [CONTROL, USER_DEFINED].contains(kind));
    json["added_tokens"] = added.map(|((token, id), kind)| added_token(token, id, *kind == CONTROL)).collect();
    let split = |pattern: &&str| json!({ "type": "Split", "pattern": { "Regex": pattern }, "behavior": "Isolated", "invert": false });
    let mut words_of: Vec<Value> = words.patterns.iter().map(split).collect();
    // Bytes that no text of the corpus had may be missing, so it is not the model that spells them.
    words_of.push(json!({ "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false }));
    json["pre_tokenizer"] = json!({ "type": "Sequence", "pretokenizers": words_of });
    json["model"]["byte_level"] = false.into();
    if words.is_normalized {
        json["normalizer"] = json!({ "type": "NFC" });
    }
    Ok(json)
}

fn fault(error: GgufError) -> DataError {
    broken(error.fault)
}
