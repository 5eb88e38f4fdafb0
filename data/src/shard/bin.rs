//! The `.bin` files of nanoGPT and llm.c.

use std::path::Path;

use super::layout::{Layout, highest_vocab_size};
use crate::DataError;

/// llm.c's `dev/data/data_common.py`: 256 32-bit integers, of which the first three are magic, version and the number
/// of tokens. The magic goes with the width of a token.
const HEADER_BYTES: usize = 256 * 4;
const GPT2: LlmC = LlmC { magic: 20_240_520, version: 1, known: "version 1", width: 2 };
const LLAMA3: LlmC = LlmC { magic: 20_240_801, version: 7, known: "version 7", width: 4 };

#[derive(Clone, Copy)]
struct LlmC {
    magic: u32,
    version: u32,
    /// The version in words.
    known: &'static str,
    width: u32,
}

/// The layout of the `.bin` file at `path`, whose bytes are `file`: llm.c's by its magic, otherwise nanoGPT's, which is
/// 16-bit tokens from the first byte on. Neither names its vocabulary, so it is as large as the width allows.
pub(super) fn layout_of(file: &[u8], path: &Path) -> Result<Layout, DataError> {
    let number = |index: usize| file.get(index * 4..)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes));
    match [GPT2, LLAMA3].into_iter().find(|format| number(0) == Some(format.magic)) {
        Some(format) => {
            let (Some(version), Some(tokens), true) = (number(1), number(2), file.len() >= HEADER_BYTES) else {
                return Err(DataError::HeaderCut { path: path.into(), bytes: file.len(), needed: HEADER_BYTES });
            };
            if version != format.version {
                return Err(DataError::ShardVersion { path: path.into(), version, known: format.known });
            }
            layout(HEADER_BYTES, format.width, tokens.into(), file, path)
        }
        None if file.len().is_multiple_of(2) => layout(0, 2, file.len() as u64 / 2, file, path),
        None => Err(DataError::HalfToken { path: path.into(), bytes: file.len() }),
    }
}

fn layout(header_bytes: usize, width: u32, tokens: u64, file: &[u8], path: &Path) -> Result<Layout, DataError> {
    let layout =
        Layout { header_bytes, width, tokens, documents: 0, vocab_size: highest_vocab_size(width), masked: false };
    layout.check(file.len(), path)?;
    Ok(layout)
}
