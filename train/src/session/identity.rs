//! What has to be the same for a run to go on.

use std::collections::BTreeMap;

use hearth_data::Tokenizer;
use toml::{Table, Value};

use crate::TrainConfig;

/// What tells the data of one run from another's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// Hash of the tokenizer, in hex.
    pub tokenizer: String,
    /// Hash of the tokens, training and validation, in hex.
    pub data: String,
}

impl Identity {
    /// That of tokens with this hash, which `tokenizer` made.
    pub fn new(tokenizer: &Tokenizer, data: [u8; 32]) -> Self {
        let hex = |hash| blake3::Hash::from(hash).to_hex().to_string();
        Self { tokenizer: hex(tokenizer.hash()), data: hex(data) }
    }
}

/// Every field that has another value, with both.
pub fn differences(before: &TrainConfig, now: &TrainConfig) -> BTreeMap<String, [String; 2]> {
    let [before, now] = [before, now].map(fields);
    let names = before.keys().chain(now.keys());
    let values = |name: &String| [&before, &now].map(|fields| fields.get(name).cloned().unwrap_or("nothing".into()));
    names.map(|name| (name.clone(), values(name))).filter(|(_, [before, now])| before != now).collect()
}

/// Every field that is set, by its dotted name, with its value as TOML.
pub fn fields(config: &TrainConfig) -> BTreeMap<String, String> {
    let mut fields = BTreeMap::new();
    flatten("", &config.to_toml().parse::<Table>().expect("just written"), &mut fields);
    fields
}

fn flatten(prefix: &str, table: &Table, fields: &mut BTreeMap<String, String>) {
    for (name, value) in table {
        match value {
            Value::Table(inner) => flatten(&format!("{prefix}{name}."), inner, fields),
            value => drop(fields.insert(format!("{prefix}{name}"), value.to_string())),
        }
    }
}
