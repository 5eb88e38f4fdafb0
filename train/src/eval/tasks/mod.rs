//! Questions with given answers, as lm-evaluation-harness asks them: which continuation does the model find likeliest?

mod arc;
mod encode;
mod fields;
mod figures;
mod format;
mod hellaswag;
mod piqa;
mod question;
mod read;

use crate::{TrainError, run::TrainedModel};

use super::scorer::{ScoredRow, Scorer};
pub use figures::{QuestionScore, TaskFigures};
pub use format::TaskFormat;
pub use question::Question;
pub use read::read_questions;

/// Scores each question's continuations, and says which is the likeliest: by itself (`acc`), by its characters (`acc_norm`) and by
/// its bytes (`acc_bytes`), as the harness does. At most `context` tokens are read of a row, the last of them, and `batch` rows
/// side by side. `progress` hears of rows that are done and of all.
///
/// # Errors
/// A continuation that has no tokens of its own or more than the context; a character that the tokenizer does not have; a device
/// that fails.
pub fn evaluate_tasks(
    trained: &TrainedModel,
    questions: &[Question],
    (context, batch): (usize, usize),
    mut progress: impl FnMut(u64, u64),
) -> Result<Vec<QuestionScore>, TrainError> {
    let mut rows: Vec<ScoredRow> = Vec::new();
    for question in questions {
        rows.extend(encode::rows(trained, question, context)?);
    }
    // Rows of about one length side by side: little is filled up.
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_by_key(|at| std::cmp::Reverse(rows[*at].ids.len()));
    let mut scorer = Scorer::new(&trained.model);
    let mut found = vec![0.0; rows.len()];
    let mut pending = None;
    let mut done = 0;
    for batch in order.chunks(batch.max(1)).map(Some).chain([None]) {
        let next = batch.map(|batch| {
            let rows: Vec<ScoredRow> = batch.iter().map(|at| std::mem::take(&mut rows[*at])).collect();
            (scorer.begin(&rows), batch)
        });
        // The device has the next rows before the last ones are waited for.
        if let Some((losses, batch)) = std::mem::replace(&mut pending, next) {
            batch.iter().zip(losses.wait()?).for_each(|(at, loss)| found[*at] = -loss);
            done += batch.len() as u64;
            progress(done, order.len() as u64);
        }
    }
    let mut found = found.into_iter();
    let score = |question: &Question| QuestionScore {
        line: question.line,
        gold: question.gold,
        log_likelihoods: found.by_ref().take(question.choices.len()).collect(),
        characters: question.choices.iter().map(|choice| choice.chars().count()).collect(),
        bytes: question.choices.iter().map(String::len).collect(),
    };
    Ok(questions.iter().map(score).collect())
}
