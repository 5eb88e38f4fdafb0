//! Tokenizers for other programs.

mod gguf;
mod raised;

use serde_json::{Value, json};

use super::Tokenizer;
use super::byte_level::spell;
use crate::DataError;

impl Tokenizer {
    /// A `tokenizer.json` that Hugging Face's library of any version reads: the same ids, and the same text back.
    ///
    /// Of characters that a [`CharTokenizer`](crate::CharTokenizer) does not know, the library says nothing and leaves them out.
    ///
    /// With a `first`, it puts that before every text where the tokenizer's own file does not say what it puts there.
    ///
    /// ```
    /// # use hearth_data::Tokenizer;
    /// assert!(Tokenizer::byte().to_hugging_face(None)?.contains("\"version\": \"1.0\""));
    /// # Ok::<(), hearth_data::DataError>(())
    /// ```
    ///
    /// # Errors
    /// A tokenizer that has no such form.
    pub fn to_hugging_face(&self, first: Option<u32>) -> Result<String, DataError> {
        let mut json = self.classic()?;
        if json["post_processor"].is_null()
            && let Some(id) = first
        {
            json["post_processor"] = raised::beginning(id, &json)?;
        }
        Ok(format!("{json:#}\n"))
    }

    /// The same as a value.
    fn classic(&self) -> Result<Value, DataError> {
        match self {
            Self::Byte => {
                let bytes = (0..=u8::MAX).map(|byte| (spell(&[byte]), byte.into()));
                let words =
                    json!({ "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false });
                Ok(of_letters(bytes.collect(), words.clone(), words))
            }
            Self::Char(tokenizer) => {
                let letters = tokenizer.characters().iter().zip(0u32..).map(|(it, id)| (it.to_string(), id.into()));
                Ok(of_letters(letters.collect(), Value::Null, json!({ "type": "Fuse" })))
            }
            Self::Json(tokenizer) => {
                let (canonical, stages) = tokenizer.canonical();
                raised::raised(canonical, stages)
            }
        }
    }
}

/// A `tokenizer.json` whose tokens are letters: a BPE without merges.
fn of_letters(vocabulary: serde_json::Map<String, Value>, words: Value, decoder: Value) -> Value {
    json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
        "pre_tokenizer": words, "post_processor": null, "decoder": decoder,
        "model": {
            "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
            "vocab": vocabulary, "merges": [],
        },
    })
}
