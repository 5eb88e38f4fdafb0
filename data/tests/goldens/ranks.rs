//! tiktoken's rank files of other families than GPT-2's against the crate `tiktoken-rs`.

use std::fs;
use std::sync::LazyLock;

use base64::{Engine, prelude::BASE64_STANDARD};
use hearth_data::{DataError, Tokenizer, TokenizerError, TokenizerOptions};
use proptest::prelude::*;
use tiktoken_rs::CoreBPE;

use super::text::text;

static CL100K: LazyLock<Tokenizer> =
    LazyLock::new(|| read(&lines(tiktoken_rs::cl100k_base_singleton(), 0..100_256), None).unwrap());
static O200K: LazyLock<Tokenizer> =
    LazyLock::new(|| read(&lines(tiktoken_rs::o200k_base_singleton(), 0..199_998), None).unwrap());
static P50K: LazyLock<Tokenizer> = LazyLock::new(|| {
    let p50k = tiktoken_rs::p50k_base_singleton();
    read(&(lines(p50k, 0..50_256) + &lines(p50k, 50_257..50_281)), None).unwrap()
});

fn lines(bpe: &CoreBPE, ranks: std::ops::Range<u32>) -> String {
    let line = |rank| format!("{} {rank}\n", BASE64_STANDARD.encode(bpe.decode_bytes(&[rank]).unwrap()));
    ranks.map(line).collect()
}

fn read(ranks: &str, pattern: Option<&str>) -> Result<Tokenizer, DataError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokenizer.model");
    fs::write(&path, ranks).unwrap();
    Tokenizer::open(&path, &TokenizerOptions { pattern: pattern.map(str::to_owned), end_of_text: None })
}

#[test]
fn special_tokens_are_those_of_the_family() {
    assert_eq!((CL100K.vocab_size(), CL100K.end_of_text()), (100_277, Some(100_257)));
    assert_eq!((O200K.vocab_size(), O200K.end_of_text()), (200_019, Some(199_999)));
    assert_eq!((P50K.vocab_size(), P50K.end_of_text()), (50_281, Some(50_256)));
    assert_eq!(CL100K.special_ids(), [100_257, 100_258, 100_259, 100_260, 100_276]);
    assert_eq!(CL100K.encode_with_special("a<|endofprompt|>").unwrap(), [64, 100_276]);
    assert!([100_256, 100_261].iter().all(|&id| !CL100K.is_known(id)) && CL100K.is_known(100_255));
    assert_eq!(CL100K.decode(&[64, 100_261, 65]).unwrap(), "ab");
    assert!(matches!(
        CL100K.decode(&[100_277]),
        Err(DataError::Tokenizer(TokenizerError::UnknownId { id: 100_277, position: 0, .. }))
    ));
}

#[test]
fn saved_forms_keep_ids_in_spite_of_gaps() {
    for tokenizer in [&*CL100K, &*P50K] {
        let loaded: Tokenizer = serde_json::from_str(&serde_json::to_string(tokenizer).unwrap()).unwrap();
        assert_eq!((loaded.hash(), loaded.vocab_size()), (tokenizer.hash(), tokenizer.vocab_size()));
        assert_eq!(loaded.special_ids(), tokenizer.special_ids());
    }
}

/// Llama-3's ranks are not to be had here: GPT-4's, which they begin with, and others behind them.
#[test]
fn llama3_is_known_by_its_first_ranks() {
    let more = (100_256..128_000u32).map(|rank| format!("{} {rank}\n", BASE64_STANDARD.encode(format!("\u{1}{rank}"))));
    let ranks = lines(tiktoken_rs::cl100k_base_singleton(), 0..100_256) + &more.collect::<String>();
    let tokenizer = read(&ranks, None).unwrap();
    assert_eq!((tokenizer.vocab_size(), tokenizer.end_of_text()), (128_256, Some(128_001)));
    for (name, id) in
        [("<|begin_of_text|>", 128_000), ("<|eot_id|>", 128_009), ("<|reserved_special_token_247|>", 128_255)]
    {
        assert_eq!(tokenizer.id_of(name), Some(id));
    }
    let text = "They'll see 12345 caf\u{e9}s";
    assert_eq!(tokenizer.encode(text).unwrap(), tiktoken_rs::cl100k_base_singleton().encode_ordinary(text));
}

#[test]
fn unknown_ranks_need_a_pattern() {
    let ranks = lines(tiktoken_rs::r50k_base_singleton(), 0..50_255);
    let error = read(&ranks, None).unwrap_err().to_string();
    assert!(error.contains("50255 tiktoken ranks") && error.contains("pattern"), "{error}");
    // The same number of ranks as GPT-2's, but others.
    let swapped = ranks.lines().map(|line| match line.rsplit_once(' ').unwrap() {
        (token, "300") => format!("{token} 301\n"),
        (token, "301") => format!("{token} 300\n"),
        _ => format!("{line}\n"),
    });
    let swapped = swapped.collect::<String>() + &lines(tiktoken_rs::r50k_base_singleton(), 50_255..50_256);
    assert!(matches!(
        read(&swapped, None),
        Err(DataError::Tokenizer(TokenizerError::UnknownRanks { ranks: 50_256, .. }))
    ));

    let by_letters = read(&ranks, Some(r"\p{L}|[^\p{L}]+")).unwrap();
    assert_eq!(by_letters.encode("the cat").unwrap(), [83, 71, 68, 220, 66, 64, 83]);
    let error = read(&ranks, Some("(unclosed")).unwrap_err().to_string();
    assert!(error.contains("tokenizer.model") && error.contains("pattern"), "{error}");
}

proptest! {
    #[test]
    fn any_text_has_tiktokens_ids(text in text()) {
        for (tokenizer, oracle) in [
            (&*CL100K, tiktoken_rs::cl100k_base_singleton()),
            (&*O200K, tiktoken_rs::o200k_base_singleton()),
            (&*P50K, tiktoken_rs::p50k_base_singleton()),
        ] {
            let ids = tokenizer.encode(&text).unwrap();
            prop_assert_eq!(&ids, &oracle.encode_ordinary(&text));
            prop_assert_eq!(tokenizer.decode(&ids).unwrap(), text.as_str());
        }
    }
}
