//! Learning a byte-level BPE vocabulary from text.

use tokenizers::pipeline::{PreTokenizer, PreTokenizerScratch};
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::trainers::BpeTrainer;
use tokenizers::utils::byte_level::BYTES_CHAR_LOOKUP;
use tokenizers::vocab::bucket_added_vocabulary::AddedToken;
use tokenizers::{SplitDelimiterBehavior, Trainer};

use serde_json::Value;

use super::byte_level::{ByteLevelBpe, END_OF_TEXT, spell};
use super::fault::broken;
use super::hf::MAX_VOCABULARY;
use super::patterns::GPT2;
use crate::{DataError, TokenizerError};

/// The 256 bytes and the end of text.
const SMALLEST: usize = 257;
/// A pair seen once teaches nothing about the language.
const SEEN_AT_LEAST: u64 = 2;

/// The `tokenizer.json` learned from `texts`: `<|endoftext|>` is id 0, then the bytes, then at most
/// `vocab_size - 257` merges (fewer where the texts have no more pairs that repeat).
pub(super) fn train(texts: impl Iterator<Item = String> + Send, vocab_size: usize) -> Result<Value, DataError> {
    if !(SMALLEST..=MAX_VOCABULARY).contains(&vocab_size) {
        return Err(TokenizerError::VocabSize { vocab_size, smallest: SMALLEST, largest: MAX_VOCABULARY }.into());
    }
    let pattern = SplitPattern::Regex(GPT2.to_owned());
    let splitter = Split::native(pattern, SplitDelimiterBehavior::Isolated, false).map_err(broken)?;
    let mut trainer = BpeTrainer::builder()
        .vocab_size(vocab_size)
        .min_frequency(SEEN_AT_LEAST)
        .initial_alphabet(BYTES_CHAR_LOOKUP.iter().copied().collect())
        .special_tokens(vec![AddedToken::from(END_OF_TEXT, true)])
        .show_progress(false)
        .build();
    trainer.feed(texts, |text| words(&splitter, text)).map_err(broken)?;
    let (vocabulary, merges, _) = trainer.train_vocab().map_err(broken)?;
    let learned = ByteLevelBpe {
        vocabulary: vocabulary.into_iter().collect(),
        merges,
        specials: vec![(END_OF_TEXT.to_owned(), 0)],
        pattern: GPT2,
        whole_words: false,
    };
    Ok(learned.tokenizer_json())
}

fn words(splitter: &Split, text: &str) -> tokenizers::Result<Vec<String>> {
    let mut spans = Vec::new();
    splitter.pre_tokenize(text, &mut PreTokenizerScratch::default(), &mut spans)?;
    Ok(spans.iter().map(|span| spell(&text.as_bytes()[span.range()])).collect())
}
