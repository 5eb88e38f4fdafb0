//! A corpus of texts or of rows of chats into token shards, on all cores and without holding it. Native only.
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
mod part;
mod part_tokens;
mod prepared;
mod row_account;
#[cfg(feature = "tokenizers")]
mod rows;
mod run;
mod split;
mod texts;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

pub use self::encode::Encode;
pub use self::prepared::tokenizer_of_shards;
#[cfg(feature = "tokenizers")]
pub use self::rows::{PreparedRow, RowOutcome, RowSettings};
pub use self::split::{Counts, Split};
use crate::ReadOptions;

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
    /// Ids that the tokenizer was to have, where it was learned for this folder. One that was begun otherwise is refused.
    pub vocab_size: Option<usize>,
    /// The files that the pieces come from. A folder that was begun with others is refused.
    pub files: &'a [PathBuf],
    /// How the files are read. A folder that was begun otherwise is refused.
    pub reading: &'a ReadOptions,
    /// Where the shards go; made where there is none. One that another process prepares is refused.
    pub folder: &'a Path,
    /// How they are cut.
    pub settings: PrepareSettings,
}

/// How far a preparation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PrepareProgress {
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
pub struct PrepareSummary {
    /// How it ended.
    pub outcome: Outcome,
    /// The finished training shards.
    pub train: Counts,
    /// The finished validation shards.
    pub validation: Counts,
    /// Whether each two documents are a preference, the chosen one and the rejected.
    pub pairs: bool,
}
