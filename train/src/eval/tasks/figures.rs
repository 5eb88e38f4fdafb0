//! What was found of questions.

use serde::Serialize;

use super::super::figures::Share;

/// What was found of a question.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct QuestionScore {
    /// The line of its file, from 1.
    pub line: u64,
    /// Which of its choices is right.
    pub gold: usize,
    /// Of each choice, nats.
    pub log_likelihoods: Vec<f64>,
    /// Of each choice.
    pub characters: Vec<usize>,
    /// Of each choice.
    pub bytes: Vec<usize>,
}

/// What was found of all questions of a task.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct TaskFigures {
    /// Questions.
    pub rows: usize,
    /// Share of those whose right choice is the likeliest.
    pub acc: Share,
    /// The same by log-likelihood a character.
    pub acc_norm: Share,
    /// The same by log-likelihood a byte.
    pub acc_bytes: Share,
}

impl QuestionScore {
    /// The likeliest choice.
    pub fn likeliest(&self) -> usize {
        largest(self.log_likelihoods.iter().copied())
    }

    /// The choice of the largest log-likelihood a character.
    pub fn likeliest_by_characters(&self) -> usize {
        self.by(&self.characters)
    }

    /// The choice of the largest log-likelihood a byte.
    pub fn likeliest_by_bytes(&self) -> usize {
        self.by(&self.bytes)
    }

    fn by(&self, lengths: &[usize]) -> usize {
        largest(self.log_likelihoods.iter().zip(lengths).map(|(log, length)| log / *length as f64))
    }
}

impl TaskFigures {
    /// Of at least one question.
    pub fn of(scores: &[QuestionScore]) -> Self {
        let share = |chosen: fn(&QuestionScore) -> usize| {
            Share::of(scores.iter().filter(|score| chosen(score) == score.gold).count(), scores.len())
        };
        Self {
            rows: scores.len(),
            acc: share(QuestionScore::likeliest),
            acc_norm: share(QuestionScore::likeliest_by_characters),
            acc_bytes: share(QuestionScore::likeliest_by_bytes),
        }
    }
}

/// Where the largest is; of equal ones the first.
fn largest(values: impl Iterator<Item = f64>) -> usize {
    let mut most = (0, f64::NEG_INFINITY);
    for (at, value) in values.enumerate() {
        if value > most.1 {
            most = (at, value);
        }
    }
    most.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_is_likeliest_by_itself_or_by_its_length() {
        let score = QuestionScore {
            line: 1,
            gold: 1,
            log_likelihoods: vec![-3.0, -4.0, -3.0],
            characters: vec![2, 8, 2],
            bytes: vec![2, 8, 12],
        };
        assert_eq!(score.likeliest(), 0);
        assert_eq!((score.likeliest_by_characters(), score.likeliest_by_bytes()), (1, 2));
        let figures = TaskFigures::of(&[score.clone(), QuestionScore { gold: 0, ..score }]);
        assert_eq!((figures.acc.value, figures.acc_norm.value, figures.acc_bytes.value), (0.5, 0.5, 0.0));
    }
}
