//! Real weights: llama2.c's stories260K continues as published. Reads `../shared`, and says so where that is absent, or
//! fails where HEARTH_REQUIRE_SHARED is set.

use std::{
    io::Write,
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use burn::tensor::Device;
use hearth_model::{Sampling, generate, weights::llama2c};
use hearth_wgsl::each_device;

/// Greedy text from the beginning-of-sequence token: `expected_stdout` in llama2.c's `test_all.py`.
const PUBLISHED: &str = "Once upon a time, there was a little girl named Lily. She loved to play outside in the park. \
One day, she saw a big, red ball. She wanted to play with it, but it was too high.\nLily's mom said, \"Lily, let's go \
to the park.\" Lily was sad and didn't know what to do. She said, \"I want to play with your ball, but I can't find \
it.\"\nLily was sad and didn't know what to do. She said, \"I'm sorry, Lily. I didn't know what to do.\"";
const FIRST_IDS: [u32; 7] = [403, 407, 261, 378, 432, 383, 286];
const BEGINNING: u32 = 1;

fn shared(file: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data").join(file);
    if !path.exists() {
        assert!(
            std::env::var_os("HEARTH_REQUIRE_SHARED").is_none(),
            "HEARTH_REQUIRE_SHARED: {} is not here",
            path.display()
        );
        let _ = writeln!(std::io::stderr(), "SKIPPED: {} is not here", path.display());
        return None;
    }
    Some(path)
}

/// The pieces of llama2.c's `tokenizer.bin`: a length, then for each token a score, a length and bytes.
fn pieces(path: &Path) -> Vec<Vec<u8>> {
    let bytes = std::fs::read(path).unwrap();
    let mut rest = &bytes[4..];
    let mut pieces = Vec::new();
    while !rest.is_empty() {
        let length = i32::from_le_bytes(rest[4..8].try_into().unwrap()) as usize;
        pieces.push(raw_byte(&rest[8..8 + length]).unwrap_or_else(|| rest[8..8 + length].to_vec()));
        rest = &rest[8 + length..];
    }
    pieces
}

/// `<0x0A>` stands for a byte.
fn raw_byte(piece: &[u8]) -> Option<Vec<u8>> {
    let hex = std::str::from_utf8(piece).ok()?.strip_prefix("<0x")?.strip_suffix('>')?;
    Some(vec![u8::from_str_radix(hex, 16).ok()?])
}

each_device! {
    fn greedy_text_is_the_published_one(device) {
        let (Some(weights), Some(tokenizer)) = (shared("stories260K.bin"), shared("stories260K.tokenizer.bin")) else {
            return;
        };
        let model = llama2c::load(&weights, &device).unwrap();
        let keep_on = async |_| ControlFlow::Continue(());
        let ids = pollster::block_on(generate(&model, &[BEGINNING], 100, &Sampling::greedy(), keep_on)).unwrap();
        assert_eq!(ids.len(), 100);
        assert_eq!(ids[..7], FIRST_IDS);
        let pieces = pieces(&tokenizer);
        let text: Vec<u8> = ids.iter().flat_map(|id| pieces[*id as usize].clone()).collect();
        let text = String::from_utf8(text).unwrap();
        assert!(text.len() > 200, "100 tokens are more than {} bytes", text.len());
        // The beginning-of-sequence token takes the first piece's leading space.
        assert!(PUBLISHED.starts_with(text.trim_start()), "{text}");
    }
}

#[test]
fn a_full_context_goes_on_and_a_stop_ends() {
    let Some(weights) = shared("stories260K.bin") else { return };
    let model = llama2c::load(&weights, &Device::flex()).unwrap();
    let greedy = Sampling::greedy();
    let long: Vec<u32> = (0..700).map(|at| 3 + at % 500).collect();
    let keep_on = async |_| ControlFlow::Continue(());
    let ids = pollster::block_on(generate(&model, &long, 5, &greedy, keep_on)).unwrap();
    assert_eq!(ids.len(), 5);
    let stop = async |id| if id == FIRST_IDS[2] { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
    let ids = pollster::block_on(generate(&model, &[BEGINNING], 50, &greedy, stop)).unwrap();
    assert_eq!(ids, FIRST_IDS[..3]);
    let error = pollster::block_on(generate(&model, &[512], 1, &greedy, keep_on)).unwrap_err();
    assert_eq!(error.to_string(), "token 512 in the prompt is outside the vocabulary of 512");
}

#[test]
fn broken_files_are_refused_in_one_sentence() {
    let Some(weights) = shared("stories260K.bin") else { return };
    let bytes = std::fs::read(weights).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("broken.bin");
    let refused = |contents: &[u8]| {
        std::fs::write(&path, contents).unwrap();
        let error = llama2c::load(&path, &Device::flex()).unwrap_err().to_string();
        assert!(error.contains("broken.bin") && !error.contains('\n'), "{error}");
    };
    for length in [0, 27, 28, bytes.len() - 4] {
        refused(&bytes[..length]);
    }
    for field in 0..7 {
        for value in [0i32, -7, 7, i32::MAX] {
            let mut changed = bytes.clone();
            changed[4 * field..4 * field + 4].copy_from_slice(&value.to_le_bytes());
            refused(&changed);
        }
    }
    assert!(llama2c::load(&folder.path().join("absent"), &Device::flex()).is_err());
}
