//! GPT-2's tokenizer from its ranks, which the crate `tiktoken-rs` carries.

use std::fs;
use std::sync::LazyLock;

use base64::{Engine, prelude::BASE64_STANDARD};
use hearth_data::Tokenizer;

pub const RANKS: u32 = 50_256;

pub static GPT2: LazyLock<Tokenizer> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r50k_base.tiktoken");
    fs::write(&path, rank_file()).unwrap();
    Tokenizer::from_file(path).unwrap()
});

fn rank_file() -> String {
    let ranks = tiktoken_rs::r50k_base_singleton();
    let line = |rank| format!("{} {rank}\n", BASE64_STANDARD.encode(ranks.decode_bytes(&[rank]).unwrap()));
    (0..RANKS).map(line).collect()
}
