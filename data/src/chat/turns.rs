//! The spans of a chat's text that the assistant says.

use std::ops::Range;

use super::template::Rendered;
use super::{ChatError, ChatTemplate, Message};

/// The text of a chat and what of it is trained.
pub(super) struct Turns {
    pub(super) text: String,
    /// Spans of the text in bytes, in order.
    pub(super) spans: Vec<Range<usize>>,
    pub(super) found: Found,
}

/// How the spans were found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// They are the template's generation blocks.
    Marked,
    /// They lie between the texts of prefixes of the chat.
    ByPrefixes,
}

impl ChatTemplate {
    /// What the assistant says in `messages[first..]`.
    ///
    /// # Errors
    /// When that is nothing, or cannot be told.
    pub(super) fn turns(&self, messages: &[Message], first: usize) -> Result<Turns, ChatError> {
        if !messages.iter().skip(first).any(Message::is_assistant) {
            return Err(ChatError::NoAssistant { messages: messages.len().saturating_sub(first) });
        }
        let Rendered { text, generated } = self.rendered(messages, false)?;
        if self.has_generation_blocks() {
            let spans = self.marked(messages, first, generated)?;
            return Ok(Turns { text, spans, found: Found::Marked });
        }
        let spans = self.by_prefixes(messages, first, &text)?;
        Ok(Turns { text, spans, found: Found::ByPrefixes })
    }

    /// The generation blocks behind the first messages.
    fn marked(
        &self,
        messages: &[Message],
        first: usize,
        mut generated: Vec<Range<usize>>,
    ) -> Result<Vec<Range<usize>>, ChatError> {
        if first > 0 {
            let earlier = self.rendered(&messages[..first], false)?.generated.len();
            generated.drain(..earlier.min(generated.len()));
        }
        match generated.iter().any(|span| !span.is_empty()) {
            true => Ok(generated),
            false => Err(untrained("its template writes nothing in a generation block")),
        }
    }

    fn by_prefixes(&self, messages: &[Message], first: usize, text: &str) -> Result<Vec<Range<usize>>, ChatError> {
        let mut spans = Vec::new();
        let mut reason = None;
        for (at, _) in messages.iter().enumerate().skip(first).filter(|(_, message)| message.is_assistant()) {
            match self.turn(messages, at, text)? {
                Ok(span) => spans.push(span),
                Err(why) => reason = Some(why),
            }
        }
        match reason {
            Some(reason) if spans.is_empty() => Err(untrained(reason)),
            _ => Ok(spans),
        }
    }

    /// The span of the assistant's message `at`, or the reason why it has none.
    fn turn(&self, messages: &[Message], at: usize, text: &str) -> Result<Result<Range<usize>, String>, ChatError> {
        let prompt = match self.render(&messages[..at], true) {
            Ok(prompt) => prompt,
            // Many templates have no prompt for a chat that the assistant opens.
            Err(error @ (ChatError::Raised { .. } | ChatError::Render { .. })) => {
                return Ok(Err(format!("there is no prompt before the assistant's message {at}: {error}")));
            }
            Err(error) => return Err(error),
        };
        if !text.starts_with(&prompt) {
            return Ok(Err(format!(
                "the assistant's message {at} does not follow its generation prompt in the chat's text, as where that asks \
                 for reasoning"
            )));
        }
        let end = if at + 1 == messages.len() { text.len() } else { self.end(messages, at, text)?.unwrap_or(0) };
        match end < prompt.len() {
            true => {
                Ok(Err(format!("the template writes the assistant's message {at} otherwise once the chat goes on")))
            }
            false => Ok(Ok(prompt.len()..end)),
        }
    }

    /// Where the text up to and with message `at` ends, where it opens the chat's text. Phi-3's ends with the token that ends
    /// a document as long as the chat does not go on.
    fn end(&self, messages: &[Message], at: usize, text: &str) -> Result<Option<usize>, ChatError> {
        let until = match self.render(&messages[..=at], false) {
            Ok(until) => until,
            Err(ChatError::Raised { .. } | ChatError::Render { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let open = self.eos_token().and_then(|eos| until.strip_suffix(eos));
        let opening = [Some(until.as_str()), open].into_iter().flatten().find(|until| text.starts_with(until));
        Ok(opening.map(str::len))
    }
}

fn untrained(reason: impl Into<String>) -> ChatError {
    ChatError::Untrained { reason: reason.into() }
}
