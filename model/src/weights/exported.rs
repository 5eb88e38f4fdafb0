//! What an export is told, and what it tells.

/// The ids that a text begins with and ends at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SpecialIds {
    /// What every text begins with.
    pub begin: Option<u32>,
    /// What ends a text.
    pub end: Option<u32>,
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Exported {
    /// The architecture, as the other program names it.
    pub architecture: String,
    /// Number of tensors.
    pub tensors: usize,
    /// Size of their values in bytes.
    pub bytes: u64,
    /// What a user should know, a sentence each.
    pub notes: Vec<String>,
}
