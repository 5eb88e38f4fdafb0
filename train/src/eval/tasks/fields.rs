//! Fields of rows.

use serde_json::{Map, Value};

/// What a row asks: its context, its choices, and which is right.
pub(super) type Parts = (String, Vec<String>, usize);

/// A field that is a string.
pub(super) fn text<'a>(row: &'a Map<String, Value>, name: &str) -> Result<&'a str, String> {
    match row.get(name) {
        Some(Value::String(text)) => Ok(text),
        None => Err(format!("field {name} is missing: add it, or leave the row out")),
        Some(other) => Err(format!("field {name} = {}: must be a string", brief(other))),
    }
}

/// A field that is a list of strings.
pub(super) fn texts(value: Option<&Value>, name: &str) -> Result<Vec<String>, String> {
    let list = value.and_then(Value::as_array).ok_or_else(|| format!("field {name} must be a list of strings"))?;
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let texts: Option<Vec<String>> = list.iter().map(text).collect();
    texts.ok_or_else(|| format!("field {name} must be a list of strings alone"))
}

/// The number of the right choice, which stands as a number or as a string.
pub(super) fn label(row: &Map<String, Value>, choices: usize) -> Result<usize, String> {
    let range = format!("must be from 0 to {}, for there are {choices} choices", choices.saturating_sub(1));
    let value = row.get("label").ok_or("field label is missing: rows without an answer cannot be scored")?;
    let number = match value {
        Value::String(text) => text.parse().ok(),
        other => other.as_u64(),
    };
    match number.and_then(|number: u64| usize::try_from(number).ok()).filter(|number| *number < choices) {
        Some(number) => Ok(number),
        None => Err(format!("field label = {}: {range}", brief(value))),
    }
}

/// A value that is shown in an error.
pub(super) fn brief(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(60) {
        Some((at, _)) => format!("{}..", &text[..at]),
        None => text,
    }
}
