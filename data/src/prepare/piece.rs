//! What a corpus is read as.

/// A document, or a part of a long one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Its text.
    pub text: String,
    /// Whether its document ends with it.
    pub ends_document: bool,
    /// The same for all pieces of a document; decides between training and validation.
    pub key: u64,
    /// Bytes of the corpus' files, as they are on the disk, that have been read up to here.
    pub bytes_read: u64,
}
