//! Files and folders that people have tokenizers in, what lies beside them, and what is none.

use std::fs;
use std::path::Path;

use hearth_data::{DataError, Tokenizer, TokenizerError, TokenizerOptions};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A folder of these files.
fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        fs::write(folder.path().join(name), content).unwrap();
    }
    folder
}

/// A `tokenizer.json` of single letters and these special tokens, with their ids.
fn letters(specials: &[(&str, u32)]) -> Vec<u8> {
    let vocabulary: serde_json::Map<String, Value> =
        (0..26u8).map(|letter| (char::from(b'a' + letter).to_string(), letter.into())).collect();
    let added: Vec<Value> = specials.iter().map(|&(name, id)| added_token(name, id)).collect();
    let model = json!({ "type": "BPE", "vocab": vocabulary, "merges": [["a", "b"]] });
    let mut json = json!({ "added_tokens": added, "model": model });
    json["model"]["vocab"]["ab"] = 26.into();
    serde_json::to_vec(&json).unwrap()
}

fn added_token(content: &str, id: u32) -> Value {
    json!({
        "id": id, "content": content, "special": true, "normalized": false, "single_word": false, "lstrip": false,
        "rstrip": false,
    })
}

fn end_in(folder: &Path) -> Option<u32> {
    Tokenizer::from_file(folder).unwrap().end_of_text()
}

#[test]
fn ids_may_have_gaps() {
    let folder = folder(&[("tokenizer.json", &letters(&[("<|endoftext|>", 27), ("<｜late｜>", 40)]))]);
    let tokenizer = Tokenizer::from_file(folder.path().join("tokenizer.json")).unwrap();
    assert_eq!((tokenizer.vocab_size(), tokenizer.end_of_text()), (41, Some(27)));
    assert_eq!(tokenizer.encode_with_special("cab<｜late｜>").unwrap(), [2, 26, 40]);
    assert!((28..40).all(|id| !tokenizer.is_known(id)) && tokenizer.is_known(40) && !tokenizer.is_known(41));
    assert_eq!(tokenizer.decode(&[2, 30]).unwrap(), "c");
    assert!(matches!(
        tokenizer.decode(&[41]),
        Err(DataError::Tokenizer(TokenizerError::UnknownId { id: 41, vocab_size: 41, .. }))
    ));
    assert_eq!(
        (tokenizer.id_of("<｜late｜>"), tokenizer.id_of("ab"), tokenizer.id_of("ba")),
        (Some(40), Some(26), None)
    );
    assert_eq!(tokenizer.special_ids(), [27, 40]);
    let loaded: Tokenizer = serde_json::from_value(serde_json::to_value(&tokenizer).unwrap()).unwrap();
    assert_eq!((loaded.hash(), loaded.id_of("<｜late｜>")), (tokenizer.hash(), Some(40)));
}

/// Byte-level vocabularies are saved in GPT-2's alphabet, in which such a name is another word.
#[test]
fn gaps_are_kept_in_a_byte_level_vocabulary_too() {
    let mut json =
        serde_json::to_value(Tokenizer::train_bpe(std::iter::empty(), 257).unwrap()).unwrap()["tokenizer"].take();
    json["added_tokens"].as_array_mut().unwrap().push(added_token("<｜late｜>", 300));
    let folder = folder(&[("tokenizer.json", &serde_json::to_vec(&json).unwrap())]);
    let mut tokenizer = Tokenizer::from_file(folder.path()).unwrap();
    for _ in 0..2 {
        assert_eq!((tokenizer.vocab_size(), tokenizer.id_of("<｜late｜>")), (301, Some(300)));
        assert_eq!(tokenizer.decode(&[300]).unwrap(), "<｜late｜>");
        let loaded: Tokenizer = serde_json::from_value(serde_json::to_value(&tokenizer).unwrap()).unwrap();
        assert_eq!(loaded.hash(), tokenizer.hash());
        tokenizer = loaded;
    }
}

#[test]
fn the_end_of_text_is_known_by_its_name() {
    for (names, end) in [
        (&["<|endoftext|>", "<|im_end|>"][..], Some(27)),
        (&["<|im_start|>", "<|im_end|>"], Some(28)),
        (&["<|eot_id|>", "<|end_of_text|>"], Some(28)),
        (&["<|bos|>"], Some(27)),
        (&["[CLS]", "[SEP]"], Some(28)),
        (&["<｜end▁of▁sentence｜>"], Some(27)),
        (&["<|assistant|>"], None),
    ] {
        let specials: Vec<_> = names.iter().copied().zip(27..).collect();
        let folder = folder(&[("tokenizer.json", &letters(&specials))]);
        assert_eq!(end_in(folder.path()), end, "{names:?}");
    }
    // As in Gemma 3, where it is a tag of HTML.
    let mut json: Value = serde_json::from_slice(&letters(&[("</s>", 27), ("<eos>", 28)])).unwrap();
    json["added_tokens"][0]["special"] = false.into();
    let folder = folder(&[("tokenizer.json", &serde_json::to_vec(&json).unwrap())]);
    assert_eq!(end_in(folder.path()), Some(28));
}

/// Of `byte_fallback` a file need not have what no text needs; where it has no byte at all, it has no fallback.
#[test]
fn tokens_of_bytes_may_be_left_out() {
    let mut json: Value = serde_json::from_slice(&letters(&[])).unwrap();
    json["model"]["byte_fallback"] = true.into();
    json["model"]["unk_token"] = "a".into();
    let read = |json: &Value| {
        let folder = folder(&[("tokenizer.json", &serde_json::to_vec(json).unwrap())]);
        Tokenizer::from_file(folder.path())
    };
    assert_eq!(read(&json).unwrap().encode("b\u{e9}").unwrap(), [1, 0]);

    let is_letter = |byte: &u8| byte.is_ascii_lowercase();
    for (id, byte) in (27..).zip((0..=0xf4).filter(|byte| !is_letter(byte) && ![0xc0, 0xc1].contains(byte))) {
        json["model"]["vocab"][format!("<0x{byte:02X}>")] = id.into();
    }
    let tokenizer = read(&json).unwrap();
    let bytes = tokenizer.encode("b\u{e9}").unwrap();
    let named: Vec<_> = bytes.iter().map(|&id| id as i32 - 27).collect();
    assert_eq!((named, tokenizer.vocab_size()), (vec![1 - 27, 0xc3 - 26 - 2, 0xa9 - 26], 27 + 217));
    let saved: Tokenizer = serde_json::from_value(serde_json::to_value(&tokenizer).unwrap()).unwrap();
    assert_eq!((saved.hash(), saved.vocab_size()), (tokenizer.hash(), 27 + 217));

    json["model"]["vocab"].as_object_mut().unwrap().remove("<0xC3>");
    let error = read(&json).unwrap_err().to_string();
    assert!(error.contains("no token <0xC3> for characters that have this byte"), "{error}");
}

#[test]
fn files_beside_name_the_end_of_text() {
    let tokenizer = letters(&[("<stop>", 27), ("<|im_end|>", 28), ("</s>", 29)]);
    let with = |name: &str, config: &str| {
        let folder = folder(&[("tokenizer.json", &tokenizer), (name, config.as_bytes())]);
        end_in(folder.path())
    };
    assert_eq!(with("tokenizer_config.json", r#"{"eos_token": "<stop>"}"#), Some(27));
    assert_eq!(with("tokenizer_config.json", r#"{"eos_token": {"content": "<stop>", "lstrip": false}}"#), Some(27));
    assert_eq!(with("generation_config.json", r#"{"eos_token_id": 27}"#), Some(27));
    assert_eq!(with("generation_config.json", r#"{"eos_token_id": [28, 27]}"#), Some(27));
    // What ends a turn of a chat does not stand between documents where something else does.
    assert_eq!(with("tokenizer_config.json", r#"{"eos_token": "<|im_end|>"}"#), Some(29));
    for broken in ["{", r#"{"eos_token": "<none>"}"#, r#"{"eos_token": null}"#, "[]"] {
        assert_eq!(with("tokenizer_config.json", broken), Some(29), "{broken}");
    }
}

#[test]
fn a_name_given_for_the_end_of_text_is_saved() {
    let folder = folder(&[("tokenizer.json", &letters(&[("<stop>", 27), ("</s>", 28)]))]);
    let default = Tokenizer::from_file(folder.path()).unwrap();
    let options = TokenizerOptions { end_of_text: Some("<stop>".to_owned()), ..Default::default() };
    let named = Tokenizer::open(folder.path(), &options).unwrap();
    assert_eq!(named.end_of_text(), Some(27));
    assert_ne!(named.hash(), default.hash());

    let saved = folder.path().join("saved.json");
    fs::write(&saved, serde_json::to_vec(&named).unwrap()).unwrap();
    let loaded = Tokenizer::from_file(&saved).unwrap();
    assert_eq!((loaded.end_of_text(), loaded.hash()), (Some(27), named.hash()));
    // The name that is the default leaves no trace.
    assert_eq!(named.with_end_of_text("</s>").unwrap().hash(), default.hash());

    let error = default.with_end_of_text("<none>").unwrap_err();
    assert!(error.to_string().contains("no token \"<none>\""), "{error}");
    assert!(matches!(
        Tokenizer::Byte.with_end_of_text("a"),
        Err(DataError::Tokenizer(TokenizerError::UnknownToken { .. }))
    ));
}

#[test]
fn a_vocabulary_and_its_merges_are_a_tokenizer() {
    let texts = ["the cat and the hat", "that cat, the other hat"];
    let learned = Tokenizer::train_bpe(texts.into_iter().map(str::to_owned), 280).unwrap();
    let json = serde_json::to_value(&learned).unwrap();
    let model = &json["tokenizer"]["model"];
    let vocabulary = serde_json::to_vec(&model["vocab"]).unwrap();
    let merges = model["merges"].as_array().unwrap().iter();
    let merges = merges.map(|merge| format!("{} {}\n", merge[0].as_str().unwrap(), merge[1].as_str().unwrap()));
    let merges = format!("#version: 0.2\n{}", merges.collect::<String>());
    let added = br#"{"<|extra|>": 400}"#;
    let folder =
        folder(&[("vocab.json", &vocabulary), ("merges.txt", merges.as_bytes()), ("added_tokens.json", added)]);
    for path in [folder.path().to_owned(), folder.path().join("vocab.json"), folder.path().join("merges.txt")] {
        let tokenizer = Tokenizer::from_file(&path).unwrap();
        let text = "the other cat\n";
        assert_eq!(tokenizer.encode(text).unwrap(), learned.encode(text).unwrap(), "{}", path.display());
        assert_eq!((tokenizer.end_of_text(), tokenizer.vocab_size()), (Some(0), 401));
        assert_eq!(tokenizer.encode_with_special("<|extra|>").unwrap(), [400]);
    }
    // The words of other classes are cut otherwise.
    let cut = |config: &[u8], pattern: Option<&str>| {
        fs::write(folder.path().join("tokenizer_config.json"), config).unwrap();
        let options = TokenizerOptions { pattern: pattern.map(str::to_owned), end_of_text: None };
        let tokenizer = Tokenizer::open(folder.path(), &options).unwrap();
        tokenizer.decode(&tokenizer.encode("cafe\u{301} 12").unwrap()[..4]).unwrap()
    };
    assert_eq!(cut(b"{}", None), "cafe");
    assert_eq!(cut(br#"{"tokenizer_class": "Qwen2Tokenizer"}"#, None), "caf\u{fffd}");
    assert_eq!(cut(br#"{"add_prefix_space": true}"#, None), " caf");
    assert_eq!(cut(b"{}", Some(".")), "cafe");

    fs::write(folder.path().join("tokenizer.json"), letters(&[("</s>", 27)])).unwrap();
    assert_eq!(Tokenizer::from_file(folder.path().join("merges.txt")).unwrap().vocab_size(), 28);
    fs::remove_file(folder.path().join("tokenizer.json")).unwrap();
    fs::remove_file(folder.path().join("merges.txt")).unwrap();
    let error = Tokenizer::from_file(folder.path()).unwrap_err().to_string();
    assert!(error.contains("vocab.json") && error.contains("`merges.txt`, cannot be read"), "{error}");
}

#[test]
fn what_is_no_tokenizer_is_named() {
    for (name, content, what) in [
        ("tokenizer.json", &b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n"[..], "a Git LFS pointer"),
        ("tokenizer.json", b"<!DOCTYPE html>\n<html>", "a web page"),
        ("model.gguf", b"GGUF\x03\0\0\0\xff", "cut short"),
        ("renamed", b"GGUF\x03\0\0\0\xff", "a GGUF file"),
        ("model.pt", b"PK\x03\x04\xff", "a zip archive"),
        ("tokenizer_config.json", br#"{"tokenizer_class": "GPT2Tokenizer"}"#, "a tokenizer_config.json"),
        ("config.json", br#"{"architectures": ["GPT2LMHeadModel"]}"#, "a model's config.json"),
        ("tokenizer.pkl", b"\x80\x04\x95", "a pickle of Python"),
        ("tekken.json", br#"{"config": {}, "vocab": [], "special_tokens": []}"#, "a tekken.json"),
        ("model.bin", b"\x01\0\0\0\xff", "a binary file"),
        ("vocab.json", br#"{}"#, "it has no `model`"),
        ("vocab.txt", b"[PAD]\n[UNK]\nthe\n##s\n", "the vocab.txt of a WordPiece tokenizer"),
    ] {
        let folder = folder(&[(name, content)]);
        let error = Tokenizer::from_file(folder.path().join(name)).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains(what), "{error}");
    }
    let empty = folder(&[]);
    assert!(matches!(
        Tokenizer::from_file(empty.path()),
        Err(DataError::Tokenizer(TokenizerError::NoTokenizerIn { .. }))
    ));
    let missing = empty.path().join("none.json");
    assert!(matches!(Tokenizer::from_file(missing), Err(DataError::Tokenizer(TokenizerError::Missing { .. }))));
}

/// A word that is not known, and nothing that stands for it.
#[test]
fn a_text_without_tokens_is_refused() {
    let json = json!({ "model": { "type": "WordLevel", "vocab": { "a": 0 }, "unk_token": "[UNK]" } });
    let folder = folder(&[("tokenizer.json", &serde_json::to_vec(&json).unwrap())]);
    let tokenizer = Tokenizer::from_file(folder.path()).unwrap();
    assert_eq!(tokenizer.encode("a").unwrap(), [0]);
    assert!(matches!(tokenizer.encode("b"), Err(DataError::Tokenizer(TokenizerError::Unencodable { .. }))));
}

/// A right file that the crate below `tokenizers` has no hash for, as fuzzing (`fuzz/`) found.
#[test]
fn a_vocabulary_that_a_library_panics_at_is_refused() {
    let names =
        ["<unk>", "<s>", "</s>"].map(str::to_owned).into_iter().chain((0..9).map(|byte| format!("<0x{byte:02X}>")));
    let vocabulary: serde_json::Map<String, Value> = names.zip(0..).map(|(name, id)| (name, id.into())).collect();
    let model =
        json!({ "type": "BPE", "unk_token": "<unk>", "byte_fallback": true, "merges": [], "vocab": vocabulary });
    let json = json!({ "added_tokens": [], "pre_tokenizer": { "type": "Whitespace" }, "model": model });
    let folder = folder(&[("tokenizer.json", &serde_json::to_vec(&json).unwrap())]);
    // Should a later version read it, this test may go.
    let error = Tokenizer::from_file(folder.path()).unwrap_err().to_string();
    assert!(error.contains("tokenizer.json holds no usable tokenizer"), "{error}");
}

/// SentencePiece's table of characters is a trie whose nodes say where the next one is: here, outside of it.
#[test]
fn a_damaged_table_of_characters_is_refused_when_a_text_is_looked_up() {
    let mut table = 1024u32.to_le_bytes().to_vec();
    table.extend(0x7fff_fc00u32.to_le_bytes());
    table.resize(4 + 1024, 0);
    let map = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, table);
    let json = json!({
        "normalizer": { "type": "Precompiled", "precompiled_charsmap": map },
        "model": { "type": "Unigram", "unk_id": 0, "vocab": [["<unk>", 0.0], ["a", -1.0]] },
    });
    let folder = folder(&[("tokenizer.json", &serde_json::to_vec(&json).unwrap())]);
    let error = Tokenizer::from_file(folder.path()).unwrap().encode("a").unwrap_err().to_string();
    assert!(error.contains("its file is damaged (index out of bounds"), "{error}");
}
