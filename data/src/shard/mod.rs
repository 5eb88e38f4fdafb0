//! Token shards: files of token ids that a run maps into memory. Native only.
//!
//! A shard, version 1 or 2, little-endian, without padding:
//!
//! | offset | bytes | field |
//! | --- | --- | --- |
//! | 0 | 8 | magic, `HEARTHTK` |
//! | 8 | 4 | version: 1 where every token is trained, else 2 |
//! | 12 | 4 | width of a token in bytes: 2, or 4 for vocabularies of more than 65,536 ids |
//! | 16 | 8 | number of tokens, `N` |
//! | 24 | 8 | number of document ends, `D` |
//! | 32 | 8 | vocabulary size: every id is below it |
//! | 40 | 32 | hash of the tokenizer |
//! | 72 | 32 | content hash: BLAKE3 of all bytes from 112 on |
//! | 104 | 8 | header checksum: the first bytes of BLAKE3 of bytes 0 to 103 |
//! | 112 | `N` * width | token ids |
//! | 112 + `N` * width | `D` * 8 | document ends: one past the last token of each document, rising, from 1 to `N` |
//! | behind them | `N` / 8, rounded up | in version 2: for each token a bit, the lowest of a byte first, which is 1 where it is trained |
//!
//! A document may be cut by the end of a shard: its end then stands in a later one.

mod bin;
mod ended;
mod file;
mod files;
mod header;
mod layout;
mod mask;
mod writer;

#[cfg(test)]
mod tests;

pub use ended::EndedFiles;
pub use files::TokenFiles;
pub(crate) use writer::{ShardOrigin, ShardWriter};
