//! What is changed of a text before it is cut into words.

use std::borrow::Cow;

use tokenizers::normalizers::metaspace::{MetaspaceNormalizer, PrependBehavior};
use tokenizers::normalizers::replace::ReplacePattern;
use tokenizers::pipeline::{Normalizer, PipelineNormalizer};

/// The normalizers of a tokenizer. Added tokens are looked for between the first and the last.
#[derive(Clone, Copy)]
pub(super) struct Normalizers<'t> {
    first: &'t [PipelineNormalizer],
    /// Writes the separator of words, as `Metaspace` does, or `ByteLevel` with a prefix.
    last: Option<&'t MetaspaceNormalizer>,
}

impl<'t> Normalizers<'t> {
    pub(super) fn of(all: &'t [PipelineNormalizer]) -> Self {
        match all {
            [first @ .., PipelineNormalizer::Metaspace(last)] => Self { first, last: Some(last) },
            first => Self { first, last: None },
        }
    }

    /// `text`, `offset` bytes behind the start of its document, after the first normalizers. One that `continues` an earlier
    /// piece has no start.
    pub(super) fn normalized<'a>(
        self,
        text: &'a str,
        offset: usize,
        continues: bool,
    ) -> tokenizers::Result<Cow<'a, str>> {
        let mut text = Cow::Borrowed(text);
        for normalizer in self.first.iter().filter(|normalizer| !(continues && is_for_the_start(normalizer))) {
            text = match text {
                Cow::Borrowed(text) => normalizer.normalize(text, offset)?,
                Cow::Owned(text) => Cow::Owned(normalizer.normalize(&text, offset)?.into_owned()),
            };
        }
        Ok(text)
    }

    /// `text` with separators of words; `offset` and `continues` are as above.
    pub(super) fn separated<'a>(
        self,
        text: &'a str,
        offset: usize,
        continues: bool,
    ) -> tokenizers::Result<Cow<'a, str>> {
        match self.last {
            None => Ok(Cow::Borrowed(text)),
            Some(separator) if continues && !separator.drop_whitespace() => {
                MetaspaceNormalizer::new(separator.delimiter(), PrependBehavior::Never, false).normalize(text, offset)
            }
            Some(separator) => separator.normalize(text, offset),
        }
    }
}

fn is_for_the_start(normalizer: &PipelineNormalizer) -> bool {
    match normalizer {
        PipelineNormalizer::Prepend(_) => true,
        PipelineNormalizer::Replace(replace) => {
            matches!(replace.pattern(), ReplacePattern::Regex(regex) if regex.starts_with(r"\A"))
        }
        _ => false,
    }
}
