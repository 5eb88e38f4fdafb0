//! Files that do not say where their documents end, but have a token that does.

use std::ops::Range;

use super::TokenFiles;
use crate::{DataError, TokenStream};

/// Tokens that are looked at at once.
const CHUNK: usize = 1 << 16;

/// The tokens of `.bin` files, whose documents end with the end-of-text token, as those of nanoGPT do. In llm.c's each begins
/// with it, which then stands at the end of the one before: the tokens that are predicted are the same, but for a first
/// document of that token alone.
#[derive(Debug)]
pub struct EndedFiles {
    files: TokenFiles,
    end_of_text: u32,
    /// Where each document ends, the last at the stream's end.
    ends: Vec<u64>,
}

impl EndedFiles {
    /// Looks at every token of `files` once, and keeps 8 bytes for each document.
    ///
    /// # Errors
    /// When the files cannot be read, or an id is outside of the vocabulary.
    pub fn new(files: TokenFiles, end_of_text: u32) -> Result<Self, DataError> {
        let mut ends = Vec::new();
        let mut chunk = vec![0; CHUNK];
        for start in (0..files.len()).step_by(CHUNK) {
            let length = (files.len() - start).min(CHUNK as u64) as usize;
            files.copy(start, &mut chunk[..length])?;
            let found = (start + 1..).zip(&chunk[..length]).filter(|(_, id)| **id as u32 == end_of_text);
            ends.extend(found.map(|(end, _)| end));
        }
        if ends.last() != Some(&files.len()) {
            ends.push(files.len());
        }
        Ok(Self { files, end_of_text, ends })
    }
}

impl TokenStream for EndedFiles {
    fn token_count(&self) -> u64 {
        self.files.len()
    }

    fn copy(&self, start: u64, out: &mut [i32]) -> Result<(), DataError> {
        self.files.copy(start, out)
    }

    fn document_count(&self) -> u64 {
        self.ends.len() as u64
    }

    fn document(&self, document: u64) -> Result<Range<u64>, DataError> {
        let index = document as usize; // an index into memory
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        Ok(start..self.ends[index])
    }

    fn content_hash(&self) -> [u8; 32] {
        let mut content = blake3::Hasher::new();
        content.update(&self.files.content_hash()).update(&self.end_of_text.to_le_bytes());
        content.finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(ids: &[u16]) -> TokenFiles {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("train.bin");
        std::fs::write(&path, ids.iter().flat_map(|id| id.to_le_bytes()).collect::<Vec<u8>>()).unwrap();
        TokenFiles::open(&[path], None).unwrap()
    }

    fn documents(ids: &[u16]) -> Vec<Range<u64>> {
        let stream = EndedFiles::new(files(ids), 0).unwrap();
        (0..stream.document_count()).map(|document| stream.document(document).unwrap()).collect()
    }

    #[test]
    fn documents_end_with_the_token() {
        assert_eq!(documents(&[5, 6, 0, 7, 0]), [0..3, 3..5]);
        assert_eq!(documents(&[0, 5, 6, 0, 7]), [0..1, 1..4, 4..5]);
        assert_eq!(documents(&[5, 6, 7]), vec![0..3; 1]);
        assert_eq!(documents(&[0, 0]), [0..1, 1..2]);
        // Across the chunks in which the files are read.
        let mut long = vec![9; 2 * CHUNK + 10];
        for end in [CHUNK - 1, CHUNK, 2 * CHUNK + 3] {
            long[end] = 0;
        }
        let (chunk, all) = (CHUNK as u64, long.len() as u64);
        assert_eq!(documents(&long), [0..chunk, chunk..chunk + 1, chunk + 1..2 * chunk + 4, 2 * chunk + 4..all]);
    }

    #[test]
    fn another_token_cuts_another_stream() {
        let hash = |end| EndedFiles::new(files(&[1, 2, 3]), end).unwrap().content_hash();
        assert_ne!(hash(1), hash(2));
        assert_ne!(hash(1), files(&[1, 2, 3]).content_hash());
    }
}
