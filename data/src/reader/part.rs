//! What a file gives, and what a corpus does.

use std::path::Path;
use std::sync::Arc;

use super::fault::{FaultPlace, FileFault};

/// A document, a part of a long one, or a row of chats.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// The text, or a row's object of JSON; never empty.
    pub text: String,
    /// Whether the document is complete with this piece.
    pub ends_document: bool,
    /// Decides whether the document is for training or for validation: a hash of its first piece; in a plain text
    /// file without a separator, of each piece.
    pub key: u64,
    /// Bytes read of the files on disk so far, for a progress bar.
    pub bytes_read: u64,
    /// Where a row stands; none of a text.
    pub origin: Option<PieceOrigin>,
}

/// Where a row stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PieceOrigin {
    /// The file.
    pub path: Arc<Path>,
    /// The place in it.
    pub place: FaultPlace,
}

/// A document of a file, or a part of one.
pub(super) struct FilePart {
    pub(super) text: String,
    pub(super) ends_document: bool,
    /// Where a row stands; none of a text.
    pub(super) place: Option<FaultPlace>,
}

/// The documents of a file.
pub(super) type Parts = Box<dyn Iterator<Item = Result<FilePart, FileFault>> + Send>;
