//! Cutting a text into words.

use tokenizers::SplitDelimiterBehavior::{Isolated, Removed};
use tokenizers::pipeline::{PipelinePreTokenizer, PreTokenizer, PreTokenizerScratch, Span};
use tokenizers::pre_tokenizers::sequence::PipelineSequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::utils::Grammar;

use crate::DataError;
use crate::tokenizer::fault::broken;
use crate::tokenizer::patterns::{CL100K, GPT2, LLAMA3};

pub(super) struct Splitter {
    rules: PipelinePreTokenizer,
    /// Whether the white space that ends a text is one word, as `\s++$` has it.
    joins_last_blanks: bool,
}

/// Other spellings of patterns that have a built-in splitter: rustbpe's of GPT-4's, and tiktoken's. Words are the same, but
/// for `joins_last_blanks`.
const SPELLINGS: [(&str, &str); 4] = [
    (
        r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+",
        LLAMA3,
    ),
    (r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+", GPT2),
    (r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s", GPT2),
    (CL100K, LLAMA3),
];

impl Splitter {
    /// # Errors
    /// When a pattern is not a regular expression.
    pub(super) fn of(rules: &PipelinePreTokenizer) -> Result<Self, DataError> {
        let joins_last_blanks = matches!(rules, PipelinePreTokenizer::Split(split) if is_cl100k(split))
            || matches!(rules, PipelinePreTokenizer::Sequence(sequence)
                if matches!(sequence.pre_tokenizers(), [PipelinePreTokenizer::Split(split)] if is_cl100k(split)));
        Ok(Self { rules: with_patterns(rules)?, joins_last_blanks })
    }

    pub(super) fn split(
        &self,
        text: &str,
        scratch: &mut PreTokenizerScratch,
        words: &mut Vec<Span>,
    ) -> tokenizers::Result<()> {
        self.rules.pre_tokenize(text, scratch, words)?;
        if self.joins_last_blanks {
            join_last_blanks(text, words);
        }
        Ok(())
    }
}

fn is_cl100k(split: &Split) -> bool {
    matches!(&split.pattern, SplitPattern::Regex(pattern) if pattern == CL100K)
}

/// `rules` with every pattern made ready: the crate's reader leaves those out that have no built-in splitter.
fn with_patterns(rules: &PipelinePreTokenizer) -> Result<PipelinePreTokenizer, DataError> {
    Ok(match rules {
        PipelinePreTokenizer::Split(split) => PipelinePreTokenizer::Split(with_pattern(split)?),
        PipelinePreTokenizer::Sequence(sequence) => {
            let members: Result<_, _> = sequence.pre_tokenizers().iter().map(with_patterns).collect();
            PipelinePreTokenizer::Sequence(PipelineSequence::new(members?))
        }
        other => other.clone(),
    })
}

fn with_pattern(split: &Split) -> Result<Split, DataError> {
    let (mut behavior, mut invert) = (split.behavior, split.invert);
    let pattern = match &split.pattern {
        SplitPattern::Regex(written) => match SPELLINGS.iter().find(|(spelling, _)| spelling == written) {
            Some(&(_, built_in)) => {
                // The words are matches without gaps, so that to remove what lies between them changes nothing.
                (behavior, invert) = if invert && behavior == Removed { (Isolated, false) } else { (behavior, invert) };
                SplitPattern::Regex(built_in.to_owned())
            }
            // The built-in splitter of this family cuts digits by one or by three, whatever the pattern says.
            None if matches!(split.grammar(), Some(Grammar::Cl100k { digit_cap }) if digit_cap != 1 && digit_cap != 3) => {
                SplitPattern::Regex(format!("(?:{written})"))
            }
            None => SplitPattern::Regex(written.clone()),
        },
        literal => literal.clone(),
    };
    Split::new(pattern, behavior, invert).map_err(|error| broken(format!("a pattern of its pre-tokenizer: {error}")))
}

fn join_last_blanks(text: &str, words: &mut Vec<Span>) {
    let is_blank = |word: &Span| text[word.range()].chars().all(char::is_whitespace);
    let kept = words.len() - words.iter().rev().take_while(|word| is_blank(word)).count();
    if let [first, .., last] = words[kept..] {
        words.truncate(kept);
        words.push(Span { start: first.start, end: last.end });
    }
}
