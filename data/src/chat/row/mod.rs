//! Rows of data sets: chats, prompts with completions, texts, and preferences.

mod fields;
mod messages;
mod parse;
mod preference;

use minijinja::value::Value;

use super::encode::encode_text;
use super::{ChatError, ChatTemplate, ChatTokenizer, Encoded, Message};

/// A row of a data set, in one of the forms that are in use:
///
/// - `{"messages": [{"role", "content"}, ...]}`, or the same in `conversations`
/// - `{"conversations": [{"from": "human", "value"}, ...]}`, as ShareGPT's
/// - `{"prompt", "completion"}`, both strings or both lists of messages
/// - `{"text"}`
/// - `{"prompt", "chosen", "rejected"}`, strings or lists of messages; without `prompt` where the lists begin with the same
///   messages
///
/// Other fields are left alone, but for `tools` beside messages.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Row {
    /// A chat, in which the assistant's turns are trained.
    Chat {
        /// The messages, at least one.
        messages: Vec<Message>,
        /// The tools that the template is to show.
        tools: Option<Tools>,
    },
    /// A prompt, and a completion that is trained.
    Completion {
        /// What is given.
        prompt: Passage,
        /// What is trained: text where the prompt is text, messages where it is messages.
        completion: Passage,
        /// The tools that the template is to show.
        tools: Option<Tools>,
    },
    /// A text, all of which is trained.
    Text(String),
    /// A prompt with a completion that was preferred over another.
    Preference {
        /// What is given.
        prompt: Passage,
        /// The better one, of the prompt's kind, as is the other.
        chosen: Passage,
        /// The worse one.
        rejected: Passage,
        /// The tools that the template is to show.
        tools: Option<Tools>,
    },
}

/// A part of a row.
#[derive(Debug, Clone, PartialEq)]
pub enum Passage {
    /// A text.
    Text(String),
    /// Messages of a chat.
    Messages(Vec<Message>),
}

/// Descriptions of tools, as JSON that a template shows.
#[derive(Debug, Clone, PartialEq)]
pub struct Tools(pub(super) Value);

/// The tokens of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EncodedRow {
    /// Those of a chat, a completion with its prompt, or a text.
    One(Encoded),
    /// Those of a preference, each with the prompt.
    Pair {
        /// The better one.
        chosen: Encoded,
        /// The worse one.
        rejected: Encoded,
    },
}

impl Row {
    /// The tokens of the row. Rows of messages need a template. No token is added to those of texts: what separates documents
    /// is for the caller to put between them.
    ///
    /// # Errors
    /// When a template is missing or does not render the messages, the tokenizer has no ids for a text, or nothing can be
    /// trained. The error does not know the row's number, see [`ChatError::in_row`].
    pub fn encode(
        &self,
        tokenizer: &impl ChatTokenizer,
        template: Option<&ChatTemplate>,
    ) -> Result<EncodedRow, ChatError> {
        match self {
            Self::Text(text) => encode_text(tokenizer, text, 0).map(EncodedRow::One),
            Self::Chat { messages, tools } => {
                let template = with_tools(template, tools.as_ref())?;
                template.encode(tokenizer, messages).map(EncodedRow::One)
            }
            Self::Completion { prompt, completion, tools } => {
                completed(tokenizer, (template, tools.as_ref()), prompt, completion).map(EncodedRow::One)
            }
            Self::Preference { prompt, chosen, rejected, tools } => {
                let encode = |completion| completed(tokenizer, (template, tools.as_ref()), prompt, completion);
                Ok(EncodedRow::Pair { chosen: encode(chosen)?, rejected: encode(rejected)? })
            }
        }
    }
}

/// The tokens of a prompt and its completion, of which the latter is trained.
fn completed(
    tokenizer: &impl ChatTokenizer,
    (template, tools): (Option<&ChatTemplate>, Option<&Tools>),
    prompt: &Passage,
    completion: &Passage,
) -> Result<Encoded, ChatError> {
    match (prompt, completion) {
        (Passage::Text(prompt), Passage::Text(completion)) => {
            encode_text(tokenizer, &[prompt.as_str(), completion].concat(), prompt.len())
        }
        (Passage::Messages(prompt), Passage::Messages(completion)) => {
            let template = with_tools(template, tools)?;
            template.encode_from(tokenizer, &[prompt.as_slice(), completion].concat(), prompt.len())
        }
        _ => Err(ChatError::MixedPassages),
    }
}

fn with_tools(template: Option<&ChatTemplate>, tools: Option<&Tools>) -> Result<ChatTemplate, ChatError> {
    let template = template.ok_or(ChatError::NeedsTemplate)?.clone();
    Ok(match tools {
        Some(Tools(tools)) => template.with_value("tools", tools.clone()),
        None => template,
    })
}
