//! Tokenizers for other programs, read again: the same ids, and the same text back.
//!
//! With HEARTH_KEEP=FOLDER each is written there with ids, for exported.py beside the goldens of the engine.

use std::{fs, path::Path};

use hearth_data::Tokenizer;
use hearth_gguf::{GgufWriter, MetadataValue};

const TEXTS: [&str; 7] = [
    "Once upon a time there were 1234 little foxes",
    " two  spaces,\n\nnew lines\tand tabs ",
    "who'd said: \"Let's go!\" <|endoftext|> <|im_start|>",
    "42",
    "x = y + 10;",
    "a",
    "",
];
const WIDER: [&str; 3] = ["Überall 42 Häuser  und   Bäume", "e\u{301} é 日本語 🦊", "\u{4} fox"];

fn goldens() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/goldens"))
}

/// Tokenizers by name, and whether they know every text.
fn tokenizers() -> Vec<(String, Tokenizer, bool)> {
    let corpus = TEXTS.iter().chain(&WIDER).cycle().take(40).map(|text| text.to_string());
    let mut all = vec![
        ("byte".to_string(), Tokenizer::byte(), true),
        ("char".into(), Tokenizer::chars_of(&TEXTS.concat()).unwrap(), false),
        ("bpe".into(), Tokenizer::train_bpe(corpus, 400).unwrap(), true),
    ];
    for name in ["gpt-2", "llama-bpe", "qwen2", "smollm"] {
        let path = goldens().join(format!("gguf/{name}.gguf"));
        all.push((name.into(), Tokenizer::from_file(path).unwrap(), true));
    }
    all
}

fn texts(knows_all: bool) -> impl Iterator<Item = &'static str> {
    TEXTS.into_iter().chain(WIDER.into_iter().filter(move |_| knows_all))
}

#[test]
fn a_tokenizer_json_of_version_one_has_the_same_ids() {
    let folder = tempfile::tempdir().unwrap();
    for (name, tokenizer, knows_all) in tokenizers() {
        let json = tokenizer.to_hugging_face(None).unwrap();
        assert!(!json.contains("byte_level\":") && !json.contains("MetaspaceNormalizer"), "{name}");
        let path = folder.path().join("tokenizer.json");
        fs::write(&path, &json).unwrap();
        let again = Tokenizer::from_file(&path).unwrap();
        assert_eq!(again.vocab_size(), tokenizer.vocab_size(), "{name}");
        let ids = |of: &Tokenizer, text: &str| of.encode_with_special(text).unwrap();
        for text in texts(knows_all) {
            let expected = ids(&tokenizer, text);
            assert_eq!(ids(&again, text), expected, "{name} {text:?}");
            assert_eq!(again.decode(&expected).unwrap(), tokenizer.decode(&expected).unwrap(), "{name} {text:?}");
        }
        if let Some(kept) = std::env::var_os("HEARTH_KEEP") {
            let kept = Path::new(&kept).join("tokenizers");
            fs::create_dir_all(&kept).unwrap();
            fs::write(kept.join(format!("{name}.json")), json).unwrap();
            let known: Vec<_> = texts(knows_all).map(|text| (text, ids(&tokenizer, text))).collect();
            fs::write(kept.join(format!("{name}.ids")), serde_json::to_string(&known).unwrap()).unwrap();
        }
    }
}

#[test]
fn what_gguf_says_of_a_tokenizer_has_the_same_ids() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokenizer.gguf");
    for (name, tokenizer, knows_all) in tokenizers() {
        // A vocabulary that was padded has names for all rows.
        let rows = tokenizer.vocab_size() + 3;
        let mut metadata = vec![("general.architecture".to_string(), MetadataValue::String("llama".into()))];
        metadata.extend(tokenizer.to_gguf(rows, None).unwrap());
        GgufWriter::create(&path, &metadata, &[]).unwrap().finish().unwrap();
        let again = Tokenizer::from_file(&path).unwrap();
        assert_eq!(again.vocab_size(), rows, "{name}");
        for text in texts(knows_all) {
            let ids = |of: &Tokenizer| of.encode_with_special(text).unwrap();
            assert_eq!(ids(&again), ids(&tokenizer), "{name} {text:?}");
        }
    }
    let wide = Tokenizer::chars_of("aé").unwrap().to_gguf(2, None).unwrap_err().to_string();
    assert!(wide.contains("'é'") && wide.contains("export without a tokenizer"), "{wide}");
}

/// SentencePiece's: scores that say what the merges say.
#[test]
fn sentencepiece_has_the_same_ids() {
    let vocabulary = ["<unk>", "<s>", "</s>", "\u{2581}", "a", "b", "c", "ab", "\u{2581}a", "abc", "\u{2581}ab"];
    let mut map: serde_json::Map<String, serde_json::Value> =
        vocabulary.iter().zip(0..).map(|(it, id): (_, u32)| (it.to_string(), id.into())).collect();
    map.extend((0..256u32).map(|byte| (format!("<0x{byte:02X}>"), (11 + byte).into())));
    let special = |id: u32, content: &str| serde_json::json!({ "id": id, "content": content, "special": true, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false });
    let json = serde_json::json!({
        "version": "1.0",
        "added_tokens": [special(0, "<unk>"), special(1, "<s>"), special(2, "</s>")],
        "normalizer": { "type": "Sequence", "normalizers": [
            { "type": "Prepend", "prepend": "\u{2581}" },
            { "type": "Replace", "pattern": { "String": " " }, "content": "\u{2581}" },
        ] },
        "decoder": { "type": "Sequence", "decoders": [
            { "type": "Replace", "pattern": { "String": "\u{2581}" }, "content": " " },
            { "type": "ByteFallback" }, { "type": "Fuse" },
            { "type": "Strip", "content": " ", "start": 1, "stop": 0 },
        ] },
        "model": {
            "type": "BPE", "unk_token": "<unk>", "fuse_unk": true, "byte_fallback": true, "vocab": map,
            "merges": [["a", "b"], ["\u{2581}", "ab"], ["\u{2581}", "a"], ["ab", "c"]],
        },
    });
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokenizer.json");
    fs::write(&path, json.to_string()).unwrap();
    let tokenizer = Tokenizer::from_file(&path).unwrap();
    fs::write(&path, tokenizer.to_hugging_face(Some(1)).unwrap()).unwrap();
    let classic = Tokenizer::from_file(&path).unwrap();
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains("\"TemplateProcessing\"") && text.contains("\"<s>\""), "{text}");
    let file = folder.path().join("a.gguf");
    let mut metadata = vec![("general.architecture".to_string(), MetadataValue::String("llama".into()))];
    metadata.extend(tokenizer.to_gguf(267, Some(1)).unwrap());
    GgufWriter::create(&file, &metadata, &[]).unwrap().finish().unwrap();
    let gguf = Tokenizer::from_file(&file).unwrap();
    for text in ["abc ab a", "cab  é", "b"] {
        let expected = tokenizer.encode(text).unwrap();
        assert_eq!(classic.encode(text).unwrap(), expected, "{text}");
        assert_eq!(gguf.encode(text).unwrap(), expected, "{text}");
    }
}
