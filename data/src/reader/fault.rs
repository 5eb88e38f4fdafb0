//! What is wrong in files, and an account of it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use super::standard_input::is_standard_input;

/// Faults kept whole, beside the first of each kind; of the others only the count.
const KEPT: usize = 8;
/// Names that a list of them shows at most.
const LISTED: usize = 20;

/// What is wrong at one place of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileFault {
    /// Kind of the fault, for counting.
    pub kind: FaultKind,
    /// The file.
    pub path: PathBuf,
    /// The place in it; none where the file as a whole is faulty.
    pub place: Option<FaultPlace>,
    /// What is wrong, as a clause.
    pub reason: String,
}

/// A place in a file, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultPlace {
    /// A line of text, of JSON Lines or of comma-separated values.
    Line(u64),
    /// A row of Parquet.
    Row(u64),
    /// An element of a JSON array.
    Element(u64),
}

impl fmt::Display for FaultPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(number) => write!(f, "line {number}"),
            Self::Row(number) => write!(f, "row {number}"),
            Self::Element(number) => write!(f, "element {number}"),
        }
    }
}

impl fmt::Display for FileFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match is_standard_input(&self.path) {
            true => write!(f, "standard input")?,
            false => write!(f, "{}", self.path.display())?,
        }
        match self.place {
            Some(place) => write!(f, ", {place}: {}", self.reason),
            None => write!(f, ": {}", self.reason),
        }
    }
}

/// Kinds of faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FaultKind {
    /// Bytes that are not UTF-8.
    NotUtf8,
    /// A line or an element that is no JSON object.
    BrokenJson,
    /// A row of comma-separated values that has not as many of them as the first.
    BrokenRow,
    /// An object without the field, a row without a value, or a file without the column.
    MissingField,
    /// A field or column that holds no strings.
    NotAString,
    /// A line, an element or a row that is too long to be held.
    LineTooLong,
    /// A file in a form that is not read as text.
    NotText,
    /// What is no row of chats.
    NotARow,
    /// A row that the chat template refuses, or whose text has no tokens.
    Refused,
    /// A row of which nothing can be trained.
    Untrained,
    /// A row that has no token that is trained within the length that rows are cut to.
    TooLong,
    /// A file that cannot be read on: damaged, cut short, or refused by the operating system.
    Unreadable,
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotUtf8 => "not UTF-8",
            Self::BrokenJson => "broken JSON",
            Self::BrokenRow => "broken row",
            Self::MissingField => "missing field",
            Self::NotAString => "not a string",
            Self::LineTooLong => "line too long",
            Self::NotText => "not text",
            Self::NotARow => "no row of chats",
            Self::Refused => "refused by the template or the tokenizer",
            Self::Untrained => "nothing to train",
            Self::TooLong => "nothing to train within --context",
            Self::Unreadable => "unreadable",
        })
    }
}

/// `names` in quotation marks, for a sentence that says which there are.
pub(super) fn listed<Name: fmt::Debug>(names: &[Name]) -> String {
    let mut list: Vec<String> = names.iter().take(LISTED).map(|name| format!("{name:?}")).collect();
    if names.len() > LISTED {
        list.push(format!("and {} more", names.len() - LISTED));
    }
    list.join(", ")
}

/// What was left out: counts by kind, the first few faults, and the first of each kind.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FileFaults {
    counts: BTreeMap<FaultKind, u64>,
    first: Vec<FileFault>,
}

impl FileFaults {
    pub(crate) fn add(&mut self, fault: FileFault) {
        let count = self.counts.entry(fault.kind).or_default();
        *count += 1;
        if *count == 1 || self.first.len() < KEPT {
            self.first.push(fault);
        }
    }

    /// How many there were of each kind that occurred.
    pub fn counts(&self) -> &BTreeMap<FaultKind, u64> {
        &self.counts
    }

    /// How many there were.
    pub fn total(&self) -> u64 {
        self.counts.values().sum()
    }

    /// The first few, and the first of each kind, in the order of the files.
    pub fn first(&self) -> &[FileFault] {
        &self.first
    }
}
