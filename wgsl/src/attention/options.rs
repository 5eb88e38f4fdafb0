//! What attention is besides its tensors.

/// Which keys a query sees, and what becomes of its scores.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct AttentionOptions {
    /// Position of the first query; that of the first key is 0.
    pub start: usize,
    /// A query sees so many of the last keys, its own included; all of them where there is none, or more than there are keys
    /// (Beltagy et al. 2020, arXiv 2004.05150).
    pub window: Option<usize>,
    /// Scores become `cap tanh(score / cap)` (Gemma 2, arXiv 2408.00118).
    pub softcap: Option<f64>,
}
