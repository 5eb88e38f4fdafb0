//! What is wrong at one place of a row.

use minijinja::value::{Value, ValueKind};
use serde::Serialize;

use super::ChatError;

/// A fault of a row whose number is not known yet.
#[derive(Debug)]
pub(super) struct Fault {
    field: String,
    found: String,
    expected: &'static str,
}

impl Fault {
    pub(super) fn new(field: impl Into<String>, found: impl Into<String>, expected: &'static str) -> Self {
        Self { field: field.into(), found: found.into(), expected }
    }

    /// The fault of a field whose value is of another kind.
    pub(super) fn of(value: &Value, field: impl Into<String>, expected: &'static str) -> Self {
        Self::new(field, name_of(value), expected)
    }

    pub(super) fn in_row(self, row: u64) -> ChatError {
        ChatError::Row { row, field: self.field, found: self.found, expected: self.expected }
    }
}

/// What kind of JSON a value is.
pub(super) fn name_of(value: &Value) -> &'static str {
    match value.kind() {
        ValueKind::Undefined => "missing",
        ValueKind::None => "null",
        ValueKind::Bool => "a boolean",
        ValueKind::Number => "a number",
        ValueKind::String => "a string",
        ValueKind::Map => "an object",
        _ => "a list",
    }
}

/// A value of JSON as templates see it; fields of objects keep their order.
pub(super) fn json_value(name: &str, value: impl Serialize) -> Result<Value, ChatError> {
    let json = serde_json::to_string(&value).and_then(|json| serde_json::from_str(&json));
    json.map_err(|error| ChatError::Variable { name: name.to_owned(), reason: error.to_string() })
}
