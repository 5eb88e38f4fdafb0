//! Tokenizers: ids, round trips, what is refused, and how they are saved.

use hearth_data::{DataError, Tokenizer, TokenizerError, TokenizerKind};

#[test]
fn char_ids_follow_code_point_order() {
    let tokenizer = Tokenizer::chars_of("banana é\n").unwrap();
    assert_eq!(tokenizer.vocab_size(), 6); // '\n' ' ' a b n é
    assert_eq!(tokenizer.encode("\n ban é").unwrap(), [0, 1, 3, 2, 4, 1, 5]);
    assert_eq!(tokenizer.decode(&[3, 2, 4, 5]).unwrap(), "bané");
}

#[test]
fn char_refuses_what_it_does_not_know() {
    let tokenizer = Tokenizer::chars_of("aé").unwrap();
    let error = tokenizer.encode("aéß").unwrap_err();
    assert!(matches!(
        error,
        DataError::Tokenizer(TokenizerError::UnknownCharacter { character: 'ß', char_position: 2, byte_position: 3 })
    ));
    assert!(error.to_string().starts_with("character 'ß' at character 2 (byte 3)"), "{error}");
    assert!(matches!(
        tokenizer.decode(&[0, 2]),
        Err(DataError::Tokenizer(TokenizerError::UnknownId { id: 2, position: 1, vocab_size: 2 }))
    ));
    assert!(matches!(Tokenizer::chars_of(""), Err(DataError::Tokenizer(TokenizerError::EmptyVocabulary))));
}

#[test]
fn byte_encodes_any_text_and_decodes_lossily() {
    let tokenizer = Tokenizer::byte();
    assert_eq!(tokenizer.vocab_size(), 256);
    assert_eq!(tokenizer.encode("né").unwrap(), [110, 195, 169]);
    assert_eq!(tokenizer.decode(&[110, 195, 169]).unwrap(), "né");
    assert_eq!(tokenizer.decode(&[110, 195]).unwrap(), "n\u{fffd}");
    assert!(matches!(
        tokenizer.decode(&[255, 256]),
        Err(DataError::Tokenizer(TokenizerError::UnknownId { id: 256, position: 1, vocab_size: 256 }))
    ));
}

#[test]
fn kind_builds_its_tokenizer() {
    assert_eq!(serde_json::from_str::<TokenizerKind>("\"byte\"").unwrap().build("ab").unwrap(), Tokenizer::Byte);
    let of_chars = serde_json::from_str::<TokenizerKind>("\"char\"").unwrap().build("ab").unwrap();
    assert_eq!(of_chars, Tokenizer::chars_of("ba").unwrap());
}

#[test]
fn saved_form_is_readable_and_comes_back_equal() {
    let byte = r#"{"kind":"byte"}"#;
    assert_eq!(serde_json::to_string(&Tokenizer::Byte).unwrap(), byte);
    assert_eq!(serde_json::from_str::<Tokenizer>(byte).unwrap(), Tokenizer::Byte);

    let tokenizer = Tokenizer::chars_of("cab\n").unwrap();
    let saved = r#"{"kind":"char","characters":"\nabc"}"#;
    assert_eq!(serde_json::to_string(&tokenizer).unwrap(), saved);
    assert_eq!(serde_json::from_str::<Tokenizer>(saved).unwrap(), tokenizer);
}

#[test]
fn altered_saved_form_is_refused() {
    for (characters, fault) in [("acb", "'b' follows 'c'"), ("aab", "'a' follows 'a'"), ("", "at least one")] {
        let saved = format!(r#"{{"kind":"char","characters":"{characters}"}}"#);
        let error = serde_json::from_str::<Tokenizer>(&saved).unwrap_err().to_string();
        assert!(error.contains(fault), "{characters:?}: {error}");
    }
}
