//! From a TOML file to a configuration: presets expanded, `--set` applied, every fault named.

use std::path::Path;

use hearth_model::ModelError;
use toml::{Table, Value};

use super::TrainConfig;
use crate::TrainError;

impl TrainConfig {
    /// Reads a TOML file and then applies `settings`, each `section.field=value` as given to `--set`.
    ///
    /// Relative paths in the file's `[data]` are relative to the file, those in a setting to the working directory. A file that
    /// names no data is one of a run that is given its text or tokens.
    ///
    /// # Errors
    /// [`TrainError::Config`] names the file, the field and what is wrong with it.
    pub fn read(path: &Path, settings: &[String]) -> Result<Self, TrainError> {
        let text = std::fs::read_to_string(path).map_err(|cause| TrainError::Io {
            action: "reading the configuration",
            path: path.into(),
            cause,
        })?;
        let folder = path.parent().unwrap_or(Path::new(""));
        in_utf8(folder)?;
        let mut config = Self::build(&text, &path.display().to_string(), Some(folder), settings)?;
        for path in config.data.paths_mut() {
            *path = std::path::absolute(&*path).unwrap_or_else(|_| path.clone());
            in_utf8(path)?;
        }
        Ok(config)
    }

    /// As [`TrainConfig::read`], from a text; `source` names it in errors, and paths stay as they are.
    ///
    /// # Errors
    /// As [`TrainConfig::read`].
    pub fn parse(text: &str, source: &str, settings: &[String]) -> Result<Self, TrainError> {
        Self::build(text, source, None, settings)
    }

    fn build(text: &str, source: &str, folder: Option<&Path>, settings: &[String]) -> Result<Self, TrainError> {
        let fail = |reason: String| TrainError::Config { source_name: source.into(), reason };
        // As editors on Windows put before it.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut table: Table = text.parse().map_err(|error: toml::de::Error| {
            let line = error.span().map_or(1, |span| text[..span.start.min(text.len())].lines().count().max(1));
            fail(format!("line {line}: {}", error.message().trim()))
        })?;
        if let (Some(folder), Some(Value::Table(data))) = (folder, table.get_mut("data")) {
            resolve(data, folder);
        }
        expand_memory(&mut table);
        for setting in settings {
            set(&mut table, setting)?;
            replace_source(&mut table, setting);
            expand_memory(&mut table);
        }
        expand_preset(&mut table).map_err(|error| fail(format!("model.preset: {error}")))?;
        let config: Self = serde_path_to_error::deserialize(Value::Table(table)).map_err(|error| {
            let path = error.path().to_string();
            let message = error.inner().message().trim().replace('\n', " ");
            fail(if path == "." { message } else { format!("{path}: {message}") })
        })?;
        config.check(source)?;
        Ok(config)
    }
}

/// # Errors
/// A path that no TOML file can hold, as the run's own `config.toml` has to.
fn in_utf8(path: &Path) -> Result<(), TrainError> {
    match path.to_str() {
        Some(_) => Ok(()),
        None => Err(TrainError::Config {
            source_name: path.display().to_string(),
            reason: "this name is not UTF-8, and config.toml cannot hold it: rename the folder, or link to it by another name"
                .into(),
        }),
    }
}

/// Makes the paths in `[data]` relative to the folder of the file.
fn resolve(data: &mut Table, folder: &Path) {
    let join = |path: &mut String| *path = folder.join(path.as_str()).display().to_string();
    for field in ["text", "tokens", "tokenizer"] {
        match data.get_mut(field) {
            Some(Value::String(kind)) if field == "tokenizer" && ["char", "byte"].contains(&kind.as_str()) => {}
            Some(Value::String(path)) => join(path),
            _ => {}
        }
    }
    for part in data.get_mut("mixture").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(Value::String(path)) = part.get_mut("tokens") {
            join(path);
        }
    }
}

/// Fields that hold a text, whatever it looks like.
const TEXTS: [&str; 5] = ["data.text", "data.tokens", "data.tokenizer", "model.preset", "sample.prompt"];

/// Puts the value of `section.field=value` into the table.
fn set(table: &mut Table, setting: &str) -> Result<(), TrainError> {
    let fail = |reason: &str| TrainError::Config { source_name: format!("--set {setting}"), reason: reason.into() };
    let (path, value) = setting.split_once('=').ok_or_else(|| fail("must read section.field=value"))?;
    // `value = 3` is TOML; a bare word is not, and is meant as a string, and so are the digits of a file's name.
    let parsed = format!("value = {value}").parse::<Table>().ok().and_then(|mut table| table.remove("value"));
    let parsed = parsed.filter(|parsed| parsed.is_str() || !TEXTS.contains(&path.trim()));
    let value = parsed.unwrap_or_else(|| Value::String(value.trim().into()));
    let mut fields: Vec<&str> = path.trim().split('.').collect();
    let last = fields.pop().filter(|name| !name.is_empty()).ok_or_else(|| fail("names no field"))?;
    let mut inner = table;
    for field in fields {
        inner = inner
            .entry(field)
            .or_insert_with(|| Value::Table(Table::new()))
            .as_table_mut()
            .ok_or_else(|| fail("names a field of something that is not a section"))?;
    }
    inner.insert(last.into(), value);
    Ok(())
}

/// Where the setting says what the data is, it says all of it.
fn replace_source(table: &mut Table, setting: &str) {
    const SOURCES: [&str; 3] = ["text", "tokens", "mixture"];
    let field = setting.split('=').next().unwrap_or_default().trim();
    if let (Some(source), Some(Value::Table(data))) = (field.strip_prefix("data."), table.get_mut("data"))
        && SOURCES.contains(&source)
    {
        data.retain(|name, _| name == source || !SOURCES.contains(&name));
    }
}

/// Replaces `memory = "NAME"` by `memory.policy = "NAME"`.
fn expand_memory(table: &mut Table) {
    if let Some(memory @ Value::String(_)) = table.get_mut("memory") {
        let policy = std::mem::replace(memory, Value::Table(Table::new()));
        memory.as_table_mut().expect("just made").insert("policy".into(), policy);
    }
}

/// Replaces `model.preset` by the fields that it stands for; fields written beside it win.
fn expand_preset(table: &mut Table) -> Result<(), ModelError> {
    let Some(Value::Table(model)) = table.get_mut("model") else { return Ok(()) };
    let Some(Value::String(name)) = model.remove("preset") else { return Ok(()) };
    let mut preset = Table::try_from(hearth_model::preset(&name)?).expect("a preset is a table of plain values");
    // The tokenizer decides the vocabulary, unless the file does.
    preset.remove("vocab_size");
    preset.extend(std::mem::take(model));
    *model = preset;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINIMAL: &str = "[data]\ntext = \"a.txt\"\n[model]\npreset = \"shakespeare-cpu\"\n[limits]\nsteps = 10\n";

    fn error(text: &str, settings: &[&str]) -> String {
        let settings: Vec<String> = settings.iter().map(ToString::to_string).collect();
        TrainConfig::parse(text, "run.toml", &settings).unwrap_err().to_string()
    }

    #[test]
    fn a_preset_and_what_differs() {
        let settings = ["model.layers=2".to_string(), "optimizer.learning_rate = 3e-4".into(), "seed=7".into()];
        let config = TrainConfig::parse(MINIMAL, "run.toml", &settings).unwrap();
        assert_eq!((config.model.layers, config.model.width, config.model.vocab_size), (2, 128, 0));
        assert_eq!((config.optimizer.learning_rate, config.seed), (3e-4, 7));
        assert_eq!(TrainConfig::parse(&config.to_toml(), "effective", &[]).unwrap(), config);
    }

    #[test]
    fn a_mark_of_byte_order_and_names_of_digits() {
        let config = TrainConfig::parse(&format!("\u{feff}{MINIMAL}"), "run.toml", &[]).unwrap();
        assert_eq!(config, TrainConfig::parse(MINIMAL, "run.toml", &[]).unwrap());
        for name in ["2024", "1e5", "true", "1979-05-27", "\"2024\""] {
            let settings = [format!("data.text={name}"), format!("sample.prompt={name}")];
            let config = TrainConfig::parse(MINIMAL, "run.toml", &settings).unwrap();
            let expected = name.trim_matches('"');
            assert_eq!(config.data.text.as_deref(), Some(Path::new(expected)));
            assert_eq!(config.sample.prompt.as_deref(), Some(expected));
        }
    }

    /// F9: the caller of a run gives text or tokens; the program, which has neither, refuses such a configuration.
    #[test]
    fn data_may_be_left_to_the_caller() {
        let text = "[model]\npreset = \"shakespeare-cpu\"\n[limits]\nsteps = 10\n";
        let config = TrainConfig::parse(text, "run.toml", &[]).unwrap();
        let refused = config.data.require_source("run.toml").unwrap_err().to_string();
        assert!(refused.starts_with("run.toml: data: give data.text, a text file, or data.tokens"), "{refused}");
        let mut built = TrainConfig::new(hearth_model::preset("shakespeare-cpu").unwrap());
        built.model.vocab_size = 0;
        built.limits.steps = 10;
        assert_eq!((built.validate().is_ok(), &built), (true, &config));
        let named = TrainConfig::parse(MINIMAL, "run.toml", &[]).unwrap();
        named.data.require_source("run.toml").unwrap();
        let both = error(MINIMAL, &["data.tokens=a", "data={text = \"a\", tokens = \"b\"}"]);
        assert!(both.contains("data: give only one of data.text, data.tokens and data.mixture"), "{both}");
    }

    #[test]
    fn limits_by_steps_and_tokens() {
        let total = |settings: &[&str]| {
            let settings: Vec<String> = settings.iter().map(ToString::to_string).collect();
            TrainConfig::parse(MINIMAL, "run.toml", &settings).unwrap().total_steps()
        };
        assert_eq!(total(&[]), 10);
        // 8 sequences of 64 tokens are 512 a step.
        assert_eq!(total(&["limits.tokens=1025"]), 3);
        assert_eq!(total(&["limits.tokens=1025", "limits.steps=0"]), 3);
        assert_eq!(total(&["limits.tokens=1000000"]), 10);
    }

    #[test]
    fn each_fault_is_one_sentence_that_names_the_field() {
        let unknown = error(&format!("{MINIMAL}stepz = 3\n"), &[]);
        assert!(unknown.starts_with("run.toml: limits.stepz: unknown field `stepz`"), "{unknown}");
        let kind = error(MINIMAL, &["batch.micro_batch=many"]);
        assert!(kind.starts_with("run.toml: batch.micro_batch: invalid type"), "{kind}");
        let heads = error(MINIMAL, &["model.heads=5"]);
        assert!(heads.starts_with("run.toml: model.heads = 5: must divide width = 128"), "{heads}");
        let syntax = error("[data]\ntext = \n", &[]);
        assert!(syntax.starts_with("run.toml: line 2: "), "{syntax}");
        let preset = error(MINIMAL, &["model.preset=gpt5"]);
        assert!(
            preset.starts_with("run.toml: model.preset: unknown preset \"gpt5\"; the presets are shakespeare-cpu"),
            "{preset}"
        );
        let missing = error(MINIMAL, &["memory=keep", "memory.segments=[{segment = \"blocks.4\"}]"]);
        assert!(
            missing.contains("memory.segments: \"blocks.4\" is not there: this model has blocks.0 to"),
            "{missing}"
        );
        let policy = error(MINIMAL, &["memory=sparse"]);
        assert!(policy.starts_with("run.toml: memory.policy: unknown variant `sparse`"), "{policy}");
        let endless = error(MINIMAL, &["limits.steps=0"]);
        assert!(endless.contains("set limits.steps or limits.tokens"), "{endless}");
        assert_eq!(error(MINIMAL, &["seed"]), "--set seed: must read section.field=value");
        for message in [unknown, kind, heads, syntax, preset, missing, policy, endless] {
            assert!(!message.contains('\n'), "{message}");
        }
    }
}
