//! Training and validation, and the shards of each.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::part_tokens::{PartRow, PartTokens};
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
    /// Tokens that are not trained.
    #[serde(default, skip_serializing_if = "is_none")]
    pub untrained: u64,
    /// Rows that were cut to the length that was asked for.
    #[serde(default, skip_serializing_if = "is_none")]
    pub cut: u64,
    /// Rows that were left out.
    #[serde(default, skip_serializing_if = "is_none")]
    pub left_out: u64,
}

fn is_none(count: &u64) -> bool {
    *count == 0
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
    /// Rows until here that were cut, and that were left out.
    rows: [u64; 2],
}

impl<'a> SplitWriter<'a> {
    /// Goes on after the shards that are done.
    pub(super) fn new(split: Split, folder: &'a Path, origin: ShardOrigin, shard_tokens: u64, done: Done) -> Self {
        let rows = [done.counts.cut, done.counts.left_out];
        Self { split, folder, origin, shard_tokens, done, open: None, rows }
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

    /// Appends the tokens of piece number `piece`, without those that are in finished shards. A full shard is finished
    /// only when more tokens come, so that a document's end is in the shard of its last token.
    pub(super) fn append(&mut self, piece: u64, tokens: &PartTokens) -> Result<(), DataError> {
        let mut at = if piece == self.done.next_piece { self.done.next_token as usize } else { 0 };
        for &end in &tokens.ends {
            at = self.append_until(end, at, piece, tokens)?;
            if let Some(shard) = &mut self.open {
                shard.end_document();
            }
        }
        self.append_until(tokens.ids.len(), at, piece, tokens)?;
        // Behind its tokens: what is begun again is counted again.
        match tokens.row {
            Some(PartRow::Kept { is_cut, .. }) => self.rows[0] += u64::from(is_cut),
            Some(PartRow::LeftOut(_)) => self.rows[1] += 1,
            None => {}
        }
        Ok(())
    }

    /// Appends the piece's tokens `at..until`; the place behind them.
    fn append_until(
        &mut self,
        until: usize,
        mut at: usize,
        piece: u64,
        tokens: &PartTokens,
    ) -> Result<usize, DataError> {
        while at < until {
            if self.open.as_ref().is_some_and(|shard| self.is_full(shard)) {
                self.finish_shard(piece, at as u64)?;
            }
            let path = self.split.shard_path(self.folder, self.done.counts.shards);
            let shard = match &mut self.open {
                Some(shard) => shard,
                none => none.insert(ShardWriter::create(&path, self.origin)?),
            };
            let room = usize::try_from(self.shard_tokens - shard.tokens()).unwrap_or(usize::MAX);
            let end = at + room.min(until - at);
            let trained = tokens.trained.as_ref().map(|trained| &trained[at..end]);
            shard.append(&tokens.ids[at..end], trained)?;
            at = end;
        }
        Ok(at)
    }

    /// Finishes the open shard, if there is one; the next begins at token `next_token` of piece `next_piece`.
    pub(super) fn finish_shard(&mut self, next_piece: u64, next_token: u64) -> Result<(), DataError> {
        let Some(shard) = self.open.take() else { return Ok(()) };
        let (tokens, documents) = (self.tokens() + shard.tokens(), self.documents() + shard.documents());
        let (shards, untrained) = (self.done.counts.shards + 1, self.done.counts.untrained + shard.untrained());
        shard.finish()?;
        let [cut, left_out] = self.rows;
        let counts = Counts { shards, tokens, documents, untrained, cut, left_out };
        self.done = Done { counts, next_piece, next_token };
        Ok(())
    }

    /// Finishes the open shard, behind the last piece, of which there are `pieces`.
    pub(super) fn finish(&mut self, pieces: u64) -> Result<(), DataError> {
        self.finish_shard(pieces, 0)?;
        [self.done.counts.cut, self.done.counts.left_out] = self.rows;
        Ok(())
    }

    fn is_full(&self, shard: &ShardWriter) -> bool {
        shard.tokens() >= self.shard_tokens || shard.documents() >= MOST_DOCUMENTS
    }
}
