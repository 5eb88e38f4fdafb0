//! What a text is: its characters, its tokens, and what the best guesses from one token alone would lose.

use std::collections::{HashMap, HashSet};

use hearth_data::decode_text;
use hearth_train::{TrainConfig, TrainError};

use crate::messages::{TextInfo, TokenCount, count};

/// Different characters that the page is told of.
const SHOWN: usize = 200;

/// A text to learn from.
#[derive(Clone, Debug)]
pub struct Text {
    /// Name of its file.
    pub name: String,
    /// All of it.
    pub content: String,
}

impl Text {
    /// The text of a file.
    ///
    /// # Errors
    /// It is none.
    pub fn new(name: String, bytes: Vec<u8>) -> Result<Self, TrainError> {
        let content = decode_text(bytes, &name)?;
        Ok(Self { name, content })
    }

    /// What the page shows of it.
    pub fn info(&self) -> TextInfo {
        let text = &self.content;
        let mut counts: HashMap<char, u32> = HashMap::new();
        text.chars().for_each(|character| *counts.entry(character).or_default() += 1);
        let mut alphabet: Vec<(char, u32)> = counts.into_iter().collect();
        alphabet.sort_by_key(|(character, count)| (u32::MAX - count, *character));
        let characters = text.chars().count();
        let of_training = training_part(characters);
        let known: HashSet<char> = text.chars().take(of_training).collect();
        let mut unseen: Vec<char> = text.chars().skip(of_training).filter(|it| !known.contains(it)).collect();
        unseen.sort_unstable();
        unseen.dedup();
        TextInfo {
            name: self.name.clone(),
            bytes: count(text.len()),
            characters: count(characters),
            lines: count(text.lines().count()),
            alphabet: alphabet.iter().take(SHOWN).map(|(character, _)| *character).collect(),
            unseen: unseen.into_iter().take(SHOWN).collect(),
            char: tokens(text.chars().map(u32::from), characters, alphabet.len()),
            byte: tokens(text.bytes().map(u32::from), text.len(), 256),
        }
    }
}

/// Tokens to learn from, as a run cuts them.
fn training_part(tokens: usize) -> usize {
    (tokens as f64 * (1.0 - TrainConfig::default().data.validation_fraction)) as usize
}

fn tokens(ids: impl Iterator<Item = u32>, tokens: usize, vocabulary: usize) -> TokenCount {
    let training = training_part(tokens);
    TokenCount {
        tokens: count(training),
        validation_tokens: count(tokens - training),
        vocabulary: count(vocabulary),
        uniform: (vocabulary as f64).ln(),
        bigram: bigram_entropy(ids),
    }
}

/// Entropy of an id given the one before it, nats: what the best table of pairs would lose on this text.
fn bigram_entropy(ids: impl Iterator<Item = u32>) -> f64 {
    let mut pairs: HashMap<(u32, u32), u64> = HashMap::new();
    let mut firsts: HashMap<u32, u64> = HashMap::new();
    let mut before = None;
    for id in ids {
        if let Some(before) = before.replace(id) {
            *pairs.entry((before, id)).or_default() += 1;
            *firsts.entry(before).or_default() += 1;
        }
    }
    let total: u64 = firsts.values().sum();
    // In one order, so that the sum is the same wherever it is made.
    let mut pairs: Vec<_> = pairs.into_iter().collect();
    pairs.sort_unstable();
    let bits = pairs.iter().map(|((first, _), pair)| *pair as f64 * (firsts[first] as f64 / *pair as f64).ln());
    if total == 0 { 0.0 } else { bits.sum::<f64>() / total as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(text: &str) -> TextInfo {
        Text::new("a.txt".into(), text.into()).unwrap().info()
    }

    #[test]
    fn entropies_are_those_of_the_text() {
        // After an a comes a or b, as often; after a b always an a.
        let found = info(&"aab".repeat(400)).char;
        assert_eq!((found.vocabulary, found.tokens, found.validation_tokens), (2, 1080, 120));
        assert!((found.uniform - 2f64.ln()).abs() < 1e-12);
        assert!((found.bigram - 2.0 / 3.0 * 2f64.ln()).abs() < 1e-3, "{}", found.bigram);
        assert_eq!(info("a").char.bigram, 0.0);
    }

    #[test]
    fn characters_that_are_only_in_the_validation_part_are_shown() {
        let found = info(&format!("{}é\n", "ab\n".repeat(30)));
        assert_eq!((found.alphabet.as_str(), found.unseen.as_str()), ("\nabé", "é"));
        assert_eq!((found.lines, found.characters, found.bytes), (31, 92, 93));
    }

    #[test]
    fn what_is_no_text_is_refused() {
        let error = Text::new("a.png".into(), vec![0x89, b'P', 0xff]).unwrap_err();
        assert!(error.to_string().starts_with("a.png is not UTF-8"), "{error}");
    }
}
