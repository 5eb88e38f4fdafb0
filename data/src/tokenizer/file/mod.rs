//! Tokenizers in files, in the many forms that people have them in.

mod beside;
mod content;
#[cfg(not(target_family = "wasm"))]
mod gguf;
mod rank_families;
mod ranks;
mod sentencepiece;
mod vocab_and_merges;

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde_json::Value;

use self::content::Content;
use super::Tokenizer;
use super::fault::broken;
use super::hf::JsonTokenizer;
use crate::{DataError, TokenizerError};

/// What a file of a tokenizer does not say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TokenizerOptions {
    /// The regular expression that cuts a text into words, for files that do not say it: tiktoken's ranks (those of GPT-2,
    /// GPT-3, GPT-4, GPT-4o and Llama-3 are known and need none), and a `vocab.json` whose words are not GPT-2's.
    pub pattern: Option<String>,
    /// The token between documents, by its name. Without it, what lies beside the file says so, else known names.
    pub end_of_text: Option<String>,
}

/// In a folder, the first of these is read.
const NAMES: [&str; 6] =
    ["tokenizer.json", "tokenizer.model", "spiece.model", "sentencepiece.bpe.model", "vocab.json", "encoder.json"];

impl Tokenizer {
    /// [`open`](Self::open) without options.
    ///
    /// # Errors
    /// As `open`.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, DataError> {
        Self::open(path, &TokenizerOptions::default())
    }

    /// The tokenizer in a file, whose content says what it is: a tokenizer that Hearth saved, a Hugging Face
    /// `tokenizer.json`, a SentencePiece model, a `vocab.json` with `merges.txt` beside it, tiktoken's ranks (lines of
    /// `base64 rank`), or a `.gguf` of llama.cpp; or in a folder that has one of these.
    ///
    /// # Errors
    /// When there is no such file, or it is none of these; the error names the file, what is wrong in it or what else it
    /// is, and what to give. When ranks are of no known tokenizer and `options` have no pattern, and when the tokenizer has
    /// no token with the name given for the end of text.
    pub fn open(path: impl AsRef<Path>, options: &TokenizerOptions) -> Result<Self, DataError> {
        let path = &file_at(path.as_ref())?;
        let read = match path.extension().is_some_and(|it| it.eq_ignore_ascii_case("gguf")) {
            true => in_gguf(path),
            false => {
                let bytes = bytes_of(path)?;
                content::of(path, &bytes).and_then(|content| tokenizer(path, content, options))
            }
        };
        let tokenizer = read.map_err(|error| match error {
            DataError::Tokenizer(TokenizerError::BrokenTokenizer { reason }) => {
                TokenizerError::TokenizerFile { path: path.into(), reason }.into()
            }
            other => other,
        })?;
        match &options.end_of_text {
            Some(name) => tokenizer.with_end_of_text(name),
            None => Ok(tokenizer),
        }
    }
}

/// The tokenizer in a GGUF file, which is not read beyond it.
#[cfg(not(target_family = "wasm"))]
fn in_gguf(path: &Path) -> Result<Tokenizer, DataError> {
    let file = hearth_gguf::Gguf::open(path).map_err(|error| broken(error.fault))?;
    let (json, end) = gguf::tokenizer_json(&file)?;
    let tokenizer = JsonTokenizer::from_json(json)?;
    let tokenizer = match end.filter(|name| tokenizer.id_of(name).is_some()) {
        Some(name) => tokenizer.with_end_of_text(&name)?,
        None => tokenizer,
    };
    Ok(Tokenizer::Json(tokenizer))
}

/// In a browser nothing is mapped.
#[cfg(target_family = "wasm")]
fn in_gguf(_path: &Path) -> Result<Tokenizer, DataError> {
    Err(broken("GGUF files are not read in a browser: give the tokenizer.json"))
}

/// The tokenizer of what a file holds, with the end of text that files beside it name.
fn tokenizer(path: &Path, content: Content<'_>, options: &TokenizerOptions) -> Result<Tokenizer, DataError> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let pattern = options.pattern.as_deref();
    let json: Value = match content {
        Content::Saved(json) => return serde_json::from_value(json).map_err(broken),
        Content::TokenizerJson(json) => json,
        Content::SentencePiece(model) => sentencepiece::tokenizer_json(&model)?,
        Content::Ranks(text) => ranks::parse(text, pattern)?
            .ok_or_else(|| TokenizerError::UnknownRanks { path: path.into(), ranks: text.lines().count() })?,
        Content::Vocabulary(text) => vocab_and_merges::parse(text, &other_half(path)?, folder, pattern)?,
        Content::Merges(text) => vocab_and_merges::parse(&other_half(path)?, text, folder, pattern)?,
    };
    let tokenizer = JsonTokenizer::from_json(json)?;
    let tokenizer = match beside::end_of_text(folder, &tokenizer) {
        Some(name) => tokenizer.with_end_of_text(&name)?,
        None => tokenizer,
    };
    Ok(Tokenizer::Json(tokenizer))
}

/// The file to read for `path`: in a folder, and beside half of a tokenizer, what says most.
fn file_at(path: &Path) -> Result<PathBuf, DataError> {
    if path.is_dir() {
        let file = NAMES.iter().map(|name| path.join(name)).find(|file| file.is_file());
        return file.ok_or_else(|| TokenizerError::NoTokenizerIn { folder: path.into() }.into());
    }
    let whole = path.with_file_name("tokenizer.json");
    Ok(if vocab_and_merges::is_half(path) && whole.is_file() { whole } else { path.to_owned() })
}

fn bytes_of(path: &Path) -> Result<Vec<u8>, DataError> {
    let bytes = fs::read(path).map_err(|cause| match cause.kind() {
        ErrorKind::NotFound => TokenizerError::Missing { path: path.into() }.into(),
        _ => DataError::Unreadable { path: path.into(), cause },
    })?;
    if bytes.is_empty() {
        return Err(DataError::EmptyFile { path: path.into() });
    }
    Ok(bytes)
}

/// The text of the file that makes a pair with the vocabulary, or the merges, at `path`.
fn other_half(path: &Path) -> Result<String, DataError> {
    let other = vocab_and_merges::other_half(path)
        .ok_or_else(|| broken("it is one of `vocab.json` and `merges.txt` under another name"))?;
    let text = fs::read_to_string(path.with_file_name(other));
    text.map_err(|_| {
        broken(format!("it is half of a tokenizer, whose other half, `{other}`, cannot be read beside it"))
    })
}
