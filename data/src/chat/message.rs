//! Messages of a chat.

use minijinja::value::Value;
use serde::Serialize;

use super::ChatError;
use super::fault::{Fault, json_value, name_of};

/// Names that the reasoning of a message goes by; the first is the one that most templates read.
const REASONING: [&str; 3] = ["reasoning_content", "thinking", "reasoning"];

/// A message of a chat. What else a row's message has, as `tool_calls`, `name` or `reasoning_content`, is passed through to the
/// template.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// The role: `system`, `user`, `assistant`, `tool`, or what else the template knows.
    pub role: String,
    /// What the message says.
    pub content: Content,
    /// Other fields in the order of the row, none of them null.
    fields: Vec<(String, Value)>,
}

/// What a message says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Nothing: there is no `content`, as beside tool calls.
    Missing,
    /// A string.
    Text(String),
    /// A list of parts of type `text`. It is passed on as it is where the template can read one; for other templates, the
    /// parts are joined by newlines.
    Parts(Vec<String>),
}

impl Message {
    /// A message that says `content`.
    pub fn new(role: impl Into<String>, content: impl Into<Content>) -> Self {
        Self { role: role.into(), content: content.into(), fields: Vec::new() }
    }

    /// This message with another field; null takes one away.
    ///
    /// # Errors
    /// When the value has no JSON form.
    pub fn with_field(mut self, name: &str, value: impl Serialize) -> Result<Self, ChatError> {
        let value = json_value(name, value)?;
        self.fields.retain(|(other, _)| other != name);
        if !value.is_none() {
            self.fields.push((name.to_owned(), value));
        }
        Ok(self)
    }

    /// The message in a row's field `at`.
    pub(super) fn parse(value: &Value, at: &str) -> Result<Self, Fault> {
        let pairs = object(value, at, "an object with `role` and `content`")?;
        let mut message = Self { role: String::new(), content: Content::Missing, fields: Vec::new() };
        let mut has_role = false;
        for (key, value) in pairs {
            match key.as_str() {
                "role" => {
                    let role = value.as_str().ok_or_else(|| Fault::of(&value, format!("{at}.role"), "a string"))?;
                    role.clone_into(&mut message.role);
                    has_role = true;
                }
                "content" => message.content = Content::parse(&value, &format!("{at}.content"))?,
                _ if value.is_none() => {}
                _ => message.fields.push((key, value)),
            }
        }
        if !has_role {
            return Err(Fault::new(format!("{at}.role"), "missing", "a string, as \"user\" or \"assistant\""));
        }
        Ok(message)
    }

    pub(super) fn is_assistant(&self) -> bool {
        self.role == "assistant"
    }

    pub(super) fn has_parts(&self) -> bool {
        matches!(self.content, Content::Parts(_))
    }

    /// The message as the template sees it.
    pub(super) fn to_value(&self, as_parts: bool) -> Value {
        let field = |name: &str| self.fields.iter().find(|(other, _)| other == name).map(|(_, value)| value);
        let reasoning = REASONING.iter().find_map(|name| field(name)).cloned();
        let mut pairs: Vec<(&str, Value)> = Vec::with_capacity(self.fields.len() + 4);
        // As in transformers: templates read it under different names.
        pairs.extend(reasoning.clone().map(|reasoning| ("thinking", reasoning)));
        pairs.push(("role", Value::from(self.role.as_str())));
        pairs.extend(self.content.to_value(as_parts).map(|content| ("content", content)));
        pairs.extend(self.fields.iter().map(|(name, value)| (name.as_str(), value.clone())));
        pairs.extend(reasoning.map(|reasoning| ("reasoning_content", reasoning)));
        Value::from_pairs(pairs)
    }
}

impl From<&str> for Content {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Content {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl Content {
    pub(super) fn parse(value: &Value, at: &str) -> Result<Self, Fault> {
        const EXPECTED: &str = "a string, or a list of parts of type \"text\"";
        if value.is_none() {
            return Ok(Self::Missing);
        }
        if let Some(text) = value.as_str() {
            return Ok(Self::Text(text.to_owned()));
        }
        let parts = list(value, at, EXPECTED)?;
        let text = |(index, part): (usize, Value)| {
            let at = format!("{at}[{index}]");
            let kind = part.get_attr("type").unwrap_or_default();
            match kind.as_str() {
                Some("text") => {}
                Some(kind) => return Err(Fault::new(at, format!("a part of type {kind:?}"), "one of type \"text\"")),
                None => return Err(Fault::of(&kind, format!("{at}.type"), "\"text\"")),
            }
            let text = part.get_attr("text").unwrap_or_default();
            text.as_str().map(str::to_owned).ok_or_else(|| Fault::of(&text, format!("{at}.text"), "a string"))
        };
        parts.into_iter().enumerate().map(text).collect::<Result<_, _>>().map(Self::Parts)
    }

    fn to_value(&self, as_parts: bool) -> Option<Value> {
        match self {
            Self::Missing => None,
            Self::Text(text) => Some(Value::from(text.as_str())),
            Self::Parts(texts) if as_parts => {
                let part = |text: &String| Value::from_pairs([("type", "text"), ("text", text.as_str())]);
                Some(texts.iter().map(part).collect())
            }
            Self::Parts(texts) => Some(Value::from(texts.join("\n"))),
        }
    }
}

/// The fields of an object, in order.
pub(super) fn object(value: &Value, at: &str, expected: &'static str) -> Result<Vec<(String, Value)>, Fault> {
    let keys = value.try_iter().ok().filter(|_| name_of(value) == "an object");
    let keys = keys.ok_or_else(|| Fault::of(value, at, expected))?;
    let pair = |key: Value| (key.to_string(), value.get_item(&key).unwrap_or_default());
    Ok(keys.map(pair).collect())
}

/// The elements of a list.
pub(super) fn list(value: &Value, at: &str, expected: &'static str) -> Result<Vec<Value>, Fault> {
    let items = value.try_iter().ok().filter(|_| name_of(value) == "a list");
    items.map(Iterator::collect).ok_or_else(|| Fault::of(value, at, expected))
}
