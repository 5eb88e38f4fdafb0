//! Configurations, tokenizers, weights of other programs.

use std::fs;

use burn::tensor::Device;
use hearth_data::Tokenizer;
use hearth_model::weights::llama2c;
use hearth_train::TrainConfig;

use super::{A_BYTE, AT_LEAST, SplitMix, most_held, mutated};

/// Runs `read` on 2000 mutations of `whole`; a panic is told with what brought it about.
fn read_mutations(whole: &[u8], seed: u64, mut read: impl FnMut(&[u8])) {
    let mut random = SplitMix(seed);
    for round in 0..2000 {
        let bytes = mutated(whole, &mut random);
        let read = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| read(&bytes)));
        assert!(read.is_ok(), "round {round}: {}", String::from_utf8_lossy(&bytes));
    }
}

/// A configuration is refused by one line that names its source, and one more for each mistake where there are several.
#[test]
fn no_configuration_panics() {
    const TEXT: &str = r#"
        seed = 3
        memory = "recompute"
        [data]
        text = "a.txt"
        validation_fraction = 0.1
        [model]
        preset = "shakespeare-cpu"
        layers = 2
        width = 32
        heads = 2
        dropout = 0.1
        [batch]
        micro_batch = 2
        accumulation = 2
        [optimizer]
        learning_rate = 1e-3
        clip_norm = 0.5
        [schedule]
        kind = "constant"
        warmup_steps = 3
        [limits]
        steps = 20
        [evaluation]
        every = 5
        batches = 2
        [guard]
        window = 4
    "#;
    let whole = TrainConfig::parse(TEXT, "whole", &[]).unwrap();
    for text in [TEXT.to_string(), whole.to_toml()] {
        let mut refused = 0;
        read_mutations(text.as_bytes(), 2, |bytes| {
            let Ok(text) = std::str::from_utf8(bytes) else { return };
            match TrainConfig::parse(text, "mutated", &[]) {
                Ok(config) => drop(TrainConfig::parse(&config.to_toml(), "again", &[]).unwrap()),
                Err(error) => {
                    let error = error.to_string();
                    let (first, mistakes) = error.split_once('\n').unwrap_or((&error, ""));
                    let count = mistakes.lines().filter(|line| line.starts_with("  ")).count();
                    let is_counted = mistakes.is_empty() || first == format!("mutated: {count} mistakes");
                    assert!(first.starts_with("mutated: ") && is_counted, "{error:?}");
                    refused += 1;
                }
            }
        });
        assert!(refused > 500, "only {refused} were refused");
    }
}

/// What is read encodes and decodes, or the file is named.
#[test]
fn no_tokenizer_panics() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokenizer.json");
    let text = "to be or not to be, that is the question";
    let texts = || std::iter::repeat_n(text.to_string(), 4);
    for tokenizer in
        [Tokenizer::byte(), Tokenizer::chars_of(text).unwrap(), Tokenizer::train_bpe(texts(), 270).unwrap()]
    {
        let whole = serde_json::to_vec(&tokenizer).unwrap();
        let mut refused = 0;
        read_mutations(&whole, 3, |bytes| {
            fs::write(&path, bytes).unwrap();
            match Tokenizer::from_file(&path) {
                Ok(tokenizer) => {
                    if let Ok(ids) = tokenizer.encode(text) {
                        assert!(ids.iter().all(|id| (*id as usize) < tokenizer.vocab_size()), "{ids:?}");
                        let _ = tokenizer.decode(&ids);
                    }
                    let _ = tokenizer.decode(&[0, 7, u32::MAX]);
                }
                Err(error) => {
                    assert!(error.to_string().contains("tokenizer.json"), "{error}");
                    refused += 1;
                }
            }
        });
        assert!(refused > 500, "only {refused} were refused");
    }
}

/// A header that promises more than the file has is refused before anything is made of its size.
#[test]
fn no_llama2c_file_panics() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.bin");
    let [width, ffn_width, layers, heads, kv_heads, vocabulary, context] = [8_usize, 12, 1, 2, 1, 5, 4];
    let block = 2 * width + 2 * width * width + 2 * width * (width / heads * kv_heads) + 3 * width * ffn_width;
    let values = vocabulary * width + layers * block + width + context * width / heads;
    let header = [width, ffn_width, layers, heads, kv_heads, vocabulary, context].map(|size| size as i32);
    let mut whole: Vec<u8> = header.iter().flat_map(|size| size.to_le_bytes()).collect();
    whole.resize(whole.len() + 4 * values, 0);
    fs::write(&path, &whole).unwrap();
    llama2c::load(&path, &Device::flex()).unwrap();
    let mut random = SplitMix(4);
    for round in 0..2000 {
        let mut bytes = whole.clone();
        // Most of the file is values: the mutations are of its header, and now and then of its end.
        let changed = mutated(&whole[..28], &mut random);
        bytes.splice(..28, changed);
        if round % 4 == 0 {
            bytes.truncate(random.below(bytes.len()));
        }
        fs::write(&path, &bytes).unwrap();
        let mut refused = false;
        let most = most_held(|| {
            if let Err(error) = llama2c::load(&path, &Device::flex()) {
                assert!(error.to_string().contains("model.bin"), "{error}");
                refused = true;
            }
        });
        assert!(!refused || most <= AT_LEAST + A_BYTE * bytes.len(), "round {round}: {most} bytes");
    }
}
