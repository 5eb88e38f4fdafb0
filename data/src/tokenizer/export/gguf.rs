//! A tokenizer as the metadata of a GGUF file, for llama.cpp.

use std::collections::{BTreeMap, HashMap};

use hearth_gguf::{MetadataArray, MetadataValue};
use serde_json::{Map, Value};

use crate::DataError;
use crate::tokenizer::fault::broken;
use crate::tokenizer::patterns::GPT2;
use crate::tokenizer::words::{DIGIT, WORDS};
use crate::tokenizer::{Tokenizer, byte_level::spell};

/// `tokenizer.ggml.token_type`.
const NORMAL: i32 = 1;
const UNKNOWN: i32 = 2;
const CONTROL: i32 = 3;
const USER_DEFINED: i32 = 4;
const UNUSED: i32 = 5;
const BYTE: i32 = 6;

/// Keys and values.
type Metadata = Vec<(String, MetadataValue)>;

impl Tokenizer {
    /// The metadata `tokenizer.ggml.*` by which llama.cpp gives the same ids, for a model with so many `rows`; `first` is what every
    /// text begins with.
    ///
    /// # Errors
    /// A tokenizer that llama.cpp has not, by what keeps it from being one of its.
    pub fn to_gguf(&self, rows: usize, first: Option<u32>) -> Result<Metadata, DataError> {
        let (mut metadata, end) = match self {
            Self::Byte => {
                let tokens = (0..=u8::MAX).map(|byte| spell(&[byte])).collect();
                // Without one llama.cpp takes another: no text has a byte of 0.
                (by_letters(tokens, rows), Some(0))
            }
            Self::Char(tokenizer) => {
                let letters = tokenizer.characters();
                if let Some(letter) = letters.iter().find(|letter| !letter.is_ascii()) {
                    return Err(broken(format!(
                        "it has the character {letter:?}, and llama.cpp knows bytes alone as letters: train with `byte` or \
                         BPE, or export without a tokenizer"
                    )));
                }
                (by_letters(letters.iter().map(|letter| spell(&[*letter as u8])).collect(), rows), None)
            }
            Self::Json(_) => (of_json(&self.classic()?, rows)?, self.end_of_text()),
        };
        let id = |name: &str, id: u32| (format!("tokenizer.ggml.{name}"), MetadataValue::U32(id));
        metadata.extend(end.map(|end| id("eos_token_id", end)));
        metadata.extend(first.or(end).map(|begin| id("bos_token_id", begin)));
        let flag = |name: &str, value| (format!("tokenizer.ggml.{name}"), MetadataValue::Bool(value));
        metadata.push(flag("add_bos_token", first.is_some()));
        metadata.push(flag("add_eos_token", false));
        Ok(metadata)
    }
}

/// What a byte-level vocabulary of letters is without merges.
fn by_letters(tokens: Vec<String>, rows: usize) -> Metadata {
    let named = tokens.into_iter().zip(0..).map(|(token, id)| (id, (token, NORMAL))).collect();
    byte_level("gpt-2", &named, Vec::new(), rows)
}

fn byte_level(pre: &str, tokens: &BTreeMap<u64, (String, i32)>, merges: Vec<String>, rows: usize) -> Metadata {
    let mut metadata = vec![text("model", "gpt2"), text("pre", pre)];
    metadata.extend(vocabulary(tokens, rows));
    metadata.push(("tokenizer.ggml.merges".into(), MetadataValue::Array(MetadataArray::String(merges))));
    metadata
}

/// Tokens and their kinds, in the order of ids, with names for those that stand for nothing.
fn vocabulary(tokens: &BTreeMap<u64, (String, i32)>, rows: usize) -> [(String, MetadataValue); 2] {
    let absent = |id: u64| (format!("[PAD{id}]"), UNUSED);
    let all = (0..rows as u64).map(|id| tokens.get(&id).cloned().unwrap_or_else(|| absent(id)));
    let (names, kinds) = all.unzip();
    [
        ("tokenizer.ggml.tokens".into(), MetadataValue::Array(MetadataArray::String(names))),
        ("tokenizer.ggml.token_type".into(), MetadataValue::Array(MetadataArray::I32(kinds))),
    ]
}

fn text(name: &str, value: &str) -> (String, MetadataValue) {
    (format!("tokenizer.ggml.{name}"), MetadataValue::String(value.into()))
}

/// Those of a `tokenizer.json` of version 1.0.
fn of_json(json: &Value, rows: usize) -> Result<Metadata, DataError> {
    let model = &json["model"];
    let vocab = model["vocab"].as_object().filter(|_| model["type"] == "BPE");
    let Some(vocab) = vocab else {
        return Err(broken(format!("its model is {}, and llama.cpp's are of BPE", model["type"])));
    };
    let mut tokens = BTreeMap::new();
    for (token, id) in vocab {
        tokens.insert(id.as_u64().unwrap_or(u64::MAX), (token.clone(), NORMAL));
    }
    for token in json["added_tokens"].as_array().into_iter().flatten() {
        let kind = if token["special"] == true { CONTROL } else { USER_DEFINED };
        let name = token["content"].as_str().unwrap_or_default().to_string();
        tokens.insert(token["id"].as_u64().unwrap_or(u64::MAX), (name, kind));
    }
    if let Some((id, (token, _))) = tokens.last_key_value().filter(|(id, _)| **id >= rows as u64) {
        return Err(broken(format!("token {token:?} has id {id}, and the model {rows} rows")));
    }
    let merges = merges(model);
    if model["byte_fallback"] == true {
        return Ok(of_sentencepiece(json, vocab, tokens, &merges, rows));
    }
    let merges = merges.into_iter().map(|(left, right)| format!("{left} {right}")).collect();
    Ok(byte_level(words_of(json)?, &tokens, merges, rows))
}

fn merges(model: &Value) -> Vec<(String, String)> {
    let halves = |merge: &Value| -> Option<(String, String)> {
        let (left, right) = match merge.as_str() {
            Some(both) => both.split_once(' ')?,
            None => (merge[0].as_str()?, merge[1].as_str()?),
        };
        Some((left.into(), right.into()))
    };
    model["merges"].as_array().into_iter().flatten().filter_map(halves).collect()
}

/// What llama.cpp calls the way in which this tokenizer cuts words.
fn words_of(json: &Value) -> Result<&'static str, DataError> {
    if json["model"]["merges"].as_array().is_some_and(Vec::is_empty) {
        // Nothing is joined, wherever words end.
        return Ok("gpt-2");
    }
    let pre = &json["pre_tokenizer"];
    let several = pre["pretokenizers"].as_array().map_or(std::slice::from_ref(pre), Vec::as_slice);
    let mut patterns = Vec::new();
    for member in several {
        match member["type"].as_str() {
            Some("Split") if member["behavior"] == "Isolated" => patterns.extend(member["pattern"]["Regex"].as_str()),
            Some("Digits") if member["individual_digits"] == true => patterns.push(DIGIT),
            Some("ByteLevel") if member["add_prefix_space"] != true => {
                patterns.extend((member["use_regex"] != false).then_some(GPT2));
            }
            _ => return Err(broken(format!("llama.cpp cuts no words by {member}"))),
        }
    }
    let whole_words = json["model"]["ignore_merges"] == true;
    let found = WORDS.iter().find(|words| words.whole_words == whole_words && words.patterns == patterns);
    found.map(|words| words.names[0]).ok_or_else(|| {
        broken(format!(
            "llama.cpp has no name that Hearth knows for words that are cut by {}",
            patterns.join(" and then ")
        ))
    })
}

/// SentencePiece's BPE: a token's score says when its pair is merged.
fn of_sentencepiece(
    json: &Value,
    vocab: &Map<String, Value>,
    mut tokens: BTreeMap<u64, (String, i32)>,
    merges: &[(String, String)],
    rows: usize,
) -> Metadata {
    let mut ranks = HashMap::new();
    for (rank, (left, right)) in merges.iter().enumerate() {
        ranks.entry([left.as_str(), right.as_str()].concat()).or_insert(rank);
    }
    let unknown = json["model"]["unk_token"].as_str().and_then(|token| vocab.get(token)?.as_u64());
    for (id, (token, kind)) in &mut tokens {
        let is_byte = token.len() == 6 && token.starts_with("<0x") && token.ends_with('>');
        match *kind {
            _ if Some(*id) == unknown => *kind = UNKNOWN,
            NORMAL if is_byte => *kind = BYTE,
            _ => {}
        }
    }
    let score = |id: u64| match tokens.get(&id) {
        Some((token, NORMAL)) => ranks.get(token).map_or(-(merges.len() as f32), |rank| -(*rank as f32)),
        _ => 0.0,
    };
    let scores = (0..rows as u64).map(score).collect();
    let mut metadata = vec![text("model", "llama"), text("pre", "default")];
    metadata.extend(vocabulary(&tokens, rows));
    metadata.push(("tokenizer.ggml.scores".into(), MetadataValue::Array(MetadataArray::F32(scores))));
    let has_prefix = ["normalizer", "pre_tokenizer"].iter().any(|slot| has_prefix(&json[slot]));
    metadata.push(("tokenizer.ggml.add_space_prefix".into(), MetadataValue::Bool(has_prefix)));
    metadata.extend(
        unknown
            .and_then(|id| u32::try_from(id).ok())
            .map(|id| ("tokenizer.ggml.unknown_token_id".to_string(), MetadataValue::U32(id))),
    );
    metadata
}

/// Whether a text gets a space before it.
fn has_prefix(component: &Value) -> bool {
    let own =
        component["type"] == "Prepend" || (component["type"] == "Metaspace" && component["prepend_scheme"] != "never");
    let members = ["normalizers", "pretokenizers"].iter().flat_map(|name| component[name].as_array()).flatten();
    own || members.into_iter().any(has_prefix)
}
