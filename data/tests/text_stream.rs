//! Text of ids that come one by one. Of the tokenizers of other libraries, see `goldens/families.rs`.

use std::sync::LazyLock;

use hearth_data::{DataError, TextStream, Tokenizer, TokenizerError};
use proptest::prelude::*;

/// Bytes, with tokens that end and begin inside of an emoji.
static BPE: LazyLock<Tokenizer> = LazyLock::new(|| {
    let texts = ["😀 😁 the cat", "😀 😂 the hat", "日本語 日本 本"];
    Tokenizer::train_bpe(texts.into_iter().map(str::to_owned), 275).unwrap()
});

/// What the stream gives at each id behind `prompt`, and at the end.
fn pushed(tokenizer: &Tokenizer, prompt: &[u32], ids: &[u32]) -> Vec<String> {
    let mut stream = TextStream::after(tokenizer, prompt).unwrap();
    let mut texts: Vec<String> = ids.iter().map(|&id| stream.push(id).unwrap()).collect();
    texts.push(stream.finish());
    texts
}

/// Whether the text does not end inside of a character, which the stream gives whole.
fn is_whole(prompt: &str) -> bool {
    !prompt.ends_with('\u{fffd}')
}

#[test]
fn bytes_of_a_character_are_held_until_it_is_whole_or_cannot_be() {
    let bytes = |text: &[u8]| text.iter().map(|&byte| u32::from(byte)).collect::<Vec<_>>();
    let texts = pushed(&Tokenizer::Byte, &bytes(b"caf"), &bytes("é!😀".as_bytes()));
    assert_eq!(texts, ["", "é", "!", "", "", "", "😀", ""]);
    assert_eq!(pushed(&Tokenizer::Byte, &[], &bytes(b"\xf0\x9fa")), ["", "", "\u{fffd}a", ""]);
    assert_eq!(pushed(&Tokenizer::Byte, &[], &bytes(b"a\xf0\x9f")), ["a", "", "", "\u{fffd}"]);
    // The prompt ends inside of the character.
    assert_eq!(pushed(&Tokenizer::Byte, &bytes(b"caf\xc3"), &bytes(b"\xa9")), ["é", ""]);
}

#[test]
fn special_tokens_and_gaps_give_nothing() {
    let end = BPE.end_of_text().unwrap();
    let mut ids = BPE.encode("the 😀").unwrap();
    ids.insert(1, end);
    ids.extend([end; 200]);
    ids.extend(BPE.encode(" cat").unwrap());
    assert_eq!(pushed(&BPE, &[end], &ids).concat(), "the 😀 cat");
}

#[test]
fn an_id_outside_the_vocabulary_is_refused_and_changes_nothing() {
    let tokenizer = Tokenizer::chars_of("né").unwrap();
    let mut stream = TextStream::after(&tokenizer, &[0]).unwrap();
    assert_eq!(stream.push(1).unwrap(), "é");
    assert!(matches!(
        stream.push(2),
        Err(DataError::Tokenizer(TokenizerError::UnknownId { id: 2, vocab_size: 2, .. }))
    ));
    assert_eq!(stream.push(0).unwrap(), "n");
    assert_eq!(stream.finish(), "");
    assert!(TextStream::after(&tokenizer, &[7]).is_err());
}

/// The window that is decoded does not grow: as many ids take as long at the end as at the beginning.
#[test]
fn a_long_text_without_a_whole_character_is_given_too() {
    let ids = vec![0x80; 100_000];
    let texts = pushed(&Tokenizer::Byte, &[], &ids);
    assert!(texts.concat() == "\u{fffd}".repeat(100_000));
    assert!(texts[..200].concat().len() > 3 * 190);
}

proptest! {
    #[test]
    fn any_bytes_are_given_whole(bytes in any::<Vec<u8>>(), split in any::<prop::sample::Index>()) {
        let ids: Vec<u32> = bytes.iter().map(|&byte| byte.into()).collect();
        prop_assert_eq!(pushed(&Tokenizer::Byte, &[], &ids).concat(), String::from_utf8_lossy(&bytes));
        let split = split.index(ids.len() + 1);
        let prompt = Tokenizer::Byte.decode(&ids[..split]).unwrap();
        if let Some(rest) = String::from_utf8_lossy(&bytes).strip_prefix(&prompt).filter(|_| is_whole(&prompt)) {
            prop_assert_eq!(pushed(&Tokenizer::Byte, &ids[..split], &ids[split..]).concat(), rest);
        }
    }

    #[test]
    fn any_text_is_given_whole(text in any::<String>(), split in any::<prop::sample::Index>()) {
        let ids = BPE.encode(&text).unwrap();
        let split = split.index(ids.len() + 1);
        let prompt = BPE.decode(&ids[..split]).unwrap();
        if let Some(rest) = text.strip_prefix(&prompt).filter(|_| is_whole(&prompt)) {
            prop_assert_eq!(pushed(&BPE, &ids[..split], &ids[split..]).concat(), rest);
        }
    }

    #[test]
    fn any_ids_decode_to_the_whole(ids in prop::collection::vec(1..257_u32, 0..80)) {
        prop_assert_eq!(pushed(&BPE, &[], &ids).concat(), BPE.decode(&ids).unwrap());
    }
}
