//! How a text is to be read.

/// What the name of a special token in a text stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Specials {
    /// Text like any other.
    AsText,
    /// The token's id.
    AsIds,
}

/// Where a text stands in its document. Some tokenizers put a space before what opens one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// It opens the document.
    Start,
    /// It goes on from an earlier piece.
    Rest,
}
