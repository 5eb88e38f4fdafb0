//! Questions to rows of tokens, as the harness' `_encode_pair` cuts them.

use crate::{TrainError, run::TrainedModel};

use super::super::scorer::ScoredRow;
use super::question::Question;

/// A row for each choice: the context and, behind a space, the choice, whose tokens are scored. White space that ends the context
/// goes to the choice.
///
/// # Errors
/// A choice without tokens, or with more than `context`; a character that the tokenizer does not have.
pub(super) fn rows(trained: &TrainedModel, question: &Question, context: usize) -> Result<Vec<ScoredRow>, TrainError> {
    let before = question.context.trim_end();
    let begin = encode(trained, before)?.len();
    let row = |(number, choice): (usize, &String)| {
        let mut ids = encode(trained, &format!("{} {choice}", question.context))?;
        let scored = ids.len().saturating_sub(begin);
        let reason = match scored {
            0 => "has no tokens of its own behind the question's: write it otherwise".to_string(),
            _ if scored > context => {
                format!("has {scored} tokens, and the window {context}: give a larger --context, or leave the row out")
            }
            _ => {
                // Of what is too long the beginning is left out. The last token is not read.
                ids.drain(..ids.len().saturating_sub(context + 1));
                let first = ids.len() - scored;
                return Ok(ScoredRow { first: first.max(1), ids });
            }
        };
        let source_name = format!("line {}, choice {}", question.line, number + 1);
        Err(TrainError::Config { source_name, reason })
    };
    question.choices.iter().enumerate().map(row).collect()
}

/// The ids of a text as the model's texts begin.
fn encode(trained: &TrainedModel, text: &str) -> Result<Vec<u32>, TrainError> {
    let ids = trained.tokenizer.encode_with_special(text)?;
    let first = trained.first.filter(|first| ids.first() != Some(first));
    Ok(first.into_iter().chain(ids).collect())
}
