//! Chats to tokens.

use std::ops::Range;

use super::tokens::Tokens;
use super::turns::{Found, Turns};
use super::{ChatError, ChatTemplate, ChatTokenizer, Message};

/// The tokens of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Encoded {
    /// The ids.
    pub ids: Vec<u32>,
    /// Whether a model is trained to say the token; as many as there are ids.
    pub trained: Vec<bool>,
}

impl ChatTemplate {
    /// The tokens of a chat, the same as transformers' `apply_chat_template` gives: special tokens are those of the template.
    /// What the assistant says is trained, with what ends its turn and without what opens it.
    ///
    /// # Errors
    /// When the template does not render the chat, the tokenizer has no ids for its text, or nothing of it can be trained.
    pub fn encode(&self, tokenizer: &impl ChatTokenizer, messages: &[Message]) -> Result<Encoded, ChatError> {
        self.encode_from(tokenizer, messages, 0)
    }

    /// As [`encode`](Self::encode), but messages before `first` are not trained.
    pub(super) fn encode_from(
        &self,
        tokenizer: &impl ChatTokenizer,
        messages: &[Message],
        first: usize,
    ) -> Result<Encoded, ChatError> {
        let Turns { text, spans, found } = self.turns(messages, first)?;
        let mut tokens = Tokens::of(tokenizer, &text)?;
        let mut trained = vec![false; tokens.ids.len()];
        for span in spans {
            let within = match found {
                Found::Marked => tokens.place(span.start)?.ended..tokens.place(span.end)?.begun,
                Found::ByPrefixes => tokens.place(span.start)?.begun..end_of_turn(&mut tokens, tokenizer, &text, span)?,
            };
            trained.get_mut(within).into_iter().for_each(|within| within.fill(true));
        }
        match trained.contains(&true) {
            true => Ok(Encoded { ids: tokens.ids, trained }),
            false => Err(ChatError::Untrained { reason: "the assistant's turns are empty".to_owned() }),
        }
    }
}

/// The tokens of `text`, of which those that begin in its bytes from `start` on are trained.
pub(super) fn encode_text(tokenizer: &impl ChatTokenizer, text: &str, start: usize) -> Result<Encoded, ChatError> {
    let mut tokens = Tokens::of(tokenizer, text)?;
    let begun = if start == 0 { 0 } else { tokens.place(start)?.begun };
    let trained = (0..tokens.ids.len()).map(|index| index >= begun).collect();
    Ok(Encoded { ids: tokens.ids, trained })
}

/// Number of tokens up to the end of a turn: without the white space behind the special token that ends it.
fn end_of_turn<T: ChatTokenizer>(
    tokens: &mut Tokens<'_, T>,
    tokenizer: &T,
    text: &str,
    turn: Range<usize>,
) -> Result<usize, ChatError> {
    let said = text[turn.clone()].trim_end();
    let end = tokens.place(turn.start + said.len())?.begun;
    let is_ended = !said.is_empty() && end.checked_sub(1).is_some_and(|last| tokenizer.is_special(tokens.ids[last]));
    if is_ended { Ok(end) } else { Ok(tokens.place(turn.end)?.begun) }
}
