//! Models that others have published, in the place of a run.

use std::{fs, path::Path};

use super::support::{hearth, refused};

/// A folder as Hugging Face's library has it, with a tokenizer of as many words as the model has ids.
fn published() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens/pretrained/qwen3");
    for name in ["config.json", "model.safetensors", "model.gguf"] {
        fs::copy(golden.join(name), folder.path().join(name)).unwrap();
    }
    let words: serde_json::Map<String, serde_json::Value> = (0..40).map(|at| (format!("w{at}"), at.into())).collect();
    let tokenizer = serde_json::json!({
        "pre_tokenizer": { "type": "WhitespaceSplit" },
        "model": { "type": "WordLevel", "vocab": words, "unk_token": "w0" },
    });
    fs::write(folder.path().join("tokenizer.json"), tokenizer.to_string()).unwrap();
    folder
}

const GENERATE: [&str; 8] = ["--prompt", "w3 w1 w4", "--tokens", "5", "--temperature", "0", "--device", "cpu"];

#[test]
fn a_published_model_generates() {
    let folder = published();
    let output = hearth(folder.path(), &[&["generate", "."], &GENERATE[..]].concat());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with("w3 w1 w4") && text.split_whitespace().count() == 8, "{text}");
}

#[test]
fn what_is_wrong_with_a_published_model_is_told() {
    let folder = published();
    let folder = folder.path();
    let generate = [&["generate", "."], &GENERATE[..]].concat();
    let config = fs::read_to_string(folder.join("config.json")).unwrap();
    let change = |from: &str, to: &str| fs::write(folder.join("config.json"), config.replace(from, to)).unwrap();
    for (from, to, sentence) in [
        ("\"qwen3\"", "\"falcon\"", "model_type = \"falcon\": Hearth reads gpt2, llama"),
        ("\"use_cache\"", "\"partial_rotary_factor\": 0.5, \"use_cache\"", "field partial_rotary_factor = 0.5"),
        ("\"silu\"", "\"gelu\"", "field hidden_act = \"gelu\": Hearth computes by \"silu\" alone"),
        ("\"hidden_size\": 32", "\"hidden_size\": 48", "and config.json makes it"),
        // 128 GB, if it were believed.
        ("\"vocab_size\": 40", "\"vocab_size\": 1000000000", "and config.json makes it [1000000000, 32]"),
        ("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 3", "is missing, which the architecture"),
        ("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 1", "is of no parameter that config.json tells of"),
        ("{", "[", "config.json"),
    ] {
        change(from, to);
        let said = refused(folder, &generate);
        assert!(said.contains(sentence), "{said}");
    }
    change("", "");
    let weights = fs::read(folder.join("model.safetensors")).unwrap();
    for cut in [0, 7, 100, weights.len() - 1] {
        fs::write(folder.join("model.safetensors"), &weights[..cut]).unwrap();
        let said = refused(folder, &generate);
        assert!(said.contains("model.safetensors"), "{cut}: {said}");
    }
    let said = refused(folder, &["generate", "model.gguf", "--prompt", "a"]);
    assert!(said.contains("tokenizer.ggml.tokens"), "{said}");
    let said = refused(folder, &["train", "--resume", "."]);
    assert!(said.contains("is no run and no checkpoint"), "{said}");
}
