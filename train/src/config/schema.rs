//! The JSON Schema of a configuration file, made from the types that it is read into.

use std::sync::LazyLock;

use hearth_model::PRESETS;
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use super::TrainConfig;

/// The JSON Schema (draft 7) of a configuration file: fields, their kinds, choices and defaults, and what each is, which is the
/// text of its doc comment. Editors complete and check a file by it (`#:schema PATH` in its first line), the program tells
/// mistakes by it, and `docs/config.md` is its text.
pub fn schema() -> &'static Value {
    static SCHEMA: LazyLock<Value> = LazyLock::new(make);
    &SCHEMA
}

fn make() -> Value {
    let settings = SchemaSettings::draft07().with(|settings| settings.inline_subschemas = true);
    let mut schema = settings.into_generator().into_root_schema_for::<TrainConfig>().to_value();
    schema["title"] = "Hearth: a training run".into();
    schema["description"] = "A configuration of `hearth train`. Every field but the data has a default.".into();
    // Of a file alone, and expanded before it is read into the types.
    schema["properties"]["model"]["properties"]["preset"] = json!({
        "type": "string",
        "enum": PRESETS,
        "description": "A published shape by its name, which says every field of the model but `vocab_size`; fields beside it \
                        win. Default: none.",
    });
    schema["properties"]["model"]["properties"]["from"] = json!({
        "type": "string",
        "description": "A model whose weights the run begins with: a folder of Hugging Face's, a .gguf file, the folder of a run, or one of PEFT's. It \
                        says every field of the model; beside it stand only fields that ask for no weights, as context_length, dropout \
                        and adapter. A text is then tokenized as it does, unless data.tokenizer says otherwise. Default: none.",
    });
    let memory = schema["properties"]["memory"].take();
    let short = json!({ "type": "string", "enum": choices(&memory["properties"]["policy"]) });
    schema["properties"]["memory"] =
        json!({ "description": memory["description"], "default": memory["default"], "anyOf": [memory, short] });
    tidy(&mut schema);
    schema
}

/// The alternatives of a schema, without that for a value that is left out.
pub(super) fn alternatives(schema: &Value) -> Vec<&Value> {
    match schema.get("anyOf").or_else(|| schema.get("oneOf")).and_then(Value::as_array) {
        Some(several) => several.iter().filter(|it| it["type"] != "null").flat_map(alternatives).collect(),
        None => vec![schema],
    }
}

/// Texts that a schema allows, where it allows only some.
pub(super) fn choices(schema: &Value) -> Vec<&str> {
    fn of_one(schema: &Value) -> impl Iterator<Item = &str> {
        let several = schema.get("enum").and_then(Value::as_array).into_iter().flatten();
        schema.get("const").into_iter().chain(several).filter_map(Value::as_str)
    }
    alternatives(schema).into_iter().flat_map(of_one).collect()
}

/// Makes doc comments plain text: their links are for readers of the sources.
fn tidy(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(text) if name == "description" => {
                        *text = text.replace("[`", "`").replace("`]", "`").replace('\n', " ");
                    }
                    value => tidy(value),
                }
            }
        }
        Value::Array(several) => several.iter_mut().for_each(tidy),
        _ => {}
    }
}
