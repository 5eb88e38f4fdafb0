//! Every section and field of a configuration file, in order: what files that the program writes and `docs/config.md` say.

use serde_json::Value;

use super::{
    order,
    schema::{alternatives, choices, schema},
};

/// A section of a configuration file, as `[optimizer]`; the fields above the first section have one without a name.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Section {
    /// Its name, as between the brackets.
    pub name: &'static str,
    /// What it is about.
    pub description: String,
    /// Its fields, in the order in which a file has them.
    pub fields: Vec<Field>,
}

/// A field of a configuration file.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Field {
    /// Its name, as before the `=`.
    pub name: &'static str,
    /// What its values are, in words.
    pub kind: String,
    /// What it has where a file does not say it, as TOML; `None` where that is nothing.
    pub default: Option<String>,
    /// What it is.
    pub description: String,
    /// Texts that it can have, each with what it means, where it can have only some.
    pub choices: Vec<(String, String)>,
}

/// Every section and field of a configuration file.
pub fn sections() -> Vec<Section> {
    let order = order::fields();
    let root = &schema()["properties"];
    let is_section = |name: &&'static str| order.contains_key(*name);
    let (names, alone): (Vec<_>, Vec<_>) = order[""].iter().copied().partition(is_section);
    let fields =
        |of: &Value, names: &[&'static str]| names.iter().map(|name| Field::of(name, &of[name])).collect::<Vec<_>>();
    let mut sections = vec![Section { name: "", description: String::new(), fields: fields(root, &alone) }];
    for name in names {
        let section = alternatives(&root[name]).into_iter().find(|it| it["type"] == "object");
        let properties = &section.expect("a section has fields")["properties"];
        let own: Vec<&'static str> = match name {
            // A file's alone.
            "model" => ["preset", "from"].iter().chain(order[name]).copied().collect(),
            _ => order[name].to_vec(),
        };
        sections.push(Section { name, description: text(&root[name]), fields: fields(properties, &own) });
    }
    sections
}

impl Field {
    fn of(name: &'static str, schema: &Value) -> Self {
        let meant = |it: &Value| it["const"].as_str().map(|value| (value.to_string(), text(it)));
        let mut told: Vec<_> = alternatives(schema).into_iter().filter_map(meant).collect();
        let plain = choices(schema).into_iter().filter(|it| !told.iter().any(|(value, _)| value == it));
        let plain: Vec<_> = plain.map(|value| (value.to_string(), String::new())).collect();
        told.extend(plain);
        let default = schema.get("default").filter(|it| !it.is_null()).map(in_toml);
        Self { name, kind: kinds(schema), default, description: text(schema), choices: told }
    }
}

fn text(schema: &Value) -> String {
    schema["description"].as_str().unwrap_or_default().into()
}

/// A default as a file would say it.
fn in_toml(value: &Value) -> String {
    toml::Value::try_from(value).map_or_else(|_| value.to_string(), |value| value.to_string())
}

/// What values a schema is for, as in `a whole number`.
pub(super) fn kinds(schema: &Value) -> String {
    let texts: Vec<String> = choices(schema).into_iter().map(|it| format!("\"{it}\"")).collect();
    let mut found: Vec<String> = if texts.is_empty() { Vec::new() } else { vec![or(&texts)] };
    for schema in alternatives(schema) {
        let kind = if of_kind(schema, "integer") {
            "a whole number"
        } else if of_kind(schema, "number") {
            "a number"
        } else if of_kind(schema, "boolean") {
            "true or false"
        } else if of_kind(schema, "array") {
            "a list"
        } else if of_kind(schema, "object") {
            "a section"
        } else if texts.is_empty() {
            "a text in quotes"
        } else {
            continue;
        };
        found.push(match (kind, &schema["items"]) {
            ("a list", items) if of_kind(items, "object") => "a list of tables in { }".into(),
            ("a list", items) => format!("a list, each {}", kinds(items)),
            ("a section", _) => variant(schema).unwrap_or_else(|| kind.into()),
            _ => kind.into(),
        });
    }
    or(&found)
}

/// A table whose `kind` says which other fields it has.
fn variant(schema: &Value) -> Option<String> {
    let fields = schema["properties"].as_object()?;
    let kind = fields.get("kind")?["const"].as_str()?;
    let others: Vec<String> = fields.keys().filter(|name| *name != "kind").map(|name| format!(", {name}")).collect();
    Some(format!("{{ kind = \"{kind}\"{} }}", others.concat()))
}

/// Whether values of this JSON type are among those that a schema, one of its alternatives, is for.
pub(super) fn of_kind(schema: &Value, kind: &str) -> bool {
    match &schema["type"] {
        Value::Array(several) => several.iter().any(|it| it == kind),
        one => one == kind,
    }
}

/// As in `a, b or c`.
pub(super) fn or(several: &[String]) -> String {
    match several {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}
