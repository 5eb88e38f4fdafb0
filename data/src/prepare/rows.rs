//! Rows of chats to documents, and to which of their tokens are trained.

use std::sync::atomic::AtomicBool;

use super::part::{Part, PartEncoder};
use super::part_tokens::{PartRow, PartTokens};
use super::{Preparation, PrepareProgress, PrepareSummary};
use crate::chat::{ChatError, ChatTemplate, Encoded, EncodedRow, Passage, Row};
use crate::{DataError, FaultKind, FileFault, FileFaults, OnFault, Piece, Tokenizer};

/// Raised when the same rows come to other documents.
const ROWS_VERSION: u32 = 1;

/// How rows of chats become documents.
#[derive(Debug, Clone, Default)]
pub struct RowSettings {
    /// What makes a text of messages; rows of texts need none.
    pub template: Option<ChatTemplate>,
    /// Inputs of a document, at most: one that has more than as many and one tokens is cut behind them. None cuts nothing.
    pub context_length: Option<usize>,
    /// Whether rows are read as preferences though they have `messages`, too.
    pub preferences: bool,
}

/// The documents of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PreparedRow {
    /// One document, or of a preference two: the chosen one and the rejected.
    pub documents: Vec<Encoded>,
    /// Whether any was cut.
    pub is_cut: bool,
}

/// What comes of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RowOutcome {
    /// Its documents.
    Kept(PreparedRow),
    /// None, and why.
    LeftOut {
        /// What kind of a fault it has.
        kind: FaultKind,
        /// The reason, as a clause.
        reason: String,
    },
}

impl RowSettings {
    /// The documents of a row that is an object of JSON. Behind those that are texts, and not messages, stands the tokenizer's
    /// token between documents, which is trained.
    ///
    /// # Errors
    /// When no row of this kind can be encoded: a template or a date is missing.
    pub fn encode(&self, tokenizer: &Tokenizer, json: &str) -> Result<RowOutcome, DataError> {
        let read = if self.preferences { Row::preference_from_json } else { Row::from_json };
        let encoded = read(0, json).and_then(|row| Ok((row.encode(tokenizer, self.template.as_ref())?, is_text(&row))));
        match encoded {
            Ok((row, is_text)) => {
                let end = tokenizer.end_of_text().filter(|_| is_text);
                let documents = match row {
                    EncodedRow::One(document) => vec![document],
                    EncodedRow::Pair { chosen, rejected } => vec![chosen, rejected],
                };
                Ok(self.finished(documents, end))
            }
            Err(error @ (ChatError::NeedsTemplate | ChatError::NoDate)) => Err(error.into()),
            Err(error) => Ok(left_out(error)),
        }
    }

    /// The documents with the token `end` behind them, cut.
    fn finished(&self, mut documents: Vec<Encoded>, end: Option<u32>) -> RowOutcome {
        let most = self.context_length.map_or(usize::MAX, |inputs| inputs.saturating_add(1));
        let mut is_cut = false;
        for Encoded { ids, trained } in &mut documents {
            ids.extend(end);
            trained.resize(ids.len(), true);
            is_cut |= ids.len() > most;
            // The first token is no target.
            let is_trained = |trained: &[bool]| trained.iter().skip(1).any(|&trained| trained);
            let had_any = is_trained(trained);
            ids.truncate(most);
            trained.truncate(most);
            if !is_trained(trained) {
                let (kind, reason) = match had_any {
                    true => (FaultKind::TooLong, format!("none of its first {most} tokens is trained")),
                    false => (FaultKind::Untrained, "none of its tokens is trained".to_owned()),
                };
                return RowOutcome::LeftOut { kind, reason };
            }
        }
        RowOutcome::Kept(PreparedRow { documents, is_cut })
    }

    /// The settings by name.
    fn record(&self) -> [(&'static str, String); 4] {
        let hash = |template: &ChatTemplate| blake3::Hash::from_bytes(template.hash()).to_string();
        [
            ("chat_template", self.template.as_ref().map_or("none".to_owned(), hash)),
            ("context", self.context_length.map_or("none".to_owned(), |inputs| inputs.to_string())),
            ("rows", if self.preferences { "preferences" } else { "chats" }.to_owned()),
            ("rows_version", ROWS_VERSION.to_string()),
        ]
    }
}

/// Whether the row's documents are texts, which end where the tokenizer says, and not messages, which end as the template says.
fn is_text(row: &Row) -> bool {
    match row {
        Row::Text(_) => true,
        Row::Completion { prompt, .. } | Row::Preference { prompt, .. } => matches!(prompt, Passage::Text(_)),
        Row::Chat { .. } => false,
    }
}

fn left_out(error: ChatError) -> RowOutcome {
    let kind = match &error {
        ChatError::Row { .. } => FaultKind::NotARow,
        ChatError::NoAssistant { .. } | ChatError::Untrained { .. } => FaultKind::Untrained,
        _ => FaultKind::Refused,
    };
    let reason = match error {
        // Its place says which row it is.
        ChatError::Row { field, found, expected, .. } => format!("`{field}` is {found}, not {expected}"),
        other => other.to_string(),
    };
    RowOutcome::LeftOut { kind, reason }
}

/// What makes tokens of rows.
struct Rows<'a> {
    tokenizer: &'a Tokenizer,
    settings: &'a RowSettings,
    faults: OnFault,
}

impl PartEncoder for Rows<'_> {
    fn encode(&self, part: &Part<String>) -> Result<PartTokens, DataError> {
        let PreparedRow { documents, is_cut } = match self.settings.encode(self.tokenizer, &part.content)? {
            RowOutcome::Kept(row) => row,
            RowOutcome::LeftOut { kind, reason } => {
                let (path, place) = part.origin.clone().map(|origin| (origin.path.to_path_buf(), origin.place)).unzip();
                let fault = FileFault { kind, path: path.unwrap_or_default(), place, reason };
                // To be too long is what the settings ask for.
                return match self.faults == OnFault::Fail && kind != FaultKind::TooLong {
                    true => Err(DataError::Faulty(fault)),
                    false => Ok(PartTokens { row: Some(PartRow::LeftOut(fault)), ..PartTokens::default() }),
                };
            }
        };
        let is_pair = documents.len() == 2;
        let (mut ids, mut trained, mut ends) = (Vec::new(), Vec::new(), Vec::new());
        for document in documents {
            ids.extend(document.ids);
            trained.extend(document.trained);
            ends.push(ids.len());
        }
        Ok(PartTokens { ids, trained: Some(trained), ends, row: Some(PartRow::Kept { is_pair, is_cut }) })
    }
}

impl Preparation<'_, Tokenizer> {
    /// As [`Preparation::run`] for rows of chats, those of [`Corpus::rows`](crate::Corpus::rows): each is a document, or of a
    /// preference two. Those that have nothing to train are added to `faults`, or end the preparation, as the faults of files
    /// do; of an earlier run, only their number is known.
    ///
    /// # Errors
    /// As [`Preparation::run`]; and when preferences stand among other rows, or no row is left.
    pub fn run_rows(
        &self,
        rows: &RowSettings,
        pieces: &mut impl Iterator<Item = Result<Piece, DataError>>,
        faults: &mut FileFaults,
        stop: &AtomicBool,
        on_progress: impl FnMut(PrepareProgress),
    ) -> Result<PrepareSummary, DataError> {
        let encoder = Rows { tokenizer: self.tokenizer, settings: rows, faults: self.reading.faults };
        self.write(&encoder, (self.record(&rows.record())?, faults), pieces, stop, on_progress)
    }
}
