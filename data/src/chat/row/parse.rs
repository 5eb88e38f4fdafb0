//! Rows from JSON.

use minijinja::value::Value;
use serde::Deserialize;

use super::fields::Fields;
use super::messages::messages;
use super::preference::preference;
use super::{Passage, Row, Tools};
use crate::chat::ChatError;
use crate::chat::fault::Fault;
use crate::chat::message::object;

const FORMS: &str =
    "an object with `messages`, `conversations`, `text`, `prompt` and `completion`, or `chosen` and `rejected`";

impl Row {
    /// The row in a line of JSON, the `row`th as the caller counts. What its messages pass through to a template keeps its
    /// order.
    ///
    /// # Errors
    /// When it is in none of the forms of a row.
    pub fn from_json(row: u64, json: &str) -> Result<Self, ChatError> {
        parsed(row, serde_json::from_str(json), any)
    }

    /// The row in a value of JSON, the `row`th as the caller counts.
    ///
    /// # Errors
    /// When it is in none of the forms of a row.
    pub fn from_value(row: u64, value: &serde_json::Value) -> Result<Self, ChatError> {
        parsed(row, Value::deserialize(value), any)
    }

    /// The preference in a line of JSON, which may have the chosen chat as `messages`, too.
    ///
    /// # Errors
    /// When it has no preference.
    pub fn preference_from_json(row: u64, json: &str) -> Result<Self, ChatError> {
        parsed(row, serde_json::from_str(json), preference)
    }

    /// As [`preference_from_json`](Self::preference_from_json), of a value of JSON.
    ///
    /// # Errors
    /// When it has no preference.
    pub fn preference_from_value(row: u64, value: &serde_json::Value) -> Result<Self, ChatError> {
        parsed(row, Value::deserialize(value), preference)
    }
}

fn parsed(
    row: u64,
    value: serde_json::Result<Value>,
    parse: impl Fn(&Fields, Option<Tools>) -> Result<Row, Fault>,
) -> Result<Row, ChatError> {
    let read = || {
        let value = value.map_err(|error| Fault::new("row", format!("no JSON ({error})"), FORMS))?;
        let fields = object(&value, "row", FORMS)?;
        let fields = Fields::of(fields);
        let tools = fields.tools()?;
        parse(&fields, tools)
    };
    read().map_err(|fault| fault.in_row(row))
}

fn any(fields: &Fields, tools: Option<Tools>) -> Result<Row, Fault> {
    for name in ["messages", "conversations"] {
        if let Some(value) = fields.get(name) {
            return Ok(Row::Chat { messages: messages(value, name)?, tools });
        }
    }
    if fields.get("chosen").is_some() || fields.get("rejected").is_some() {
        return preference(fields, tools);
    }
    if fields.get("prompt").is_some() || fields.get("completion").is_some() {
        return completion(fields, tools);
    }
    match fields.get("text") {
        Some(text) => match text.as_str() {
            Some(text) => Ok(Row::Text(text.to_owned())),
            None => Err(Fault::of(text, "text", "a string")),
        },
        None => Err(Fault::new("row", format!("an object with {:?}", fields.names()), FORMS)),
    }
}

fn completion(fields: &Fields, tools: Option<Tools>) -> Result<Row, Fault> {
    let prompt = fields.passage("prompt")?;
    let completion = fields.passage("completion")?;
    match (&prompt, &completion) {
        (Passage::Text(_), Passage::Messages(_)) => Err(Fault::new("completion", "a list", "a string, as `prompt` is")),
        (Passage::Messages(_), Passage::Text(_)) => {
            Err(Fault::new("completion", "a string", "a list of messages, as `prompt` is"))
        }
        _ => Ok(Row::Completion { prompt, completion, tools }),
    }
}
