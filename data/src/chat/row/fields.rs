//! The fields of a row.

use minijinja::value::Value;

use super::messages::messages;
use super::{Passage, Tools};
use crate::chat::fault::Fault;
use crate::chat::message::list;

/// The fields of a row; none of them is null.
pub(super) struct Fields(Vec<(String, Value)>);

impl Fields {
    pub(super) fn of(fields: Vec<(String, Value)>) -> Self {
        Self(fields.into_iter().filter(|(_, value)| !value.is_none()).collect())
    }

    pub(super) fn names(&self) -> Vec<&str> {
        self.0.iter().map(|(name, _)| name.as_str()).collect()
    }

    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(other, _)| other == name).map(|(_, value)| value)
    }

    /// A field that is a string or messages.
    pub(super) fn passage(&self, name: &str) -> Result<Passage, Fault> {
        const EXPECTED: &str = "a string, or a list of messages";
        let value = self.get(name).ok_or_else(|| Fault::new(name, "missing", EXPECTED))?;
        match value.as_str() {
            Some(text) => Ok(Passage::Text(text.to_owned())),
            None => messages(value, name).map(Passage::Messages),
        }
    }

    /// The tools, which some data sets have as text of JSON.
    pub(super) fn tools(&self) -> Result<Option<Tools>, Fault> {
        const EXPECTED: &str = "a list of JSON, or text of one";
        let Some(tools) = self.get("tools") else { return Ok(None) };
        let tools = match tools.as_str() {
            None => tools.clone(),
            Some("") => return Ok(None),
            Some(text) => {
                serde_json::from_str(text).map_err(|error| Fault::new("tools", error.to_string(), EXPECTED))?
            }
        };
        let items = list(&tools, "tools", EXPECTED)?;
        Ok((!items.is_empty()).then_some(Tools(tools)))
    }
}
