//! Training and validation, and the shards of each.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::DataError;
use crate::order::splitmix::mix;
use crate::shard::{ShardOrigin, ShardWriter};

/// Document ends in a shard, which are held in memory until it is finished: 16 MiB of them.
const MOST_DOCUMENTS: u64 = 1 << 21;

/// The two parts of a prepared corpus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Split {
    /// The documents that a model learns from.
    Train,
    /// The documents that its loss is measured on.
    Validation,
}

/// Both splits, in the order of their numbers (`split as usize`).
pub(super) const SPLITS: [Split; 2] = [Split::Train, Split::Validation];

impl Split {
    /// The part that a document belongs to, whatever else is in the corpus: validation where its mixed key, as a
    /// fraction of 2^64, is below `validation_fraction`.
    pub(super) fn of(key: u64, validation_fraction: f64) -> Self {
        // The product saturates nowhere: the fraction is below 1.
        let bound = (validation_fraction * 2f64.powi(64)) as u64;
        if mix(key) < bound { Self::Validation } else { Self::Train }
    }

    pub(super) fn other(self) -> Self {
        match self {
            Self::Train => Self::Validation,
            Self::Validation => Self::Train,
        }
    }

    /// Path of shard number `number` of the part.
    pub(super) fn shard_path(self, folder: &Path, number: u64) -> PathBuf {
        folder.join(format!("{}-{number:05}.shard", self.name()))
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "validation",
        }
    }
}

/// How much the shards of a part hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// Files.
    pub shards: u64,
    /// Tokens, those after the ends of documents among them.
    pub tokens: u64,
    /// Documents that end in them.
    pub documents: u64,
}

/// The finished shards of a part, and where the next begins.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Done {
    pub counts: Counts,
    /// Number of the first piece that is not wholly in them.
    pub next_piece: u64,
    /// How many tokens of that piece are in them.
    pub next_token: u64,
}

/// Writes one part: a shard at a time, each but the last of exactly `shard_tokens` tokens, or of [`MOST_DOCUMENTS`].
pub(super) struct SplitWriter<'a> {
    split: Split,
    folder: &'a Path,
    origin: ShardOrigin,
    shard_tokens: u64,
    done: Done,
    open: Option<ShardWriter>,
}

impl<'a> SplitWriter<'a> {
    /// Goes on after the shards that are done.
    pub(super) fn new(split: Split, folder: &'a Path, origin: ShardOrigin, shard_tokens: u64, done: Done) -> Self {
        Self { split, folder, origin, shard_tokens, done, open: None }
    }

    pub(super) fn done(&self) -> Done {
        self.done
    }

    /// Tokens in finished shards and in the open one.
    pub(super) fn tokens(&self) -> u64 {
        self.done.counts.tokens + self.open.as_ref().map_or(0, ShardWriter::tokens)
    }

    /// Documents that end in finished shards and in the open one.
    pub(super) fn documents(&self) -> u64 {
        self.done.counts.documents + self.open.as_ref().map_or(0, ShardWriter::documents)
    }

    /// Appends the ids of piece number `piece`, without those that are in finished shards. A full shard is finished
    /// only when more tokens come, so that a document's end is in the shard of its last token.
    pub(super) fn append(&mut self, piece: u64, ids: &[u32], ends_document: bool) -> Result<(), DataError> {
        let mut at = if piece == self.done.next_piece { self.done.next_token as usize } else { 0 };
        while at < ids.len() {
            if self.open.as_ref().is_some_and(|shard| self.is_full(shard)) {
                self.finish_shard(piece, at as u64)?;
            }
            let path = self.split.shard_path(self.folder, self.done.counts.shards);
            let shard = match &mut self.open {
                Some(shard) => shard,
                none => none.insert(ShardWriter::create(&path, self.origin)?),
            };
            let room = usize::try_from(self.shard_tokens - shard.tokens()).unwrap_or(usize::MAX);
            let end = at + room.min(ids.len() - at);
            shard.append(&ids[at..end])?;
            at = end;
        }
        if let Some(shard) = self.open.as_mut().filter(|_| ends_document) {
            shard.end_document();
        }
        Ok(())
    }

    /// Finishes the open shard, if there is one; the next begins at token `next_token` of piece `next_piece`.
    pub(super) fn finish_shard(&mut self, next_piece: u64, next_token: u64) -> Result<(), DataError> {
        let Some(shard) = self.open.take() else { return Ok(()) };
        let (tokens, documents) = (self.tokens() + shard.tokens(), self.documents() + shard.documents());
        shard.finish()?;
        let counts = Counts { shards: self.done.counts.shards + 1, tokens, documents };
        self.done = Done { counts, next_piece, next_token };
        Ok(())
    }

    fn is_full(&self, shard: &ShardWriter) -> bool {
        shard.tokens() >= self.shard_tokens || shard.documents() >= MOST_DOCUMENTS
    }
}
