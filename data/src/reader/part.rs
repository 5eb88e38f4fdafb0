//! What a file gives, and what a corpus does.

use super::fault::FileFault;

/// A document, or a part of a long one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// The text, never empty.
    pub text: String,
    /// Whether the document is complete with this piece.
    pub ends_document: bool,
    /// Decides whether the document is for training or for validation: a hash of its first piece; in a plain text
    /// file without a separator, of each piece.
    pub key: u64,
    /// Bytes read of the files on disk so far, for a progress bar.
    pub bytes_read: u64,
}

/// A document of a file, or a part of one.
pub(super) struct FilePart {
    pub(super) text: String,
    pub(super) ends_document: bool,
}

/// The documents of a file.
pub(super) type Parts = Box<dyn Iterator<Item = Result<FilePart, FileFault>> + Send>;
