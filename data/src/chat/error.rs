//! Everything that can be wrong with a chat template, a row of chats, or a chat for its template.

use std::path::PathBuf;

/// What is wrong with a chat or its template, and what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChatError {
    /// A folder has no template.
    #[error(
        "there is no chat template in {}: it needs a chat_template.jinja, or a tokenizer_config.json with `chat_template`; a \
         base model has none, give that of its chat model",
        folder.display()
    )]
    NoTemplateIn {
        /// The folder as it was given.
        folder: PathBuf,
    },
    /// The operating system refused to read a file.
    #[error("{} cannot be read, check its permissions: {cause}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        cause: std::io::Error,
    },
    /// A GGUF file cannot be read.
    #[error("{}: {reason}", path.display())]
    Gguf {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// `tokenizer_config.json` is not what it should be.
    #[error("`{field}` of tokenizer_config.json is {found}, not {expected}: restore the file as it was published")]
    Config {
        /// The field, or the file as a whole.
        field: &'static str,
        /// What stands there.
        found: String,
        /// What should stand there.
        expected: &'static str,
    },
    /// `tokenizer_config.json` has no template.
    #[error("tokenizer_config.json has no `chat_template`{}: give a chat_template.jinja beside it", named(.names))]
    NoTemplate {
        /// Names of its templates, of which none is `default`.
        names: Vec<String>,
    },
    /// The template cannot be compiled.
    #[error("line {line} of the chat template cannot be compiled, {reason}: correct the template")]
    Syntax {
        /// The line, from 1.
        line: usize,
        /// What the compiler said.
        reason: String,
    },
    /// The template called `raise_exception`.
    #[error("the chat template refuses the chat: {said} (change the messages, or the template)")]
    Raised {
        /// What it said.
        said: String,
    },
    /// The template failed on these messages.
    #[error("line {line} of the chat template fails, {reason}: check that the messages have what it needs")]
    Render {
        /// The line, from 1.
        line: usize,
        /// What failed.
        reason: String,
    },
    /// The template does not come to an end, or writes without end.
    #[error("the chat template takes more than {limit}: correct the template, or shorten the chat")]
    TooMuch {
        /// The bound.
        limit: &'static str,
    },
    /// The template asks for the date, and none was given.
    #[error("the chat template calls `strftime_now`, and no date is given: give the one that the run is to have")]
    NoDate,

    /// A variable of a template or a field of a message is no JSON.
    #[error("`{name}` has no JSON form, {reason}: give a value that has")]
    Variable {
        /// The name.
        name: String,
        /// What is wrong with its value.
        reason: String,
    },
    /// A chat has nothing that the assistant says.
    #[error("none of the {messages} messages to be trained is the assistant's: leave the row out")]
    NoAssistant {
        /// Number of messages that are to be trained.
        messages: usize,
    },
    /// No turn of the assistant can be told from what the template wrote.
    #[error(
        "nothing of the chat can be trained, {reason}: leave the row out, or use a template with generation blocks"
    )]
    Untrained {
        /// The reason, as a clause.
        reason: String,
    },
    /// The tokenizer has no ids for a text.
    #[error(
        "the chat's text has no tokens, {reason}: leave the row out, or use the tokenizer that the template is for"
    )]
    Tokens {
        /// What the tokenizer said.
        reason: String,
    },
    /// A row of messages was given without a template.
    #[error("the row is a chat, and no chat template is given: give the model's")]
    NeedsTemplate,

    /// One part of a row is text and the other messages.
    #[error("a prompt and its completion are text and messages: give both as text, or both as messages")]
    MixedPassages,

    /// A row is not in a known form.
    #[error("row {row}: `{field}` is {found}, not {expected}: correct the row, or leave it out")]
    Row {
        /// Number of the row, as the caller counts.
        row: u64,
        /// The field, as `messages[2].content`.
        field: String,
        /// What stands there.
        found: String,
        /// What should stand there.
        expected: &'static str,
    },
    /// A row could not be encoded.
    #[error("row {row}: {cause}")]
    InRow {
        /// Number of the row, as the caller counts.
        row: u64,
        /// What is wrong with it.
        cause: Box<ChatError>,
    },
}

impl ChatError {
    /// This error with the number of its row, where it has none.
    #[must_use]
    pub fn in_row(self, row: u64) -> Self {
        match self {
            Self::Row { .. } | Self::InRow { .. } => self,
            cause => Self::InRow { row, cause: Box::new(cause) },
        }
    }
}

fn named(names: &[String]) -> String {
    if names.is_empty() { String::new() } else { format!(" named `default` among {names:?}") }
}
