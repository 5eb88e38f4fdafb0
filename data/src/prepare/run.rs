//! A preparation from beginning, or from where it was, to end.

use std::fs;
use std::io::{self, ErrorKind};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use serde::Serialize;

use super::batches::PieceBatches;
use super::encode::encode_in_order;
use super::manifest::{PreparedManifest, Settings};
use super::part::PartEncoder;
use super::row_account::RowAccount;
use super::split::{SPLITS, SplitWriter};
use super::texts::Texts;
use super::{Encode, Outcome, Preparation, PrepareProgress, PrepareSettings, PrepareSummary, Split};
use crate::new_file::NewFile;
use crate::prepared_folder::{self, TOKENIZER};
use crate::reader::is_standard_input;
use crate::shard::ShardOrigin;
use crate::{DataError, FileFaults, OnFault, Piece, ReadOptions};

/// Raised when the same files and settings come to other pieces: shards of both must not be mixed.
const PIECES_VERSION: u32 = 2;

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
        on_progress: impl FnMut(PrepareProgress),
    ) -> Result<PrepareSummary, DataError> {
        let settings = self.record(&[])?;
        self.write(&Texts(self.tokenizer), (settings, &mut FileFaults::default()), pieces, stop, on_progress)
    }

    /// As [`Preparation::run`] with what makes tokens of the pieces, the record of all settings, and what rows are left out.
    pub(super) fn write(
        &self,
        encoder: &impl PartEncoder,
        (settings, faults): (Settings, &mut FileFaults),
        pieces: &mut impl Iterator<Item = Result<Piece, DataError>>,
        stop: &AtomicBool,
        mut on_progress: impl FnMut(PrepareProgress),
    ) -> Result<PrepareSummary, DataError> {
        let repeatable = !self.files.iter().any(|file| is_standard_input(file));
        let _lock = prepared_folder::lock(self.folder)?;
        let mut manifest = PreparedManifest::begin(self.folder, settings, repeatable)?;
        for split in SPLITS {
            manifest.open_shards(self.folder, split, Some(self.tokenizer.hash()))?;
        }
        if manifest.finished {
            return Ok(summary(Outcome::AlreadyFinished, &manifest));
        }
        NewFile::write_whole(&self.folder.join(TOKENIZER), &self.tokenizer_json()?)?;

        let [mut train, mut validation] = SPLITS.map(|split| self.writer(split, &manifest));
        let mut batches = PieceBatches {
            pieces,
            validation_fraction: self.settings.validation_fraction,
            first_wanted: SPLITS.map(|split| manifest.done(split).next_piece),
            begun: [false; 2],
            drawn: 0,
        };
        let mut rows = RowAccount { pairs: manifest.has_shards().then_some(manifest.pairs), faults };
        let until_stopped = batches.by_ref().take_while(|_| !stop.load(Ordering::Relaxed));
        encode_in_order(encoder, self.threads(), until_stopped, |batch| {
            for part in batch.parts {
                rows.note(&part)?;
                let writer = if part.split == Split::Train { &mut train } else { &mut validation };
                writer.append(part.number, &part.content)?;
            }
            if (train.done(), validation.done()) != (manifest.train, manifest.validation) {
                manifest.note([train.done(), validation.done()], rows.pairs);
                manifest.save(self.folder)?;
            }
            let documents = train.documents() + validation.documents();
            let tokens = train.tokens() + validation.tokens();
            on_progress(PrepareProgress { bytes_read: batch.bytes_read, documents, tokens });
            Ok(())
        })?;
        // Also where the pieces have ended: the same Ctrl-C may have ended what they are piped from.
        if stop.load(Ordering::Relaxed) {
            return Ok(summary(Outcome::Stopped, &manifest));
        }
        if train.tokens() + validation.tokens() == 0 {
            return Err(rows.nothing(self.files.len()));
        }
        train.finish(batches.drawn)?;
        validation.finish(batches.drawn)?;
        manifest.note([train.done(), validation.done()], rows.pairs);
        manifest.finished = true;
        manifest.save(self.folder)?;
        Ok(summary(Outcome::Finished, &manifest))
    }

    /// Everything that decides which tokens come out, `more` settings among it.
    pub(super) fn record(&self, more: &[(&str, String)]) -> Result<Settings, DataError> {
        let PrepareSettings { validation_fraction, shard_tokens, .. } = self.settings;
        if !(0.0..1.0).contains(&validation_fraction) {
            return Err(DataError::ValidationFraction { fraction: validation_fraction });
        }
        if shard_tokens == 0 {
            return Err(DataError::ZeroShardTokens);
        }
        let ReadOptions { field, separator, faults } = self.reading;
        let faults = match faults {
            OnFault::Skip => "skip",
            OnFault::Fail => "fail",
        };
        let fields = [
            ("faults", faults.to_owned()),
            ("field", field.clone()),
            ("files", files_in_words(self.files)?),
            ("pieces_version", PIECES_VERSION.to_string()),
            ("separator", separator.clone().unwrap_or_else(|| "none".to_owned())),
            ("shard_tokens", shard_tokens.to_string()),
            ("tokenizer", blake3::Hash::from_bytes(self.tokenizer.hash()).to_string()),
            ("validation_fraction", validation_fraction.to_string()),
            ("vocab_size", self.vocab_size.map_or("not given".to_owned(), |size| size.to_string())),
        ];
        Ok(fields.iter().chain(more).map(|(field, value)| ((*field).to_owned(), value.clone())).collect())
    }

    fn writer(&self, split: Split, manifest: &PreparedManifest) -> SplitWriter<'_> {
        let origin =
            ShardOrigin { tokenizer_hash: self.tokenizer.hash(), vocab_size: self.tokenizer.vocab_size() as u64 };
        SplitWriter::new(split, self.folder, origin, self.settings.shard_tokens, manifest.done(split))
    }

    fn tokenizer_json(&self) -> Result<Vec<u8>, DataError> {
        let unwritable = |error| DataError::Unwritable { path: self.folder.into(), cause: io::Error::from(error) };
        serde_json::to_vec(self.tokenizer).map_err(unwritable)
    }

    fn threads(&self) -> usize {
        match self.settings.threads {
            0 => thread::available_parallelism().map_or(1, NonZero::get),
            threads => threads,
        }
    }
}

fn summary(outcome: Outcome, manifest: &PreparedManifest) -> PrepareSummary {
    PrepareSummary {
        outcome,
        train: manifest.train.counts,
        validation: manifest.validation.counts,
        pairs: manifest.pairs,
    }
}

/// Names, sizes and order of the files; their folder may move.
fn files_in_words(files: &[PathBuf]) -> Result<String, DataError> {
    let (mut hasher, mut bytes) = (blake3::Hasher::new(), 0);
    for path in files {
        let size = size_of(path)?;
        let name = path.file_name().unwrap_or_default().as_encoded_bytes();
        hasher.update(&(name.len() as u64).to_le_bytes()).update(name).update(&size.to_le_bytes());
        bytes += size;
    }
    Ok(format!("{} files of {bytes} bytes ({})", files.len(), hasher.finalize()))
}

/// Bytes of a file; of standard input, and of a link that leads nowhere, none.
fn size_of(path: &Path) -> Result<u64, DataError> {
    if is_standard_input(path) {
        return Ok(0);
    }
    match fs::metadata(path) {
        Ok(about) => Ok(about.len()),
        Err(cause) if cause.kind() == ErrorKind::NotFound && path.is_symlink() => Ok(0),
        Err(cause) if cause.kind() == ErrorKind::NotFound => Err(DataError::Missing { path: path.into() }),
        Err(cause) => Err(DataError::Unreadable { path: path.into(), cause }),
    }
}
