//! Files of tokens as one stream.

use std::ops::Range;
use std::path::PathBuf;

use super::file::TokenFile;
use crate::stream::PAIRS;
use crate::{DataError, TokenStream};

/// The tokens of several files, one after another, as a single stream with a single numbering of its documents. The
/// files are mapped into memory: a copy reads the pages that it needs, and nothing else is held.
///
/// A document may reach over the border of two files. Tokens after the last document end, all tokens of `.bin` files
/// for instance, count as one more document.
#[derive(Debug)]
pub struct TokenFiles {
    files: Vec<TokenFile>,
    /// Position in the stream of each file's first token.
    starts: Vec<u64>,
    /// Document ends in the files before each file.
    ends_before: Vec<u64>,
    tokens: u64,
    documents: u64,
    vocab_size: u64,
    tokenizer_hash: Option<[u8; 32]>,
    holds_pairs: bool,
}

impl TokenFiles {
    /// Opens shards and `.bin` files (nanoGPT's, which have no header, and llm.c's) in the order given. Headers and
    /// sizes are checked; the tokens are not read, see [`TokenFiles::verify`].
    ///
    /// All shards must come from one tokenizer, and from `tokenizer_hash` where it is given. A `.bin` file does not
    /// name its tokenizer: it is taken on trust.
    ///
    /// # Errors
    /// When there is no file, or one cannot be read, is none of these formats, does not have the size that its header
    /// asks for, or comes from another tokenizer.
    pub fn open(paths: &[PathBuf], tokenizer_hash: Option<[u8; 32]>) -> Result<Self, DataError> {
        let mut stream = Self {
            files: Vec::with_capacity(paths.len()),
            starts: Vec::with_capacity(paths.len()),
            ends_before: Vec::with_capacity(paths.len()),
            tokens: 0,
            documents: 0,
            vocab_size: 0,
            tokenizer_hash,
            holds_pairs: false,
        };
        let mut last_end = 0;
        for path in paths {
            let file = TokenFile::open(path)?;
            if let Some(found) = file.tokenizer_hash() {
                let expected = *stream.tokenizer_hash.get_or_insert(found);
                if found != expected {
                    let (found, expected) = (short_hex(&found), short_hex(&expected));
                    return Err(DataError::OtherTokenizer { path: path.clone(), found, expected });
                }
            }
            if let Some(last) = file.documents().checked_sub(1) {
                last_end = stream.tokens + file.end_after(last, 0)? as u64;
            }
            stream.starts.push(stream.tokens);
            stream.ends_before.push(stream.documents);
            stream.vocab_size = stream.vocab_size.max(file.vocab_size());
            // Sums of sizes of files, each below 2^63.
            stream.tokens += file.len() as u64;
            stream.documents += file.documents() as u64;
            stream.files.push(file);
        }
        if stream.files.is_empty() {
            return Err(DataError::NoTokenFiles);
        }
        stream.documents += u64::from(last_end < stream.tokens);
        Ok(stream)
    }

    /// The stream for a model whose embedding has `vocab_size` rows, where that is fewer than the files' vocabulary,
    /// of which `.bin` files do not say the size: higher ids are errors.
    pub fn for_vocabulary(mut self, vocab_size: usize) -> Self {
        self.vocab_size = self.vocab_size.min(vocab_size as u64);
        self
    }

    /// The same documents, of which each two are a pair of preferences: the chosen one, then the rejected.
    pub(crate) fn into_pairs(self) -> Self {
        Self { holds_pairs: true, ..self }
    }

    /// Number of tokens, at least 1.
    #[expect(clippy::len_without_is_empty, reason = "there is no empty one")]
    pub fn len(&self) -> u64 {
        self.tokens
    }

    /// Every id that is copied is below this.
    pub fn vocab_size(&self) -> usize {
        self.vocab_size as usize // at most 2^31
    }

    /// The hash of the tokenizer that made the shards; `None` where there are only `.bin` files and none was expected.
    pub fn tokenizer_hash(&self) -> Option<[u8; 32]> {
        self.tokenizer_hash
    }

    /// Copies the tokens from `start` on to fill `out`.
    ///
    /// # Errors
    /// When the stream ends before, or an id is outside of the vocabulary; `out` is then of no use.
    pub fn copy(&self, start: u64, out: &mut [i32]) -> Result<(), DataError> {
        self.each_file(start, out, |file, offset, part| file.copy(offset, part, self.limit_of(file)))
    }

    /// Fills `out` with which tokens are trained from `start` on: all of those of `.bin` files, and of shards what they say.
    ///
    /// # Errors
    /// When the stream ends before.
    pub fn trained(&self, start: u64, out: &mut [bool]) -> Result<(), DataError> {
        self.each_file(start, out, |file, offset, part| {
            file.trained(offset, part);
            Ok(())
        })
    }

    /// Fills the part of `out` that each file has of the tokens from `start` on, by its offset in the file.
    fn each_file<Value>(
        &self,
        start: u64,
        out: &mut [Value],
        fill: impl Fn(&TokenFile, usize, &mut [Value]) -> Result<(), DataError>,
    ) -> Result<(), DataError> {
        if start.checked_add(out.len() as u64).is_none_or(|end| end > self.tokens) {
            return Err(DataError::PastTheEnd { start, wanted: out.len(), tokens: self.tokens });
        }
        if out.is_empty() {
            return Ok(());
        }
        let (first, mut offset) = self.place_of(start);
        let mut rest = out;
        for file in &self.files[first..] {
            let (now, later) = rest.split_at_mut(rest.len().min(file.len() - offset));
            fill(file, offset, now)?;
            (rest, offset) = (later, 0);
            if rest.is_empty() {
                break;
            }
        }
        Ok(())
    }

    /// Number of documents, at least 1.
    pub fn documents(&self) -> u64 {
        self.documents
    }

    /// Where the document that contains the token at `position` ends: one past its last token.
    ///
    /// # Errors
    /// When the stream ends before, or the document ends of a file do not rise.
    pub fn document_end(&self, position: u64) -> Result<u64, DataError> {
        if position >= self.tokens {
            return Err(DataError::PastTheEnd { start: position, wanted: 1, tokens: self.tokens });
        }
        let (first, offset) = self.place_of(position);
        if let Some(end) = self.files[first].document_end(offset)? {
            return Ok(self.starts[first] + end as u64);
        }
        let later = first + 1..self.files.len();
        match later.into_iter().find(|&file| self.files[file].documents() > 0) {
            Some(file) => Ok(self.starts[file] + self.files[file].end_after(0, 0)? as u64),
            None => Ok(self.tokens),
        }
    }

    /// The positions of document number `document`, counted from 0.
    ///
    /// # Errors
    /// When there are fewer documents, or the document ends of a file do not rise.
    pub fn document(&self, document: u64) -> Result<Range<u64>, DataError> {
        if document >= self.documents {
            return Err(DataError::NoSuchDocument { document, documents: self.documents });
        }
        let start = if document == 0 { 0 } else { self.end_of(document - 1)? };
        Ok(start..self.document_end(start)?)
    }

    /// Reads everything and compares it with what was written: the content's hash, ids and document ends.
    ///
    /// # Errors
    /// When a file has been changed, or has an id outside of the vocabulary; the first such file is named.
    pub fn verify(&self) -> Result<(), DataError> {
        self.files.iter().try_for_each(|file| file.verify(self.limit_of(file)))
    }

    /// The file of the token at `position`, and its place there.
    fn place_of(&self, position: u64) -> (usize, usize) {
        let file = self.starts.partition_point(|&start| start <= position) - 1;
        (file, (position - self.starts[file]) as usize)
    }

    /// The end of a document that is not the last.
    fn end_of(&self, document: u64) -> Result<u64, DataError> {
        let file = self.ends_before.partition_point(|&before| before <= document) - 1;
        let end = self.files[file].end_after((document - self.ends_before[file]) as usize, 0)?;
        Ok(self.starts[file] + end as u64)
    }

    fn limit_of(&self, file: &TokenFile) -> u64 {
        self.vocab_size.min(file.vocab_size())
    }
}

/// The first bytes of a hash: enough to tell two apart.
fn short_hex(hash: &[u8; 32]) -> String {
    hash[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

impl TokenStream for TokenFiles {
    fn token_count(&self) -> u64 {
        self.len()
    }

    fn copy(&self, start: u64, out: &mut [i32]) -> Result<(), DataError> {
        self.copy(start, out)
    }

    fn trained(&self, start: u64, out: &mut [bool]) -> Result<(), DataError> {
        self.trained(start, out)
    }

    fn is_masked(&self) -> bool {
        self.files.iter().any(TokenFile::is_masked)
    }

    fn holds_pairs(&self) -> bool {
        self.holds_pairs
    }

    fn document_count(&self) -> u64 {
        self.documents()
    }

    fn document(&self, document: u64) -> Result<Range<u64>, DataError> {
        self.document(document)
    }

    fn content_hash(&self) -> [u8; 32] {
        let mut content = blake3::Hasher::new();
        for file in &self.files {
            content.update(&file.content_hash());
        }
        if self.holds_pairs {
            content.update(PAIRS);
        }
        content.finalize().into()
    }
}
