//! From a configuration's `[data]` to batches.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use hearth_data::{DataError, EndedFiles, Split, TokenFiles, TokenStream, Tokenizer, TokenizerKind};

use super::text_file::text_of;
use crate::{
    TrainConfig, TrainError,
    config::{DataConfig, PackingKind, TokenizerChoice},
    engine::{Data, Streams},
};

const TOKENIZER: &str = "tokenizer.json";
const PREPARED: &str = "prepare.json";

/// Tokens that a caller has, with what made them.
#[derive(Clone)]
pub struct RunTokens {
    /// Tokens to learn from.
    pub train: Arc<dyn TokenStream>,
    /// Tokens to be measured on.
    pub validation: Arc<dyn TokenStream>,
    /// What made them, and turns samples into text.
    pub tokenizer: Tokenizer,
}

/// Where the tokens of a run come from.
pub(super) enum Source {
    /// What `[data]` names.
    Config,
    Text(String),
    Tokens(RunTokens),
}

/// What a run learns from and is measured on, with its tokenizer.
pub(super) struct RunData {
    pub tokenizer: Tokenizer,
    pub data: Data,
    /// What tells these tokens from others.
    pub hash: [u8; 32],
}

impl RunData {
    /// Opens the prepared tokens, or tokenizes the text: that of `source` if it has one, else the file that is named.
    pub fn open(config: &TrainConfig, source: Source) -> Result<Self, TrainError> {
        let text = match source {
            Source::Tokens(RunTokens { train, validation, tokenizer }) => {
                let (data, hash) = Data::of_streams(config, vec![(1.0, train)], vec![(1.0, validation)])?;
                return Ok(Self { data, tokenizer, hash });
            }
            Source::Text(text) => Some(text),
            Source::Config => {
                config.data.require_source("configuration")?;
                text_of(&config.data)?
            }
        };
        let tokenizer = tokenizer_of(&config.data, text.as_deref())?;
        let (data, hash) = match text {
            Some(text) => Data::of_text(config, &tokenizer, &text)?,
            None => {
                let part = |split| streams(&config.data, split, &tokenizer);
                Data::of_streams(config, part(Split::Train)?, part(Split::Validation)?)?
            }
        };
        Ok(Self { data, tokenizer, hash })
    }
}

/// What a run's user should know of its data before it begins.
pub(super) fn notes(data: &Data) -> Vec<String> {
    let mut notes = Vec::new();
    if data.train.are_windows_of_masked() {
        notes.push(
            "data.packing = \"windows\" cuts chats anywhere and has several in a row that see one another: \"documents\" keeps each \
             apart"
                .to_owned(),
        );
    }
    let untrained = data.train.untrained();
    if untrained > 0 {
        notes.push(format!(
            "{untrained} pieces of documents are left out, for none of their tokens is trained: what is longer than \
             model.context_length is cut"
        ));
    }
    if data.validation.is_empty() {
        notes.push("no validation part: the run is not evaluated".to_owned());
    }
    notes
}

/// The tokenizer that a run would use.
///
/// # Errors
/// What is named cannot be read.
pub fn tokenizer(config: &DataConfig) -> Result<Tokenizer, TrainError> {
    let text = text_of(config)?;
    tokenizer_of(config, text.as_deref())
}

/// What a run of a configuration would learn from.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct DataSize {
    /// Number of token ids of its tokenizer.
    pub vocab_size: usize,
    /// Number of training tokens in an epoch, of all parts of a mixture.
    pub train_tokens: u64,
    /// Whether a part is held out for validation.
    pub validates: bool,
}

/// What a run of `config` would learn from.
///
/// # Errors
/// As a run's own start: what is named cannot be read, or is too short.
pub fn data_size(config: &TrainConfig) -> Result<DataSize, TrainError> {
    let RunData { tokenizer, data, .. } = RunData::open(config, Source::Config)?;
    Ok(DataSize {
        vocab_size: tokenizer.vocab_size(),
        train_tokens: data.train.token_count(),
        validates: !data.validation.is_empty(),
    })
}

fn tokenizer_of(config: &DataConfig, text: Option<&str>) -> Result<Tokenizer, TrainError> {
    let prepared = config.folders().map(|(_, folder)| folder.join(TOKENIZER)).find(|path| path.exists());
    Ok(match (&config.tokenizer, text, &prepared) {
        (_, None, Some(path)) | (TokenizerChoice::File(path), ..) => Tokenizer::from_file(path)?,
        (TokenizerChoice::Kind(kind), Some(text), _) => kind.build(text)?,
        (TokenizerChoice::Kind(TokenizerKind::Byte), None, None) => Tokenizer::byte(),
        (TokenizerChoice::Kind(TokenizerKind::Char), None, None) => {
            let folder = config.folders().map(|(_, folder)| folder).next().unwrap_or(Path::new(""));
            let reason = match folder.exists() {
                true => format!("has no {TOKENIZER}: name the file of its tokenizer in data.tokenizer"),
                false => "is not there: `hearth prepare` makes such a folder".into(),
            };
            return Err(TrainError::Config { source_name: folder.display().to_string(), reason });
        }
    })
}

fn no_documents(folder: &Path) -> TrainError {
    let reason = "its .bin files do not say where documents end, and the tokenizer has no token that does: give data.packing = \
                  \"windows\", or another data.tokenizer";
    TrainError::Config { source_name: folder.display().to_string(), reason: reason.into() }
}

fn pairs_as_text(folder: &Path) -> TrainError {
    let reason =
        "its documents are pairs of preferences, of which one is rejected: prepare other rows to learn to say them";
    TrainError::Config { source_name: folder.display().to_string(), reason: reason.into() }
}

/// One part of every folder that is named, with what the tokenizer cannot have made refused. A folder may have no validation
/// part.
fn streams(config: &DataConfig, split: Split, tokenizer: &Tokenizer) -> Result<Streams, TrainError> {
    let open = |(weight, folder): (f64, &Path)| {
        let files = if folder.join(PREPARED).exists() {
            TokenFiles::open_prepared(folder, split, Some(tokenizer.hash()))
        } else {
            TokenFiles::open(&bin_files(folder, split)?, None)
        };
        match files {
            Err(DataError::NoShards { .. } | DataError::NoTokenFiles) if split == Split::Validation => Ok(None),
            files => {
                let files = files?.for_vocabulary(tokenizer.vocab_size());
                if files.holds_pairs() {
                    return Err(pairs_as_text(folder));
                }
                let stream: Arc<dyn TokenStream> = match config.packing {
                    PackingKind::Documents if !folder.join(PREPARED).exists() => {
                        let end = tokenizer.end_of_text().ok_or_else(|| no_documents(folder))?;
                        Arc::new(EndedFiles::new(files, end)?)
                    }
                    _ => Arc::new(files),
                };
                Ok(Some((weight, stream)))
            }
        }
    };
    config.folders().filter_map(|folder| open(folder).transpose()).collect()
}

/// nanoGPT's and llm.c's files of one part, in the order of their names.
fn bin_files(folder: &Path, split: Split) -> Result<Vec<PathBuf>, TrainError> {
    let names = match split {
        Split::Train => &["train"][..],
        Split::Validation => &["val", "valid", "validation"],
    };
    let entries = fs::read_dir(folder).map_err(|cause| TrainError::Io {
        action: "reading the folder of tokens",
        path: folder.into(),
        cause,
    })?;
    let is_part = |path: &PathBuf| {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().to_lowercase();
        let mut words = name.split(|it: char| !it.is_ascii_alphanumeric());
        path.extension().is_some_and(|extension| extension == "bin") && words.any(|word| names.contains(&word))
    };
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(is_part).collect();
    files.sort();
    if files.is_empty() && split == Split::Train {
        let reason =
            "is no folder that `hearth prepare` finished, and holds no .bin file with the word \"train\" in its name: \
                      prepare it first"
                .into();
        return Err(TrainError::Config { source_name: folder.display().to_string(), reason });
    }
    Ok(files)
}
