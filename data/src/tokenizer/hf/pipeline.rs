//! The steps from a text to ids and back.
//!
//! The crate's own `encode` is not used: it knows no patterns but those with a built-in splitter, it writes the space of
//! `Metaspace` before it looks for added tokens in normalized text, and it cannot encode a text that goes on from another.

use std::sync::{Mutex, PoisonError};

use serde_json::Value;
use tokenizers::pipeline::{
    Model, PipelineModelScratch, PipelineToken, PipelineTokenizer, PreTokenizerScratch, Segment, Span,
    SpecialSegmentIterator,
};

use super::lone::LoneCharacters;
use super::normalizers::Normalizers;
use super::splitter::Splitter;
use super::stages::{Begin, Stages};
use crate::DataError;
use crate::tokenizer::end_of_text::by_name;
use crate::tokenizer::fault::{broken, unencodable};
use crate::tokenizer::place::{Place, Specials};

pub(super) struct Pipeline {
    tables: PipelineTokenizer,
    splitter: Splitter,
    /// In place of the splitter.
    stages: Option<Stages>,
    lone: Option<LoneCharacters>,
    /// From here on ids are of bytes that the vocabulary does not have.
    missing: u32,
    /// Buffers and caches of words; as many as there ever were encoders at once.
    scratches: Mutex<Vec<Scratch>>,
}

struct Scratch {
    splitter: PreTokenizerScratch,
    words: Vec<Span>,
    model: PipelineModelScratch,
}

impl Pipeline {
    /// The pipeline of `tables`, which were made from the canonical `json`; `stages` are pre-tokenizers that it lacks. From `missing` on
    /// ids are of bytes that the vocabulary does not have.
    ///
    /// # Errors
    /// When a pattern cannot be used.
    pub(super) fn of(
        tables: PipelineTokenizer,
        (json, stages): (&Value, &[Value]),
        missing: u32,
    ) -> Result<Self, DataError> {
        let splitter = Splitter::of(tables.get_pre_tokenizer())?;
        let stages = if stages.is_empty() { None } else { Some(Stages::of(stages)?) };
        Ok(Self { tables, splitter, stages, lone: LoneCharacters::of(json), missing, scratches: Mutex::default() })
    }

    pub(super) fn added_id(&self, token: &str) -> Option<u32> {
        self.tables.get_added_vocabulary().token_to_id(token)
    }

    /// The token between documents, as far as its name tells: a special one before all others, for Gemma's `</s>` is a tag of
    /// HTML.
    pub(super) fn default_end(&self) -> Option<u32> {
        let added = self.tables.get_added_vocabulary();
        let is_special = |name: &str| added.is_special_token(name);
        by_name(|name| added.token_to_id(name).filter(|_| is_special(name)))
            .or_else(|| by_name(|name| added.token_to_id(name)))
    }

    pub(super) fn token(&self, id: u32) -> Option<String> {
        let added = self.tables.get_added_vocabulary().simple_id_to_token(id);
        added.or_else(|| self.tables.get_model().id_to_token(id))
    }

    pub(super) fn special_ids(&self) -> Vec<u32> {
        let added = self.tables.get_added_vocabulary().get_added_tokens_decoder();
        let mut ids: Vec<u32> = added.iter().filter(|(_, token)| token.special).map(|(&id, _)| id).collect();
        ids.sort_unstable();
        ids
    }

    pub(super) fn decode(&self, ids: &[u32], without_specials: bool) -> Result<String, DataError> {
        let added = self.tables.get_added_vocabulary();
        let is_left_out = |token: &str| without_specials && added.is_special_token(token);
        // Some decoders fail on no tokens at all.
        if !ids.iter().any(|&id| self.token(id).is_some_and(|token| !is_left_out(&token))) {
            return Ok(String::new());
        }
        self.tables.decode(ids, without_specials).map_err(broken)
    }

    pub(super) fn encode(&self, text: &str, specials: Specials, place: Place) -> Result<Vec<u32>, DataError> {
        let mut scratch = self.scratches().pop().unwrap_or_else(|| self.scratch());
        let mut ids = Vec::with_capacity(text.len() / 3);
        let encoded = self.encode_into(text, specials, place, &mut scratch, &mut ids);
        self.scratches().push(scratch);
        encoded.map_err(unencodable)?;
        Ok(ids.into_iter().map(u32::from).filter(|id| *id < self.missing).collect())
    }

    fn encode_into(
        &self,
        text: &str,
        specials: Specials,
        place: Place,
        scratch: &mut Scratch,
        ids: &mut Vec<PipelineToken>,
    ) -> tokenizers::Result<()> {
        let added = self.tables.get_added_vocabulary();
        let normalizers = Normalizers::of(self.tables.get_normalizers());
        let specials_as_text = specials == Specials::AsText;
        for segment in SpecialSegmentIterator::new(text, added, false, specials_as_text) {
            let (part, offset) = match segment {
                Segment::SpecialToken(id) => {
                    ids.push(id.into());
                    continue;
                }
                Segment::Text { text, input_offset } => (text, input_offset),
            };
            let continues = place == Place::Rest && offset == 0;
            let normalized = normalizers.normalized(part, offset, continues)?;
            for segment in SpecialSegmentIterator::new(&normalized, added, true, specials_as_text) {
                match segment {
                    Segment::SpecialToken(id) => ids.push(id.into()),
                    Segment::Text { text, input_offset } => {
                        let continues = continues && input_offset == 0;
                        let text = normalizers.separated(text, offset + input_offset, continues)?;
                        match &self.stages {
                            None => self.encode_words(&text, scratch, ids)?,
                            Some(stages) => {
                                let begin = match (continues, offset + input_offset) {
                                    (true, _) => Begin::Rest,
                                    (false, 0) => Begin::Document,
                                    (false, _) => Begin::Word,
                                };
                                self.encode_stages(stages, (&text, begin), scratch, ids)?;
                            }
                        }
                    }
                }
            }
        }
        Ok(())
    }

    fn encode_words(&self, text: &str, scratch: &mut Scratch, ids: &mut Vec<PipelineToken>) -> tokenizers::Result<()> {
        whole(text)?;
        scratch.words.clear();
        self.splitter.split(text, &mut scratch.splitter, &mut scratch.words)?;
        ids.reserve(scratch.words.len());
        self.encode_spans(text, &scratch.words, &mut scratch.model, ids)
    }

    fn encode_stages(
        &self,
        stages: &Stages,
        (text, begin): (&str, Begin),
        scratch: &mut Scratch,
        ids: &mut Vec<PipelineToken>,
    ) -> tokenizers::Result<()> {
        whole(text)?;
        for word in stages.words(text, begin, &mut scratch.splitter, &mut scratch.words)? {
            self.encode_spans(&word, &[whole(&word)?], &mut scratch.model, ids)?;
        }
        Ok(())
    }

    fn encode_spans(
        &self,
        text: &str,
        words: &[Span],
        scratch: &mut PipelineModelScratch,
        ids: &mut Vec<PipelineToken>,
    ) -> tokenizers::Result<()> {
        let model = self.tables.get_model();
        let Some(lone) = &self.lone else {
            return model.tokenize_spans(text, words, scratch, ids);
        };
        for word in words {
            match lone.id(&text[word.range()]) {
                Some(id) => ids.push(id.into()),
                None => model.tokenize_spans(text, std::slice::from_ref(word), scratch, ids)?,
            }
        }
        Ok(())
    }

    fn scratch(&self) -> Scratch {
        let model = self.tables.get_model().init_scratch();
        Scratch { splitter: PreTokenizerScratch::default(), words: Vec::new(), model }
    }

    fn scratches(&self) -> std::sync::MutexGuard<'_, Vec<Scratch>> {
        self.scratches.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All of `text` as one word. Places of words are counted in 32 bits.
fn whole(text: &str) -> tokenizers::Result<Span> {
    let end = u32::try_from(text.len());
    let end =
        end.map_err(|_| format!("it has {} bytes between two special tokens, more than {}", text.len(), u32::MAX))?;
    Ok(Span { start: 0, end })
}
