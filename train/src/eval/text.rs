//! A text by sliding windows.

use std::time::Instant;

use hearth_data::{DataError, Tokenizer};

use super::{
    figures::TextFigures,
    scorer::{Pending, ScoredRow, Scorer},
    windows::{SlidingWindow, sliding_windows},
};
use crate::{TrainError, run::TrainedModel};

/// Bytes of a text that are encoded at once: a tokenizer takes many times as much while it is at work.
const PIECE: usize = 1 << 20;

/// How windows lie over a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextOptions {
    /// Tokens of a window, from 2 to the model's context.
    pub context: usize,
    /// Tokens from the beginning of a window to that of the next, from 1 to `context`.
    pub stride: usize,
    /// Windows that are computed side by side.
    pub batch: usize,
}

/// A text and what it is called in errors.
#[derive(Clone, Copy, Debug)]
pub struct NamedText<'a> {
    /// Its file.
    pub name: &'a str,
    /// All of it.
    pub text: &'a str,
}

/// Scores a text: each token once, with the tokens of its window before it. The text begins with the token that all texts of the
/// model begin with, where it has one; else its first token is not scored. `progress` hears of scored tokens and of all.
///
/// # Errors
/// Options out of range, a text without two tokens, a character that the tokenizer does not have, a device that fails.
pub fn evaluate_text(
    trained: &TrainedModel,
    NamedText { name, text }: NamedText<'_>,
    options: TextOptions,
    mut progress: impl FnMut(u64, u64),
) -> Result<TextFigures, TrainError> {
    options.check(trained.model.config().context_length)?;
    let begun = Instant::now();
    let mut ids: Vec<u32> = trained.first.into_iter().collect();
    let beginning = ids.len();
    let in_text = |error: DataError| TrainError::Config { source_name: name.into(), reason: error.to_string() };
    encode(&trained.tokenizer, text, &mut ids).map_err(in_text)?;
    let tokens = ids.len() - beginning;
    if ids.len() < 2 {
        let reason = "is a text of a single token, which has none before it: give a longer text".into();
        return Err(TrainError::Config { source_name: name.into(), reason });
    }
    let mut figures = TextFigures { bytes: text.len() as u64, tokens: tokens as u64, ..TextFigures::default() };
    let mut scorer = Scorer::new(&trained.model);
    let windows: Vec<_> = sliding_windows(ids.len(), options.context, options.stride).collect();
    let mut pending: Option<(Pending, u64)> = None;
    let mut settle = |pending: &mut Option<(Pending, u64)>| -> Result<(), TrainError> {
        if let Some((pending, scored)) = pending.take() {
            figures.nats += pending.wait()?.iter().sum::<f64>();
            figures.scored += scored;
            progress(figures.scored, ids.len() as u64 - 1);
        }
        Ok(())
    };
    for windows in windows.chunks(options.batch) {
        let row = |window: &SlidingWindow| ScoredRow {
            ids: ids[window.tokens.clone()].to_vec(),
            first: window.scored.start - window.tokens.start,
        };
        let rows: Vec<ScoredRow> = windows.iter().filter(|window| !window.scored.is_empty()).map(row).collect();
        let scored = windows.iter().map(|window| window.scored.len() as u64).sum();
        // The device has the next windows before the last ones are waited for.
        let next = (!rows.is_empty()).then(|| (scorer.begin(&rows), scored));
        settle(&mut pending)?;
        pending = next;
    }
    settle(&mut pending)?;
    figures.seconds = begun.elapsed().as_secs_f64();
    Ok(figures)
}

impl TextOptions {
    /// # Errors
    /// One is out of range for a model whose context has `longest` tokens.
    pub fn check(&self, longest: usize) -> Result<(), TrainError> {
        let Self { context, stride, batch } = *self;
        let wrong = |name: &str, reason: String| Err(TrainError::Config { source_name: name.into(), reason });
        if !(2..=longest).contains(&context) {
            return wrong("--context", format!("{context}: must be from 2 to {longest}, the model's context"));
        }
        if !(1..=context).contains(&stride) {
            return wrong("--stride", format!("{stride}: must be from 1 to {context}, the tokens of a window"));
        }
        if batch == 0 {
            return wrong("--batch", "0: must be at least 1".into());
        }
        Ok(())
    }
}

/// Appends the ids of `text`, piece by piece where that changes none.
fn encode(tokenizer: &Tokenizer, text: &str, ids: &mut Vec<u32>) -> Result<(), DataError> {
    let mut rest = text;
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(end_of_piece(tokenizer, rest));
        let is_first = rest.len() == text.len();
        ids.extend(if is_first { tokenizer.encode(piece)? } else { tokenizer.encode_rest(piece)? });
        rest = after;
    }
    Ok(())
}

/// Where the next piece ends: at a line's end or before one, or where nothing else may be cut, at the end of all.
fn end_of_piece(tokenizer: &Tokenizer, text: &str) -> usize {
    if text.len() <= PIECE {
        return text.len();
    }
    let from = text.ceil_char_boundary(PIECE);
    let ends = text[from..].match_indices('\n').flat_map(|(at, _)| [from + at + 1, from + at]);
    let may_cut = |at: &usize| tokenizer.may_cut(&text[..*at], &text[*at..]);
    ends.take(1000).find(may_cut).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_encoded_as_if_at_once() {
        let text: String =
            (0..200_000).map(|at| format!("word {at}\n{}", if at % 7 == 0 { "\n" } else { "" })).collect();
        assert!(text.len() > 2 * PIECE);
        let tokenizer = Tokenizer::train_bpe([text[..50_000].to_string()].into_iter(), 400).unwrap();
        let mut ids = Vec::new();
        encode(&tokenizer, &text, &mut ids).unwrap();
        assert!(ids == tokenizer.encode(&text).unwrap());
    }
}
