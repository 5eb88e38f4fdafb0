//! Pre-tokenizers one after the other, each on the words that the one before has made: for orders that one pass over a text cannot
//! make, as Falcon's, which cuts digits behind `ByteLevel`.

use serde_json::{Value, json};
use tokenizers::pipeline::{PreTokenizerScratch, Span};

use super::splitter::Splitter;
use crate::DataError;
use crate::contained::contained;
use crate::tokenizer::byte_level::spell;
use crate::tokenizer::fault::{broken, unread};
use crate::tokenizer::patterns::GPT2;

pub(super) struct Stages(Vec<Stage>);

/// What is done to each word.
enum Stage {
    /// It is cut.
    Cut(Splitter),
    /// It gets a space before it, if it has none.
    Space,
    /// Its bytes are spelled as characters.
    Spell,
    /// Its spaces become separators, and it gets one before it.
    Separate { separator: char, prepend: Prepend, cuts: bool },
}

#[derive(Clone, Copy)]
enum Prepend {
    Always,
    /// To the first word of a document alone.
    First,
    Never,
}

/// What a text begins with.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Begin {
    Document,
    /// What follows a special token.
    Word,
    /// What goes on from an earlier piece of the document.
    Rest,
}

/// Whether pre-tokenizers in this order, before a model that is BPE or not, need stages.
pub(super) fn needed(members: &[Value], is_bpe: bool) -> bool {
    let is = |at: usize, kind: &str| members[at]["type"] == kind;
    (0..members.len()).any(|at| match members[at]["type"].as_str() {
        Some("ByteLevel") => {
            let is_last = at + 1 == members.len();
            !is_bpe || !is_last || (at > 0 && (members[at]["add_prefix_space"] == true || is(0, "Metaspace")))
        }
        Some("Metaspace") => at > 0 && !(members.len() == 2 && is(0, "WhitespaceSplit")),
        _ => false,
    })
}

impl Stages {
    /// # Errors
    /// A pre-tokenizer that cannot be used.
    pub fn of(members: &[Value]) -> Result<Self, DataError> {
        let mut stages = Vec::new();
        for member in members {
            match member["type"].as_str() {
                Some("ByteLevel") => {
                    if member["add_prefix_space"] == true {
                        stages.push(Stage::Space);
                    }
                    if member["use_regex"] != false {
                        let by_pattern = json!({ "type": "Split", "pattern": { "Regex": GPT2 }, "behavior": "Isolated", "invert": false });
                        stages.push(Stage::Cut(splitter(&by_pattern)?));
                    }
                    stages.push(Stage::Spell);
                }
                Some("Metaspace") => stages.push(separate(member)?),
                _ => stages.push(Stage::Cut(splitter(member)?)),
            }
        }
        Ok(Self(stages))
    }

    /// The words of `text`.
    pub fn words(
        &self,
        text: &str,
        begin: Begin,
        scratch: &mut PreTokenizerScratch,
        spans: &mut Vec<Span>,
    ) -> tokenizers::Result<Vec<String>> {
        let mut words = vec![(true, text.to_owned())];
        for stage in &self.0 {
            let mut next = Vec::with_capacity(words.len());
            for (is_first, word) in words.into_iter().filter(|(_, word)| !word.is_empty()) {
                match stage {
                    Stage::Cut(splitter) => {
                        spans.clear();
                        splitter.split(&word, scratch, spans)?;
                        next.extend(
                            spans.iter().map(|span| (is_first && span.start == 0, word[span.range()].to_owned())),
                        );
                    }
                    Stage::Space if word.starts_with(' ') || (is_first && begin == Begin::Rest) => {
                        next.push((is_first, word))
                    }
                    Stage::Space => next.push((is_first, format!(" {word}"))),
                    Stage::Spell => next.push((is_first, spell(word.as_bytes()))),
                    Stage::Separate { separator, prepend, cuts } => {
                        let mut word = word.replace(' ', separator.encode_utf8(&mut [0; 4]));
                        let is_prepended = match prepend {
                            Prepend::Always => !is_first || begin != Begin::Rest,
                            Prepend::First => is_first && begin == Begin::Document,
                            Prepend::Never => false,
                        };
                        if is_prepended && !word.starts_with(*separator) {
                            word.insert(0, *separator);
                        }
                        let pieces = if *cuts { before_each(&word, *separator) } else { vec![word] };
                        next.extend(pieces.into_iter().enumerate().map(|(at, piece)| (is_first && at == 0, piece)));
                    }
                }
            }
            words = next;
        }
        Ok(words.into_iter().map(|(_, word)| word).collect())
    }
}

/// `word` in pieces that begin with `separator`, but for the first.
fn before_each(word: &str, separator: char) -> Vec<String> {
    let cuts = word.match_indices(separator).map(|(at, _)| at).filter(|&at| at > 0).chain([word.len()]);
    let mut begun = 0;
    cuts.map(|at| word[std::mem::replace(&mut begun, at)..at].to_owned()).collect()
}

fn separate(member: &Value) -> Result<Stage, DataError> {
    let separator = member["replacement"].as_str().unwrap_or("\u{2581}");
    let mut characters = separator.chars();
    let (Some(separator), None) = (characters.next(), characters.next()) else {
        return Err(broken(format!("`Metaspace` has the replacement {separator:?}, not one character")));
    };
    let prepend = match (member["prepend_scheme"].as_str(), member["add_prefix_space"].as_bool()) {
        (Some("never"), _) | (None, Some(false)) => Prepend::Never,
        (Some("first"), _) => Prepend::First,
        _ => Prepend::Always,
    };
    Ok(Stage::Separate { separator, prepend, cuts: member["split"] != false })
}

/// The splitter of one pre-tokenizer, which the crate reads as part of a tokenizer.
fn splitter(member: &Value) -> Result<Splitter, DataError> {
    let mut whole = json!({
        "added_tokens": [],
        "pre_tokenizer": member,
        "model": { "type": "WordLevel", "vocab": { "a": 0, "b": 1, "c": 2, "[UNK]": 3 }, "unk_token": "[UNK]" },
    });
    tokenizers::canonicalize_value(&mut whole).map_err(broken)?;
    let tables = contained(|| tokenizers::from_json(&whole.to_string())).map_err(broken)?.map_err(unread)?;
    Splitter::of(tables.get_pre_tokenizer())
}
