//! SentencePiece's models against the library.

use std::fs;

use base64::{Engine, prelude::BASE64_STANDARD};
use hearth_data::Tokenizer;
use proptest::prelude::*;
use serde::Deserialize;

#[derive(Deserialize)]
struct Goldens {
    version: u32,
    models: Vec<Model>,
}

#[derive(Deserialize)]
struct Model {
    name: String,
    model: String,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    text: String,
    ids: Vec<u32>,
}

fn goldens() -> Vec<Model> {
    let goldens: Goldens = serde_json::from_str(include_str!("spm.json")).unwrap();
    assert_eq!((goldens.version, goldens.models.len()), (1, 5));
    goldens.models
}

#[test]
fn models_have_the_ids_of_sentencepiece() {
    for Model { name, model, cases } in goldens() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("tokenizer.model"), BASE64_STANDARD.decode(model).unwrap()).unwrap();
        let tokenizer = Tokenizer::from_file(folder.path()).unwrap();
        assert_eq!(tokenizer.end_of_text(), tokenizer.id_of("</s>"), "{name}");
        for Case { text, ids } in cases {
            assert_eq!(tokenizer.encode(&text).unwrap(), ids, "{name}: {text:?}");
        }
        let loaded: Tokenizer = serde_json::from_value(serde_json::to_value(&tokenizer).unwrap()).unwrap();
        assert_eq!(loaded, tokenizer, "{name}");
    }
}

#[test]
fn pieces_have_the_tokens_of_the_whole() {
    let text = "The quick brown fox\njumps over 12345\nit's <extra>!\n\n  indented\n中文\ntrailing \nx\n".repeat(4);
    for Model { name, model, .. } in goldens() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("tokenizer.model"), BASE64_STANDARD.decode(model).unwrap()).unwrap();
        let tokenizer = Tokenizer::from_file(folder.path()).unwrap();
        let whole = tokenizer.encode(&text).unwrap();
        let newlines = text.match_indices('\n').flat_map(|(at, _)| [at, at + 1]);
        let cuts: Vec<usize> = newlines.filter(|&at| tokenizer.may_cut(&text[..at], &text[at..])).collect();
        for &cut in &cuts {
            let pieces = [tokenizer.encode(&text[..cut]).unwrap(), tokenizer.encode_rest(&text[cut..]).unwrap()];
            assert_eq!(pieces.concat(), whole, "{name}, cut at {cut}");
        }
        assert!(cuts.len() >= 12, "{name}: {} places to cut", cuts.len());
    }
}

proptest! {
    #[test]
    fn no_model_makes_it_panic(number in 0..5usize, at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut model = BASE64_STANDARD.decode(&goldens()[number].model).unwrap();
        let at = at.index(model.len());
        model[at] = byte;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokenizer.model");
        for content in [&model[..at.max(1)], &model] {
            fs::write(&path, content).unwrap();
            if let Ok(tokenizer) = Tokenizer::from_file(&path) {
                let _ = tokenizer.encode("the fox </s> \u{1f600}");
            }
        }
    }
}
