//! The forms of rows.

use serde_json::{Map, Value};

use super::{arc, fields::Parts, hellaswag, piqa};

/// The form of a task's rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum TaskFormat {
    /// `activity_label`, `ctx_a` and `ctx_b` (or `ctx`), `endings`, `label`.
    Hellaswag,
    /// `question`, `choices` with `text` and `label`, `answerKey`.
    Arc,
    /// `goal`, `sol1`, `sol2`, `label`.
    Piqa,
}

impl TaskFormat {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hellaswag => "hellaswag",
            Self::Arc => "arc",
            Self::Piqa => "piqa",
        }
    }

    /// The form of a row, by its fields.
    pub(super) fn of(row: &Map<String, Value>) -> Option<Self> {
        let has = |names: &[&str]| names.iter().all(|name| row.contains_key(*name));
        let forms = [
            (Self::Hellaswag, ["endings"].as_slice()),
            (Self::Arc, &["question", "choices"]),
            (Self::Piqa, &["goal", "sol1"]),
        ];
        forms.into_iter().find(|(_, names)| has(names)).map(|(form, _)| form)
    }

    /// What a row asks, or what is wrong with it.
    pub(super) fn parse(self, row: &Map<String, Value>) -> Result<Parts, String> {
        match self {
            Self::Hellaswag => hellaswag::parse(row),
            Self::Arc => arc::parse(row),
            Self::Piqa => piqa::parse(row),
        }
    }
}
