//! What a file says that no configuration can: every mistake, in the words of whoever wrote it.

use serde_json::Value as Schema;
use toml::{Table, Value};

use super::{
    reference::{kinds, of_kind},
    schema::{alternatives, choices, schema},
    suggest,
};

/// Takes out of `table` what a configuration cannot have, and tells each: names that no field has, and values of another kind.
pub(super) fn take(table: &mut Table) -> Vec<String> {
    let mut mistakes = Vec::new();
    fields(table, schema(), "", &mut mistakes);
    mistakes
}

/// Checks a value, and what is in it; whether it can stay.
fn value(value: &mut Value, schema: &Schema, path: &str, mistakes: &mut Vec<String>) -> bool {
    let several = alternatives(schema);
    let of = |kind: &str| several.iter().copied().find(|it| of_kind(it, kind));
    let choices = choices(schema);
    let fits = match value {
        Value::Table(table) => match of("object") {
            Some(section) => return fields(table, section, path, mistakes),
            None => false,
        },
        Value::Array(items) => match of("array") {
            Some(list) => {
                let mut at = 0;
                items.retain_mut(|item| {
                    at += 1;
                    self::value(item, &list["items"], &format!("{path}[{}]", at - 1), mistakes)
                });
                return true;
            }
            None => false,
        },
        Value::String(text) => match choices.is_empty() {
            true => of("string").is_some(),
            false => choices.contains(&text.as_str()),
        },
        Value::Integer(number) => of("number").is_some() || of("integer").is_some_and(|it| *number >= least(it)),
        Value::Float(_) => of("number").is_some(),
        Value::Boolean(_) => of("boolean").is_some(),
        Value::Datetime(_) => false,
    };
    if !fits {
        mistakes.push(format!("{path}{}: must be {}{}", shown(value), kinds(schema), hint(value, schema)));
    }
    fits
}

/// Checks a table; whether it has all that it needs.
fn fields(table: &mut Table, schema: &Schema, path: &str, mistakes: &mut Vec<String>) -> bool {
    table.retain(|name, inner| {
        let of_inner = if path.is_empty() { name.to_string() } else { format!("{path}.{name}") };
        match schema["properties"].get(name) {
            Some(schema) => value(inner, schema, &of_inner, mistakes),
            None => {
                unknown(name, inner, path, schema, mistakes);
                false
            }
        }
    });
    let needed = schema["required"].as_array().into_iter().flatten().filter_map(Schema::as_str);
    let missing: Vec<_> = needed.filter(|name| !table.contains_key(*name)).collect();
    // What was there and was taken out has been told.
    for name in &missing {
        if !mistakes.iter().any(|it| it.starts_with(&format!("{path}.{name}"))) {
            mistakes.push(format!("{path}: {name} is missing, {}", kinds(&schema["properties"][name])));
        }
    }
    missing.is_empty()
}

/// Tells of a name that no field has.
fn unknown(name: &str, inner: &Value, path: &str, own: &Schema, mistakes: &mut Vec<String>) {
    let whole = schema();
    let place = if path.is_empty() { String::new() } else { format!("{path}.") };
    let near = match path.contains(['.', '[']) {
        true => suggest::closest(name, suggest::names(own)).map(String::from),
        false => suggest::field(path, name, whole),
    };
    // The fields of a section that is not there: each may have a place of its own.
    if let (true, Value::Table(inner)) = (path.is_empty(), inner) {
        let meant = |field: &String| suggest::field(name, field, whole).map(|it| format!("{field} is {it}"));
        let meant: Vec<String> = inner.keys().filter_map(meant).collect();
        let sections: Vec<String> = suggest::names(whole).map(String::from).collect();
        let advice = match (suggest::closest(name, suggest::names(whole)), meant.as_slice()) {
            (Some(near), _) => format!("did you mean [{near}]?"),
            (None, []) => format!("there are {}", sections.join(", ")),
            (None, meant) => meant.join(", "),
        };
        return mistakes.push(format!("{name}: there is no such section; {advice}"));
    }
    let advice = near.map_or_else(
        || format!("there are {}", suggest::names(own).collect::<Vec<_>>().join(", ")),
        |near| format!("did you mean {near}?"),
    );
    mistakes.push(format!("{place}{name}: there is no such field; {advice}"));
}

fn least(schema: &Schema) -> i64 {
    schema["minimum"].as_f64().map_or(i64::MIN, |least| least as i64)
}

/// As in ` = "many"`; a long value is cut, one of several lines is one.
fn shown(value: &Value) -> String {
    if let Value::Table(_) = value {
        return String::new();
    }
    let text: String = value.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
    match text.char_indices().nth(40) {
        Some((cut, _)) => format!(" = {}...", &text[..cut]),
        None => format!(" = {text}"),
    }
}

/// What would do in place of the value, where that can be told.
fn hint(value: &Value, schema: &Schema) -> String {
    let several = alternatives(schema);
    let of = |kind: &str| several.iter().any(|it| of_kind(it, kind));
    let choices = choices(schema);
    match value {
        Value::Float(number) if of("integer") && number.fract() == 0.0 && (0.0..1e15).contains(number) => {
            format!(", as {number}")
        }
        Value::Integer(number) if of("integer") && *number < 0 => ", 0 or more".into(),
        Value::String(text)
            if of("integer") && text.trim().parse::<i64>().is_ok()
                || of("number") && text.trim().parse::<f64>().is_ok()
                || of("boolean") && text.trim().parse::<bool>().is_ok() =>
        {
            format!(", without quotes: {}", text.trim())
        }
        Value::String(text) if !choices.is_empty() => suggest::closest(text, choices.iter().copied())
            .map_or(String::new(), |near| format!("; did you mean \"{near}\"?")),
        Value::Integer(_) | Value::Float(_) | Value::Datetime(_) if of("string") && choices.is_empty() => {
            format!(": \"{value}\"")
        }
        _ => String::new(),
    }
}

/// Several mistakes as one text: a line each, where there are more than one.
pub(super) fn told(mut mistakes: Vec<String>) -> String {
    mistakes.dedup();
    let lines: Vec<String> = mistakes.iter().map(|it| it.replace(['\n', '\r'], " ")).collect();
    match lines.as_slice() {
        [one] => one.clone(),
        several => format!("{} mistakes\n  {}", several.len(), several.join("\n  ")),
    }
}
