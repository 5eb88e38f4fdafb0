//! Byte pair encoding: learning it, reading it from files, and what is refused.

use std::fs;
use std::sync::LazyLock;

use hearth_data::{DataError, Tokenizer, TokenizerError, TokenizerOptions};
use proptest::prelude::*;
use serde_json::{Value, json};

static LEARNED: LazyLock<Tokenizer> = LazyLock::new(learn);

fn learn() -> Tokenizer {
    let texts = ["the cat and the hat", "that cat, the other hat", "\u{1f600}\u{1f600} the end\n"];
    Tokenizer::train_bpe(texts.into_iter().map(str::to_owned), 300).unwrap()
}

/// What is said of a file with this content.
fn refusal(content: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokenizer.txt");
    fs::write(&path, content).unwrap();
    let error = Tokenizer::from_file(&path).unwrap_err().to_string();
    assert!(error.contains("tokenizer.txt"), "{error}");
    error
}

/// The saved tokenizer.json of `LEARNED`, after `change`.
fn altered(change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let mut json = serde_json::to_value(&*LEARNED).unwrap()["tokenizer"].take();
    change(&mut json);
    serde_json::to_vec(&json).unwrap()
}

fn behind_another(pre_tokenizer: Value) -> Vec<u8> {
    let sequence = json!({ "type": "Sequence", "pretokenizers": [{ "type": "Digits" }, pre_tokenizer] });
    altered(move |json| json["pre_tokenizer"] = sequence)
}

/// A rank file of the 256 bytes and then `more` lines.
fn ranks(more: &str) -> String {
    use base64::{Engine, prelude::BASE64_STANDARD};
    let bytes: String = (0..=255u8).map(|byte| format!("{} {byte}\n", BASE64_STANDARD.encode([byte]))).collect();
    bytes + more
}

#[test]
fn learns_the_pairs_that_repeat() {
    let tokenizer = &*LEARNED;
    assert_eq!(tokenizer.end_of_text(), Some(0));
    assert!((258..=300).contains(&tokenizer.vocab_size()));
    assert_eq!(tokenizer.encode(" the").unwrap().len(), 1);
    assert_eq!(tokenizer.encode("qzx").unwrap().len(), 3);
    assert_eq!(*tokenizer, learn());
    assert!(!tokenizer.encode("<|endoftext|>").unwrap().contains(&0));

    let bytes_only = Tokenizer::train_bpe(std::iter::empty(), 257).unwrap();
    assert_eq!((bytes_only.vocab_size(), bytes_only.encode("né").unwrap().len()), (257, 3));
}

#[test]
fn refuses_a_vocabulary_that_cannot_be() {
    for vocab_size in [0, 256, usize::MAX] {
        let error = Tokenizer::train_bpe(std::iter::empty(), vocab_size).unwrap_err();
        assert!(matches!(error, DataError::Tokenizer(TokenizerError::VocabSize { .. })), "{error}");
    }
}

#[test]
fn decodes_broken_utf8_and_refuses_unknown_ids() {
    let tokenizer = &*LEARNED;
    let ids = tokenizer.encode("né").unwrap();
    assert_eq!(tokenizer.decode(&ids[..ids.len() - 1]).unwrap(), "n\u{fffd}");
    let vocab_size = tokenizer.vocab_size();
    let error = tokenizer.decode(&[1, vocab_size as u32]).unwrap_err();
    assert!(
        matches!(error, DataError::Tokenizer(TokenizerError::UnknownId { position: 1, vocab_size: size, .. }) if size == vocab_size)
    );
}

#[test]
fn each_form_of_file_is_known_by_its_content() {
    let folder = tempfile::tempdir().unwrap();
    let from = |content: &[u8]| {
        let path = folder.path().join("any.name");
        fs::write(&path, content).unwrap();
        Tokenizer::from_file(path).unwrap()
    };
    assert_eq!(from(br#" {"kind":"byte"}"#), Tokenizer::Byte);
    assert_eq!(from(&serde_json::to_vec(&*LEARNED).unwrap()), *LEARNED);
    assert_eq!(from(&altered(|_| {})), *LEARNED);

    let path = folder.path().join("ranks");
    fs::write(&path, ranks("YWI= 256\nYWJj 257\n")).unwrap();
    let pattern = Some(r"\w+|\W+".to_owned());
    let of_ranks = Tokenizer::open(&path, &TokenizerOptions { pattern, ..Default::default() }).unwrap();
    assert_eq!((of_ranks.vocab_size(), of_ranks.end_of_text()), (259, Some(258)));
    assert_eq!(of_ranks.encode("abcab").unwrap(), [257, 256]);
}

/// As the Python package writes it: version 1.0, merges with a space, a byte-level splitter.
#[test]
fn reads_the_form_of_before_version_two() {
    let json = altered(|json| {
        json["version"] = "1.0".into();
        json["pre_tokenizer"] = json!({ "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true });
        json["model"].as_object_mut().unwrap().remove("byte_level");
        let merges = json["model"]["merges"].as_array_mut().unwrap();
        merges
            .iter_mut()
            .for_each(|merge| *merge = [&merge[0], &merge[1]].map(|half| half.as_str().unwrap()).join(" ").into());
        json["truncation"] = json!({ "direction": "Right", "max_length": 2, "strategy": "LongestFirst", "stride": 0 });
    });
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokenizer.json");
    fs::write(&path, json).unwrap();
    let text = "that hat, the cat: not cut short";
    assert_eq!(Tokenizer::from_file(path).unwrap().encode(text).unwrap(), LEARNED.encode(text).unwrap());
}

/// As Hugging Face does with SmolLM2's vocabulary, which has no token of a byte that its corpus did not have.
#[test]
fn a_byte_without_a_token_is_left_out() {
    let without = altered(|json| json["model"]["vocab"].as_object_mut().unwrap().retain(|token, _| token != "!"));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokenizer.json");
    fs::write(&path, without).unwrap();
    let tokenizer = Tokenizer::from_file(path).unwrap();
    assert_eq!(tokenizer.encode("that! cat").unwrap(), LEARNED.encode("that cat").unwrap());
}

#[test]
fn a_hash_names_the_tokenizer() {
    assert_eq!(Tokenizer::Byte.hash()[..4], [26, 232, 54, 225]);
    assert_eq!(LEARNED.hash(), learn().hash());
    let others =
        [Tokenizer::Byte, Tokenizer::chars_of("ab").unwrap(), Tokenizer::chars_of("abc").unwrap(), LEARNED.clone()];
    for (i, one) in others.iter().enumerate() {
        assert!(others[..i].iter().all(|other| other.hash() != one.hash()));
    }
}

#[test]
fn broken_rank_files_are_refused() {
    assert!(refusal(b"").contains("is empty"));
    assert!(refusal(b"\xff\xfe").contains("not UTF-8"));
    for (content, fault) in [
        ("hello world\n".to_owned(), "line 1 is not `base64 rank`"),
        (ranks("YW!= 256\n"), "line 257 is not"),
        (ranks("YWI=\n"), "line 257 is not"),
        (ranks("YWI= 99999999999999999999\n"), "line 257 is not"),
        (ranks("YWI= 4294967295\n"), "rank 256 is missing"),
        (ranks("YWI= 255\n"), "rank 255 stands there twice"),
        (ranks("YQ== 256\n"), "ranks 97 and 256 are the same token"),
        (ranks("").lines().skip(1).collect::<Vec<_>>().join("\n"), "rank 0 is missing"),
        ("YQ== 0\n".to_owned(), "byte 0x00 has no rank"),
    ] {
        let error = refusal(content.as_bytes());
        assert!(error.contains(fault), "{error}");
    }
}

#[test]
fn broken_json_files_are_refused() {
    let model = |key: &'static str, value: Value| altered(move |json| json["model"][key] = value);
    for (content, fault) in [
        (b"{".to_vec(), "EOF"),
        (b"{}".to_vec(), "model"),
        (br#"{"kind":"wav"}"#.to_vec(), "unknown variant"),
        (br#"{"kind":"bpe"}"#.to_vec(), "missing field `tokenizer`"),
        (br#"{"model":{"type":"WordPiece"}}"#.to_vec(), "`vocab` is not what its model needs"),
        (br#"{"model":{"type":"Markov"}}"#.to_vec(), "its model is `Markov`"),
        (model("vocab", json!({})), "`vocab` is empty"),
        (model("vocab", json!({ "a": 0, "b": 0 })), "id 0 stands for more than one token"),
        (model("vocab", json!({ "a": 4_294_967_295_u64 })), "4294967295"),
        (model("vocab", json!({ "a": -1 })), "is -1"),
        (model("vocab", json!({ "a": 1e300 })), "is 1e+300"),
        (model("vocab", json!({ "a".repeat(70_000): 1 })), "70000 bytes"),
        (model("vocab", json!({ "a": 1 })), "makes no token"),
        (model("merges", json!([["t", "nonsense"]])), "makes no token"),
        (altered(|json| json["added_tokens"][0]["id"] = 7.into()), "<|endoftext|>"),
        (altered(|json| json["pre_tokenizer"]["pattern"]["Regex"] = "[a-c".into()), "a pattern of its pre-tokenizer"),
        (altered(|json| json["pre_tokenizer"]["type"] = "Cut".into()), "its pre_tokenizer has the type \"Cut\""),
        (altered(|json| json["normalizer"] = json!({ "type": "NFX" })), "its normalizer has the type \"NFX\""),
        (
            altered(|json| json["decoder"] = json!({ "type": "Strip", "content": " ", "start": 0, "stop": 1 })),
            "`stop` 1",
        ),
        (behind_another(json!({ "type": "Metaspace", "replacement": "__" })), "replacement \"__\", not one character"),
    ] {
        let error = refusal(&content);
        assert!(error.contains(fault), "{fault}: {error}");
    }
}

proptest! {
    #[test]
    fn any_text_comes_back(text in any::<String>()) {
        let tokenizer = &*LEARNED;
        prop_assert_eq!(tokenizer.decode(&tokenizer.encode(&text).unwrap()).unwrap(), text);
    }

    #[test]
    fn no_file_makes_it_panic(content in any::<Vec<u8>>(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        refusal(&content);
        let mut whole = altered(|_| {});
        let at = at.index(whole.len());
        refusal(&whole[..at]);

        whole[at] = byte;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokenizer.json");
        fs::write(&path, &whole).unwrap();
        if let Ok(tokenizer) = Tokenizer::from_file(path) {
            tokenizer.encode("that hat, the cat, <|endoftext|> \u{1f600}").unwrap();
        }
    }
}
