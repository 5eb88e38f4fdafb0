//! Which tokens a span of a text has.

use super::ChatError;
use crate::Tokenizer;

/// Characters that a token may begin before a span that it reaches into; words are shorter.
const MAX_STRADDLE: usize = 1024;

/// What a chat needs of a tokenizer.
pub trait ChatTokenizer {
    /// The ids of `text`, in which the name of a special token is that token, and none is added.
    ///
    /// # Errors
    /// When the text has no ids; a clause that says why.
    fn encode_with_special(&self, text: &str) -> Result<Vec<u32>, String>;

    /// Whether the id is that of a special token.
    fn is_special(&self, id: u32) -> bool;
}

impl ChatTokenizer for Tokenizer {
    fn encode_with_special(&self, text: &str) -> Result<Vec<u32>, String> {
        Self::encode_with_special(self, text).map_err(|error| error.to_string())
    }

    fn is_special(&self, id: u32) -> bool {
        self.special_ids().binary_search(&id).is_ok()
    }
}

/// A text and its tokens.
pub(super) struct Tokens<'a, T> {
    tokenizer: &'a T,
    text: &'a str,
    pub(super) ids: Vec<u32>,
    /// The last place that was asked for and lies between two tokens, and the tokens before it.
    known: (usize, usize),
}

/// A place in a text, as its tokens see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// Number of tokens that end before it or at it.
    pub(super) ended: usize,
    /// Number of tokens that begin before it: one more where a token lies across it.
    pub(super) begun: usize,
}

impl<'a, T: ChatTokenizer> Tokens<'a, T> {
    /// # Errors
    /// When the text has no ids.
    pub(super) fn of(tokenizer: &'a T, text: &'a str) -> Result<Self, ChatError> {
        Ok(Self { tokenizer, text, ids: ids(tokenizer, text)?, known: (0, 0) })
    }

    /// Where byte `at` of the text, the beginning of a character, stands among the tokens.
    ///
    /// The tokenizer gives ids without their places. But where the ids of the text before a place open those of the whole text,
    /// a token ends there; where they do not, a token lies across it, which begins at the nearest such place before.
    ///
    /// # Errors
    /// When a part of the text has no ids.
    pub(super) fn place(&mut self, at: usize) -> Result<Place, ChatError> {
        // Mostly, what follows a known place is encoded alone as it is in the whole text.
        let (from, known) = self.known;
        if 0 < from && from <= at {
            let ids = ids(self.tokenizer, &self.text[from..at])?;
            if self.ids[known..].starts_with(&ids) {
                return Ok(self.between(at, known + ids.len()));
            }
        }
        let before = &self.text[..at];
        let cuts = before.char_indices().rev().map(|(cut, _)| cut).take(MAX_STRADDLE);
        for cut in std::iter::once(at).chain(cuts) {
            let ids = ids(self.tokenizer, &self.text[..cut])?;
            match self.ids.starts_with(&ids) {
                true if cut == at => return Ok(self.between(at, ids.len())),
                true => return Ok(Place { ended: ids.len(), begun: ids.len() + 1 }),
                false => {}
            }
        }
        // All that is known of a word as long as that.
        let ended = ids(self.tokenizer, before)?.iter().zip(&self.ids).take_while(|(id, other)| id == other).count();
        Ok(Place { ended, begun: ended + 1 })
    }

    fn between(&mut self, at: usize, tokens: usize) -> Place {
        self.known = (at, tokens);
        Place { ended: tokens, begun: tokens }
    }
}

fn ids(tokenizer: &impl ChatTokenizer, text: &str) -> Result<Vec<u32>, ChatError> {
    tokenizer.encode_with_special(text).map_err(|reason| ChatError::Tokens { reason })
}
