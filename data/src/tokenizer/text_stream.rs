//! Decoding ids one by one, as they are generated.

use super::Tokenizer;
use crate::DataError;

/// What stands for bytes that are no character, or none yet.
const UNREADABLE: char = '\u{fffd}';
/// Ids that are decoded again with those after them, at most, unless they begin inside of a character.
const CONTEXT: usize = 8;
/// More pending bytes than this are no character that is still coming: two of at most four bytes, for a decoder that gives
/// up the whole run of bytes in which one is wrong.
const PENDING: usize = 7;
/// A window of more ids is cut at any place.
const WINDOW: usize = 64;

/// The text of ids that come one by one, as they stand behind a prompt: a decoder that drops the space before the first
/// word does not drop it here. What is not certain yet, as the first bytes of a character, is held back; special tokens
/// give nothing.
///
/// Together the texts are what all ids decode to beyond what the prompt's do. Each step decodes the last few ids alone.
///
/// ```
/// # fn main() -> Result<(), hearth_data::DataError> {
/// use hearth_data::{TextStream, Tokenizer};
///
/// let tokenizer = Tokenizer::byte();
/// let mut stream = TextStream::after(&tokenizer, &tokenizer.encode("caf")?)?;
/// assert_eq!(stream.push(0xc3)?, "");
/// assert_eq!(stream.push(0xa9)?, "é");
/// assert_eq!(stream.finish(), "");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct TextStream<'a> {
    tokenizer: &'a Tokenizer,
    /// The last ids, without special tokens. They begin with a character.
    window: Vec<u32>,
    /// What the window decodes to.
    text: String,
    /// Bytes of `text` that were given, or are the prompt's.
    given: usize,
    /// Ids of the window up to which its text was certain when it last was as a whole.
    settled: usize,
    specials: Vec<u32>,
}

impl<'a> TextStream<'a> {
    /// The stream of what comes after `prompt`, which may be empty.
    ///
    /// # Errors
    /// When an id of the prompt is outside the vocabulary.
    pub fn after(tokenizer: &'a Tokenizer, prompt: &[u32]) -> Result<Self, DataError> {
        let specials = tokenizer.special_ids();
        let prompt: Vec<u32> = prompt.iter().copied().filter(|id| specials.binary_search(id).is_err()).collect();
        let mut length = 0;
        let mut text = String::new();
        while length < prompt.len() && (text.is_empty() || text.contains(UNREADABLE)) {
            length = if length < CONTEXT { length + 1 } else { (2 * length).min(prompt.len()) };
            text = tokenizer.decode_as(&prompt[prompt.len() - length..], true)?;
        }
        let window = prompt[prompt.len() - length..].to_vec();
        let given = certain(&text).len();
        let settled = if given == text.len() { window.len() } else { 0 };
        Ok(Self { tokenizer, window, text, given, settled, specials })
    }

    /// The text that is certain with `id` and was not given before; often a word, and empty inside of a character.
    ///
    /// # Errors
    /// When the id is outside the vocabulary.
    pub fn push(&mut self, id: u32) -> Result<String, DataError> {
        if self.specials.binary_search(&id).is_ok() {
            return Ok(String::new());
        }
        self.window.push(id);
        self.text = self.tokenizer.decode_as(&self.window, true).inspect_err(|_| {
            self.window.pop();
        })?;
        let certain = certain(&self.text).len();
        let new = self.text.get(self.given..certain).unwrap_or_default().to_owned();
        self.given = self.given.max(certain);
        if certain == self.text.len() {
            self.shorten(self.settled)?;
            self.settled = self.window.len();
        } else if self.window.len() > WINDOW {
            self.shorten(self.window.len() - CONTEXT)?;
            self.settled = 0;
        }
        Ok(new)
    }

    /// What was held back.
    pub fn finish(self) -> String {
        self.text.get(self.given..).unwrap_or_default().to_owned()
    }

    /// Leaves the first `ids` of the window out, unless nothing would then stand before what comes.
    fn shorten(&mut self, ids: usize) -> Result<(), DataError> {
        let text = self.tokenizer.decode_as(&self.window[ids..], true)?;
        if !text.is_empty() || self.window.len() > WINDOW {
            self.window.drain(..ids);
            self.given = certain(&text).len();
            self.text = text;
        }
        Ok(())
    }
}

/// `text` without the bytes at its end that may be of a character which is still coming.
fn certain(text: &str) -> &str {
    let sure = text.trim_end_matches(UNREADABLE);
    let pending = (text.len() - sure.len()) / UNREADABLE.len_utf8();
    if pending <= PENDING {
        return sure;
    }
    // A character has at most four bytes: the last three may be of one.
    &text[..text.len() - 3 * UNREADABLE.len_utf8()]
}
