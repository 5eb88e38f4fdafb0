//! Shards. Where the first byte is odd, the rest gets what no mutation would find: the number of tokens that goes with its
//! size, and its hashes.

#![no_main]

use libfuzzer_sys::fuzz_target;

/// Places in a header, see `hearth-data`'s `shard/mod.rs`.
const TOKENS: usize = 16;
const DOCUMENTS: usize = 24;
const CONTENT_HASH: usize = 72;
const CHECKSUM: usize = 104;
const HEADER_BYTES: usize = 112;

fuzz_target!(|data: &[u8]| {
    let Some((&kind, content)) = data.split_first() else { return };
    let mut shard = content.to_vec();
    if kind % 2 == 1 && shard.len() >= HEADER_BYTES {
        let (width, documents) = (if kind % 4 == 1 { 2 } else { 4 }, u64::from(shard[DOCUMENTS]));
        let content = ((shard.len() - HEADER_BYTES) as u64).saturating_sub(8 * documents);
        // Of version 2 a bit more for each token.
        let tokens = if shard[8] == 2 { 8 * content / (8 * width + 1) } else { content / width };
        shard[12] = width as u8;
        shard[TOKENS..DOCUMENTS].copy_from_slice(&tokens.to_le_bytes());
        let content = blake3::hash(&shard[HEADER_BYTES..]);
        shard[CONTENT_HASH..CHECKSUM].copy_from_slice(content.as_bytes());
        let checksum = blake3::hash(&shard[..CHECKSUM]);
        shard[CHECKSUM..HEADER_BYTES].copy_from_slice(&checksum.as_bytes()[..8]);
    }
    hearth_fuzz::read_tokens(hearth_fuzz::file("a.shard", &shard));
});
