use std::fs;
use std::io::Write;
use std::path::Path;

use hearth_data::Tokenizer;
use proptest::prelude::*;
use serde::Deserialize;

use super::gpt2::{GPT2, RANKS};
use super::text::text;

#[derive(Deserialize)]
struct Goldens {
    version: u32,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    text: String,
    ids: Vec<u32>,
}

#[test]
fn hard_strings_have_tiktokens_ids() {
    let goldens: Goldens = serde_json::from_str(include_str!("tokenizer.json")).unwrap();
    assert_eq!((goldens.version, goldens.cases.len()), (1, 40));
    for Case { text, ids } in goldens.cases {
        assert_eq!(GPT2.encode(&text).unwrap(), ids, "{text:?}");
        assert_eq!(GPT2.decode(&ids).unwrap(), text);
    }
}

#[test]
fn end_of_text_follows_the_ranks_and_its_name_is_ordinary_text() {
    assert_eq!((GPT2.vocab_size(), GPT2.end_of_text()), (50_257, Some(RANKS)));
    assert!(!GPT2.encode("a<|endoftext|>").unwrap().contains(&RANKS));
    assert_eq!(GPT2.decode(&[64, RANKS, 65]).unwrap(), "a<|endoftext|>b");
}

/// The counts of nanoGPT's `data/shakespeare/prepare.py`. Reads `../shared`, and says so where that is absent, or
/// fails where HEARTH_REQUIRE_SHARED is set.
#[test]
fn tiny_shakespeare_has_as_many_tokens_as_in_nanogpt() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/tinyshakespeare.txt");
    let Ok(text) = fs::read_to_string(&path) else {
        assert!(
            std::env::var_os("HEARTH_REQUIRE_SHARED").is_none(),
            "HEARTH_REQUIRE_SHARED: {} is not here",
            path.display()
        );
        let _ = writeln!(std::io::stderr(), "SKIPPED: {} is not here", path.display());
        return;
    };
    let (boundary, _) = text.char_indices().nth(text.chars().count() * 9 / 10).unwrap();
    let count = |part: &str| GPT2.encode(part).unwrap().len();
    assert_eq!((count(&text[..boundary]), count(&text[boundary..])), (301_966, 36_059));
}

#[test]
fn saved_form_comes_back_equal_with_the_same_hash() {
    let saved = serde_json::to_string(&*GPT2).unwrap();
    assert!(saved.starts_with(r#"{"kind":"bpe","tokenizer":{"version":"2.0","#), "{}", &saved[..60]);
    let loaded: Tokenizer = serde_json::from_str(&saved).unwrap();
    assert_eq!(loaded, *GPT2);
    assert_eq!(loaded.hash(), GPT2.hash());
    assert_eq!(loaded.encode("a saved tokenizer\n").unwrap(), GPT2.encode("a saved tokenizer\n").unwrap());
}

#[test]
fn threads_share_one_tokenizer() {
    let text = "Many threads, one tokenizer; each word is cached by whoever meets it. ".repeat(200);
    let alone = GPT2.encode(&text).unwrap();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| GPT2.encode(&text).unwrap())).collect();
        for thread in threads {
            assert_eq!(thread.join().unwrap(), alone);
        }
    });
}

proptest! {
    #[test]
    fn any_text_has_tiktokens_ids_and_comes_back(text in text()) {
        let ids = GPT2.encode(&text).unwrap();
        prop_assert_eq!(&ids, &tiktoken_rs::r50k_base_singleton().encode_ordinary(&text));
        prop_assert_eq!(GPT2.decode(&ids).unwrap(), text);
    }

    /// A reader cuts there, see `Piece`.
    #[test]
    fn tokens_do_not_cross_a_newline_between_words(before in text(), after in text()) {
        let (before, after) = (before + "x\n", format!("'{after}"));
        let apart = [GPT2.encode(&before).unwrap(), GPT2.encode(&after).unwrap()].concat();
        prop_assert_eq!(GPT2.encode(&(before + &after)).unwrap(), apart);
    }
}
