//! A corpus into token shards, on all cores and without holding it. Native only.
//!
//! ```text
//! pieces -> batches -> [ encoders, a thread a core ] -> in order again -> train-00000.shard, validation-00000.shard, ...
//! ```
//!
//! What comes out depends on the corpus, the tokenizer and the settings alone: not on the number of threads, nor on
//! where a preparation was stopped and went on. At most `2 * threads` batches and two open shards are held.

mod batches;
mod encode;
mod manifest;
mod piece;
mod prepared;
mod split;

#[cfg(test)]
mod tests;

use std::fs;
use std::io::{self, ErrorKind};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use serde::Serialize;

use self::batches::PieceBatches;
use self::encode::encode_in_order;
use self::manifest::{Manifest, Settings};
use self::split::SplitWriter;
use crate::DataError;
use crate::new_file::NewFile;
use crate::shard::Origin;

pub use self::encode::Encode;
pub use self::piece::Piece;
pub use self::split::{Counts, Split};

/// How a corpus is cut into shards.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PrepareSettings {
    /// Share of the documents that go to validation, from 0 up to but not including 1. A document's own key decides,
    /// so that it stays where it is when others are added.
    pub validation_fraction: f64,
    /// Tokens in a shard, at most.
    pub shard_tokens: u64,
    /// Threads that encode; 0 means one for each core.
    pub threads: usize,
}

impl Default for PrepareSettings {
    fn default() -> Self {
        Self { validation_fraction: 0.005, shard_tokens: 100_000_000, threads: 0 }
    }
}

/// A corpus, a tokenizer and the folder that their shards go to.
#[derive(Debug)]
pub struct Preparation<'a, T> {
    /// Saved in the folder too, as `tokenizer.json`.
    pub tokenizer: &'a T,
    /// The files that the pieces come from. A folder that was begun with others is refused.
    pub files: &'a [PathBuf],
    /// How the files are cut into pieces, in any words. A folder that was begun otherwise is refused.
    pub reading: String,
    /// Where the shards go; made where there is none.
    pub folder: &'a Path,
    /// How they are cut.
    pub settings: PrepareSettings,
}

/// How far a preparation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of the files, as they are on the disk.
    pub bytes_read: u64,
    /// Documents in shards, those of an earlier run among them.
    pub documents: u64,
    /// Tokens in shards, those of an earlier run among them.
    pub tokens: u64,
}

/// How a preparation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The whole corpus is in shards.
    Finished,
    /// It was so before: nothing was done.
    AlreadyFinished,
    /// It was stopped. What is not in a finished shard is encoded again by the next run.
    Stopped,
}

/// What stands in the folder when a preparation ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// How it ended.
    pub outcome: Outcome,
    /// The finished training shards.
    pub train: Counts,
    /// The finished validation shards.
    pub validation: Counts,
}

impl<T: Encode + Serialize> Preparation<'_, T> {
    /// Writes the shards of `pieces`, which must be the same in each run. A folder that an earlier run has begun is
    /// gone on with after its finished shards; a finished one is left as it is. Pieces are drawn, and `on_progress` is
    /// called, on the calling thread; where `stop` becomes true, the run ends within moments.
    ///
    /// # Errors
    /// When the settings are out of range or not those of the folder, a piece is an error or cannot be encoded, there
    /// are no documents, or a file cannot be written. Finished shards are kept: the next run goes on after them.
    pub fn run(
        &self,
        pieces: &mut impl Iterator<Item = Result<Piece, DataError>>,
        stop: &AtomicBool,
        mut on_progress: impl FnMut(Progress),
    ) -> Result<Summary, DataError> {
        let mut manifest = Manifest::begin(self.folder, self.record()?)?;
        manifest.check_shards(self.folder, self.tokenizer.hash())?;
        if manifest.finished {
            return Ok(summary(Outcome::AlreadyFinished, &manifest));
        }
        NewFile::write_whole(&self.folder.join("tokenizer.json"), &self.tokenizer_json()?)?;

        let [mut train, mut validation] = [Split::Train, Split::Validation].map(|split| self.writer(split, &manifest));
        let begun = manifest.clone();
        let split_of = |number: u64, piece: &Piece| {
            let split = Split::of(piece.key, self.settings.validation_fraction);
            (number >= begun.done(split).next_piece).then_some(split)
        };
        let mut batches = PieceBatches { pieces, split_of, drawn: 0 };
        let mut stopped = false;
        let until_stopped = batches.by_ref().take_while(|_| {
            stopped = stop.load(Ordering::Relaxed);
            !stopped
        });
        encode_in_order(self.tokenizer, self.threads(), until_stopped, |batch| {
            for part in batch.parts {
                let writer = match part.split {
                    Split::Train => &mut train,
                    Split::Validation => &mut validation,
                };
                writer.append(part.number, &part.content, part.ends_document)?;
            }
            if (train.done(), validation.done()) != (manifest.train, manifest.validation) {
                (manifest.train, manifest.validation) = (train.done(), validation.done());
                manifest.save(self.folder)?;
            }
            let documents = train.documents() + validation.documents();
            let tokens = train.tokens() + validation.tokens();
            on_progress(Progress { bytes_read: batch.bytes_read, documents, tokens });
            Ok(())
        })?;
        if stopped {
            return Ok(summary(Outcome::Stopped, &manifest));
        }
        if train.tokens() + validation.tokens() == 0 {
            return Err(DataError::NoDocuments { files: self.files.len() });
        }
        train.finish_shard(batches.drawn, 0)?;
        validation.finish_shard(batches.drawn, 0)?;
        (manifest.train, manifest.validation, manifest.finished) = (train.done(), validation.done(), true);
        manifest.save(self.folder)?;
        Ok(summary(Outcome::Finished, &manifest))
    }

    /// Everything that decides which tokens come out.
    fn record(&self) -> Result<Settings, DataError> {
        let PrepareSettings { validation_fraction, shard_tokens, .. } = self.settings;
        if !(0.0..1.0).contains(&validation_fraction) {
            return Err(DataError::ValidationFraction { fraction: validation_fraction });
        }
        if shard_tokens == 0 {
            return Err(DataError::ZeroShardTokens);
        }
        let fields = [
            ("files", files_in_words(self.files)?),
            ("reading", self.reading.clone()),
            ("shard_tokens", shard_tokens.to_string()),
            ("tokenizer", blake3::Hash::from_bytes(self.tokenizer.hash()).to_string()),
            ("validation_fraction", validation_fraction.to_string()),
        ];
        Ok(fields.map(|(field, value)| (field.to_owned(), value)).into())
    }

    fn writer(&self, split: Split, manifest: &Manifest) -> SplitWriter<'_> {
        let origin = Origin { tokenizer_hash: self.tokenizer.hash(), vocab_size: self.tokenizer.vocab_size() as u64 };
        SplitWriter::new(split, self.folder, origin, self.settings.shard_tokens, manifest.done(split))
    }

    fn tokenizer_json(&self) -> Result<Vec<u8>, DataError> {
        let unwritable = |error| DataError::Unwritable { path: self.folder.into(), source: io::Error::from(error) };
        serde_json::to_vec(self.tokenizer).map_err(unwritable)
    }

    fn threads(&self) -> usize {
        match self.settings.threads {
            0 => thread::available_parallelism().map_or(1, NonZero::get),
            threads => threads,
        }
    }
}

fn summary(outcome: Outcome, manifest: &Manifest) -> Summary {
    Summary { outcome, train: manifest.train.counts, validation: manifest.validation.counts }
}

/// Names, sizes and order of the files; their folder may move.
fn files_in_words(files: &[PathBuf]) -> Result<String, DataError> {
    let (mut hasher, mut bytes) = (blake3::Hasher::new(), 0);
    for path in files {
        let about = fs::metadata(path).map_err(|source| match source.kind() {
            ErrorKind::NotFound => DataError::Missing { path: path.clone() },
            _ => DataError::Unreadable { path: path.clone(), source },
        })?;
        let name = path.file_name().unwrap_or_default().as_encoded_bytes();
        hasher.update(&(name.len() as u64).to_le_bytes()).update(name).update(&about.len().to_le_bytes());
        bytes += about.len();
    }
    Ok(format!("{} files of {bytes} bytes ({})", files.len(), hasher.finalize()))
}
