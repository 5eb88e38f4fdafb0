//! Tokenizers in GGUF files against Hugging Face's library.

use std::{collections::BTreeMap, path::Path};

use hearth_data::Tokenizer;
use serde::Deserialize;

#[derive(Deserialize)]
struct Golden {
    texts: Vec<String>,
    ids: BTreeMap<String, Vec<Vec<u32>>>,
}

#[test]
fn ids_are_those_of_the_library() {
    let golden: Golden = serde_json::from_str(include_str!("gguf.json")).unwrap();
    assert_eq!(golden.ids.len(), 4);
    for (name, expected) in golden.ids {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/goldens/gguf/{name}.gguf"));
        let tokenizer = Tokenizer::from_file(&path).unwrap();
        for (text, expected) in golden.texts.iter().zip(expected) {
            assert_eq!(tokenizer.encode(text).unwrap(), expected, "{name}: {text:?}");
        }
        // As it is saved beside a run.
        let saved: Tokenizer = serde_json::from_str(&serde_json::to_string(&tokenizer).unwrap()).unwrap();
        assert_eq!(saved, tokenizer);
        assert_eq!(saved.encode(&golden.texts[6]).unwrap(), tokenizer.encode(&golden.texts[6]).unwrap());
        assert_eq!(tokenizer.end_of_text(), tokenizer.id_of("<|im_end|>"));
    }
}
