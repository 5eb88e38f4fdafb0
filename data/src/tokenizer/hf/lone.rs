//! Words of one character, where the last token of a word has a suffix, as `</w>` of GPT-1 and CLIP.
//!
//! The crate takes the character for such a word, which is the token of one inside of a word.

use std::collections::HashMap;

use serde_json::Value;

pub(super) struct LoneCharacters {
    ids: HashMap<char, u32>,
    unknown: Option<u32>,
}

impl LoneCharacters {
    /// Those of a canonical `tokenizer.json`; none where its words have no suffix.
    pub(super) fn of(json: &Value) -> Option<Self> {
        let model = &json["model"];
        let suffix = model["end_of_word_suffix"].as_str().filter(|suffix| !suffix.is_empty())?;
        let vocabulary = model["vocab"].as_object()?;
        let id_of = |id: &Value| u32::try_from(id.as_u64()?).ok();
        let alone = |(token, id): (&String, &Value)| Some((lone_character(token.strip_suffix(suffix)?)?, id_of(id)?));
        let unknown = model["unk_token"].as_str().and_then(|token| id_of(vocabulary.get(token)?));
        Some(Self { ids: vocabulary.iter().filter_map(alone).collect(), unknown })
    }

    /// The id of `word`, where it is one character that the vocabulary has or that there is a token for the unknown for.
    pub(super) fn id(&self, word: &str) -> Option<u32> {
        self.ids.get(&lone_character(word)?).copied().or(self.unknown)
    }
}

fn lone_character(word: &str) -> Option<char> {
    let mut characters = word.chars();
    characters.next().filter(|_| characters.next().is_none())
}
