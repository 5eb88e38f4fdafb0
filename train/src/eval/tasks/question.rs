//! A question.

/// A question with given answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The line of its file, from 1.
    pub line: u64,
    /// What the model reads first; not empty.
    pub context: String,
    /// What may follow behind a space, at least two; none is empty.
    pub choices: Vec<String>,
    /// Which of them is right.
    pub gold: usize,
}
