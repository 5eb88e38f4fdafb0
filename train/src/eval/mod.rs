//! What a model makes of texts and of questions with given answers: negative log-likelihoods, and what is told of them.
//!
//! [`evaluate_text`] scores a text by sliding windows, [`evaluate_tasks`] the rows of HellaSwag, ARC and PIQA as
//! lm-evaluation-harness does. Both lay rows of tokens side by side for the walk's evaluation ([`Scorer`]).

mod figures;
mod scorer;
mod tasks;
mod text;
mod windows;

pub use figures::{Share, TextFigures};
pub use scorer::{ScoredRow, Scorer};
pub use tasks::{Question, QuestionScore, TaskFigures, TaskFormat, evaluate_tasks, read_questions};
pub use text::{NamedText, TextOptions, evaluate_text};
