//! How files are read.

use serde::{Deserialize, Serialize};

/// How files are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadOptions {
    /// The JSON field, or the column of Parquet or of comma-separated values, that holds a document's text. A field with
    /// dots that an object does not have is a path: `data.text`.
    pub field: String,
    /// A line that ends a document in a plain text file, as `<|endoftext|>`; without it such a file is one document.
    pub separator: Option<String>,
    /// What happens where a file is faulty.
    pub faults: OnFault,
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self { field: "text".to_owned(), separator: None, faults: OnFault::default() }
    }
}

/// What happens where a file is faulty; in configuration files `"skip"` or `"fail"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnFault {
    /// The line, or what is left of the file, is left out and counted.
    Skip,
    /// Reading ends with an error that names the place.
    #[default]
    Fail,
}
