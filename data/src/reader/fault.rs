//! What is wrong in files, and an account of it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

/// Faults kept whole; of the others only the count.
const KEPT: usize = 8;

/// What is wrong at one place of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileFault {
    /// Kind of the fault, for counting.
    pub kind: FaultKind,
    /// The file.
    pub path: PathBuf,
    /// The line, or in Parquet the row, from 1; none where the file as a whole is faulty.
    pub line: Option<u64>,
    /// What is wrong, as a clause.
    pub reason: String,
}

impl fmt::Display for FileFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        match self.line {
            Some(line) => write!(f, ", line {line}: {}", self.reason),
            None => write!(f, ": {}", self.reason),
        }
    }
}

/// Kinds of faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FaultKind {
    /// Bytes that are not UTF-8.
    NotUtf8,
    /// A line that is no JSON object.
    BrokenJson,
    /// An object without the field, a row without a value, or a file without the column.
    MissingField,
    /// A field or column that holds no strings.
    NotAString,
    /// A line that is too long to be held.
    LineTooLong,
    /// A file that cannot be read on: damaged, cut short, or refused by the operating system.
    Unreadable,
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotUtf8 => "not UTF-8",
            Self::BrokenJson => "broken JSON",
            Self::MissingField => "missing field",
            Self::NotAString => "not a string",
            Self::LineTooLong => "line too long",
            Self::Unreadable => "unreadable",
        })
    }
}

/// What was left out: counts by kind, and the first few faults.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FileFaults {
    counts: BTreeMap<FaultKind, u64>,
    first: Vec<FileFault>,
}

impl FileFaults {
    pub(super) fn add(&mut self, fault: FileFault) {
        *self.counts.entry(fault.kind).or_default() += 1;
        if self.first.len() < KEPT {
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

    /// The first few, in the order of the files.
    pub fn first(&self) -> &[FileFault] {
        &self.first
    }
}
