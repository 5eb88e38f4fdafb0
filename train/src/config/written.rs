//! A configuration as a file for people: fields with their comments.

use std::fmt::Write;

use toml::{Table, Value};

use super::{
    TrainConfig,
    reference::{Field, Section, sections},
};

/// Columns of a comment.
const WIDTH: usize = 110;

impl TrainConfig {
    /// The configuration as TOML with a comment for each field; of the fields in `short` alone (as `optimizer.learning_rate`),
    /// where that is given. Fields that have no value stand in comments, and so do those that `preset` says, where one is named.
    pub fn to_commented_toml(&self, preset: Option<&str>, short: Option<&[&str]>) -> String {
        let mut table = Table::try_from(self).expect("a configuration is a table of plain values");
        let mut said = Table::new();
        if let (Some(preset), Some(Value::Table(model))) = (preset, table.get_mut("model")) {
            said = hearth_model::preset(preset).ok().and_then(|it| Table::try_from(it).ok()).unwrap_or_default();
            said.retain(|name, value| name != "vocab_size" && model.get(name) == Some(value));
            model.insert("preset".into(), preset.into());
        }
        let mut text = String::new();
        for section in sections() {
            let (values, said) = match section.name {
                "" => (Some(&table), None),
                name => (table.get(name).and_then(Value::as_table), (name == "model").then_some(&said)),
            };
            let path = |field: &Field| format!("{}.{}", section.name, field.name).trim_start_matches('.').to_string();
            let chosen = |field: &&Field| short.is_none_or(|short| short.contains(&path(field).as_str()));
            let fields: Vec<&Field> = section.fields.iter().filter(chosen).collect();
            if let (Some(values), false) = (values, fields.is_empty()) {
                begin_section(&section, &mut text);
                fields.iter().for_each(|field| write_field(field, values, said, &mut text));
            }
        }
        text
    }
}

fn begin_section(section: &Section, text: &mut String) {
    if !section.name.is_empty() {
        let _ = writeln!(text);
        comment(&section.description, text);
        let _ = writeln!(text, "[{}]", section.name);
    }
}

/// A field with its comment; within one, where it has no value, or one that `said` says.
fn write_field(field: &Field, values: &Table, said: Option<&Table>, text: &mut String) {
    comment(&field.description, text);
    for (choice, meaning) in field.choices.iter().filter(|(_, meaning)| !meaning.is_empty()) {
        comment(&format!("\"{choice}\": {meaning}"), text);
    }
    let is_said = said.is_some_and(|said| said.contains_key(field.name));
    let _ = match values.get(field.name) {
        Some(value) if is_said => writeln!(text, "# {} = {value}", field.name),
        Some(value) => writeln!(text, "{} = {value}", field.name),
        None => writeln!(text, "# {} =", field.name),
    };
}

/// `said` in lines of comments.
fn comment(said: &str, text: &mut String) {
    let mut line = String::from("#");
    for word in said.split_whitespace() {
        if line.len() + word.len() >= WIDTH {
            let _ = writeln!(text, "{line}");
            line = "#".into();
        }
        line.push(' ');
        line.push_str(word);
    }
    if line.len() > 1 {
        let _ = writeln!(text, "{line}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_is_written_with_its_default_and_its_comment() {
        let text = TrainConfig::default().to_commented_toml(None, None);
        assert_eq!(TrainConfig::parse(&text, "written", &[]).unwrap(), TrainConfig::default());
        let lines: Vec<&str> = text.lines().collect();
        let mut count = 0;
        for section in sections() {
            let start = if section.name.is_empty() {
                0
            } else {
                lines.iter().position(|it| *it == format!("[{}]", section.name)).unwrap()
            };
            for field in section.fields {
                let names = |line: &&str| {
                    line.trim_start_matches("# ").split(" =").next() == Some(field.name) && line.contains(" =")
                };
                let at = start + lines[start..].iter().position(names).unwrap_or_else(|| panic!("{}", field.name));
                assert!(lines[at - 1].starts_with("# "), "{}: {}", field.name, lines[at - 1]);
                count += 1;
            }
        }
        assert!(count > 70, "{count}");
    }

    #[test]
    fn a_preset_is_written_in_place_of_its_fields() {
        let mut config = TrainConfig::new(hearth_model::preset("gpt2").unwrap());
        (config.model.vocab_size, config.model.dropout) = (0, 0.1);
        let text = config.to_commented_toml(Some("gpt2"), Some(&["model.preset", "model.dropout", "limits.steps"]));
        assert_eq!(TrainConfig::parse(&text, "written", &[]).unwrap(), config);
        let plain: Vec<&str> = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect();
        assert_eq!(plain, ["[model]", "preset = \"gpt2\"", "dropout = 0.1", "[limits]", "steps = 1000"]);
    }
}
