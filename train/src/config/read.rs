//! From a TOML file to a configuration: presets expanded, `--set` applied, every fault named.

use std::{fs::File, io::Read, path::Path};

use hearth_data::{DataError, decode_text};
use hearth_model::{PRESETS, preset};
use toml::{Table, Value};

use super::{
    TrainConfig, from,
    mistakes::{self, told},
    suggest, syntax,
};
use crate::TrainError;

impl TrainConfig {
    /// Reads a TOML file and then applies `settings`, each `section.field=value` as given to `--set`.
    ///
    /// Relative paths in the file's `[data]` are relative to the file, those in a setting to the working directory. A file that
    /// names no data is one of a run that is given its text or tokens.
    ///
    /// # Errors
    /// [`TrainError::Config`] names the file and all that is wrong with it: each field and what would do.
    pub fn read(path: &Path, settings: &[String]) -> Result<Self, TrainError> {
        let text = file_text(path)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        in_utf8(folder)?;
        let mut config = Self::build(&text, &path.display().to_string(), Some(folder), settings)?;
        for path in config.data.paths_mut().chain(&mut config.from) {
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
        let fail = |mistakes| TrainError::Config { source_name: source.into(), reason: told(mistakes) };
        // As editors on Windows put before it.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut table = syntax::parse(text).map_err(fail)?;
        if let Some(folder) = folder {
            resolve(&mut table, folder);
        }
        expand_memory(&mut table);
        let sets = |field: &str| settings.iter().any(|setting| field_of(setting) == field);
        if sets("model.preset") {
            forget_model(&mut table);
        }
        if let (true, Some(Value::Table(model))) = (sets("model.from"), table.get_mut("model")) {
            model.remove("preset");
        }
        let of_preset = |setting: &&String| field_of(setting) == "model.preset";
        // What is set beside a preset wins, in whichever order they are given.
        let (presets, others): (Vec<&String>, Vec<&String>) = settings.iter().partition(of_preset);
        for setting in presets.into_iter().chain(others) {
            set(&mut table, setting)?;
            replace_source(&mut table, setting);
            expand_memory(&mut table);
        }
        let mut mistakes = Vec::new();
        mistakes.extend(from::expand(&mut table).err());
        mistakes.extend(expand_preset(&mut table).err());
        mistakes.extend(mistakes::take(&mut table));
        let limited = table.get("limits").and_then(Value::as_table).is_some_and(|it| it.contains_key("tokens"));
        if let (true, Some(Value::Table(limits))) = (limited, table.get_mut("limits")) {
            limits.entry("steps").or_insert(Value::Integer(0));
        }
        let config: Self = serde_path_to_error::deserialize(Value::Table(table)).map_err(|error| {
            let (path, message) = (error.path().to_string(), error.inner().message().trim());
            fail(vec![if path == "." { message.into() } else { format!("{path}: {message}") }])
        })?;
        // What is wrong in a section that was not read as it stands may be wrong for that alone.
        let unread: Vec<String> = mistakes.iter().map(|it| section_of(it)).collect();
        mistakes.extend(config.faults().into_iter().filter(|it| !unread.contains(&section_of(it))));
        if mistakes.is_empty() { Ok(config) } else { Err(fail(mistakes)) }
    }
}

/// A longer file is something else.
const MAX_BYTES: u64 = 4 << 20;

/// The text of a configuration's file.
fn file_text(path: &Path) -> Result<String, TrainError> {
    let wrong = |reason: String| TrainError::Config { source_name: path.display().to_string(), reason };
    if path.is_dir() {
        return Err(wrong(match path.join("config.toml").exists() {
            true => format!(
                "is a run's folder: --resume {0} goes on with it, and its configuration is {0}/config.toml",
                path.display()
            ),
            false => "is a folder: name the file in it".into(),
        }));
    }
    let failed = |cause| TrainError::Io { action: "reading the configuration", path: path.into(), cause };
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes)).map_err(failed)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(wrong("has more than 4 MiB: a configuration is some lines of TOML".into()));
    }
    match decode_text(bytes, path) {
        Err(DataError::EmptyFile { .. }) => Ok(String::new()),
        decoded => Ok(decoded?),
    }
}

/// The section that a sentence about a field begins with.
fn section_of(sentence: &str) -> String {
    sentence.split(['.', ' ', ':', '[']).next().unwrap_or_default().into()
}

/// The field that a `section.field=value` sets.
fn field_of(setting: &str) -> &str {
    setting.split('=').next().unwrap_or_default().trim()
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

/// Makes the paths of a file relative to its folder.
fn resolve(table: &mut Table, folder: &Path) {
    let join = |path: &mut String| *path = folder.join(path.as_str()).display().to_string();
    let of_model = table.get_mut("model").and_then(|model| model.get_mut("from"));
    if let Some(Value::String(path)) = of_model {
        join(path);
    }
    if let Some(Value::String(path)) = table.get_mut("from") {
        join(path);
    }
    let Some(Value::Table(data)) = table.get_mut("data") else { return };
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
const TEXTS: [&str; 6] = ["data.text", "data.tokens", "data.tokenizer", "model.preset", "model.from", "sample.prompt"];

/// Puts the value of `section.field=value` into the table.
fn set(table: &mut Table, setting: &str) -> Result<(), TrainError> {
    let fail = |reason: &str| TrainError::Config { source_name: format!("--set {setting}"), reason: reason.into() };
    let (path, value) = setting.split_once('=').ok_or_else(|| fail("must read section.field=value"))?;
    if value.trim().is_empty() && path.trim() != "sample.prompt" {
        return Err(fail("gives no value"));
    }
    if value.trim().parse::<i128>().is_ok_and(|number| i64::try_from(number).is_err()) && !TEXTS.contains(&path.trim())
    {
        return Err(fail("the number is beyond 9223372036854775807, the largest that a configuration can hold"));
    }
    // `value = 3` is TOML; a bare word is not, and is meant as a string, and so are the digits of a file's name.
    let parsed = format!("value = {value}").parse::<Table>().ok().and_then(|mut table| table.remove("value"));
    let parsed = parsed.filter(|parsed| parsed.is_str() || !TEXTS.contains(&path.trim()));
    let value = parsed.unwrap_or_else(|| Value::String(value.trim().into()));
    let mut fields: Vec<&str> = path.trim().split('.').collect();
    if fields.iter().any(|name| name.is_empty()) {
        return Err(fail("must read section.field=value"));
    }
    let last = fields.pop().unwrap_or_default();
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
    if let (Some(source), Some(Value::Table(data))) = (field_of(setting).strip_prefix("data."), table.get_mut("data"))
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

/// Leaves nothing of the file's model, in whose place a preset is set: but for its vocabulary, which goes with the data.
fn forget_model(table: &mut Table) {
    if let Some(Value::Table(model)) = table.get_mut("model") {
        model.retain(|name, _| name == "vocab_size");
    }
}

/// Replaces `model.preset` by the fields that it stands for; fields written beside it win.
///
/// # Errors
/// What is wrong with the name; it is taken out.
fn expand_preset(table: &mut Table) -> Result<(), String> {
    let Some(Value::Table(model)) = table.get_mut("model") else { return Ok(()) };
    let Some(name) = model.remove("preset") else { return Ok(()) };
    let presets = PRESETS.join(", ");
    let Value::String(name) = name else {
        return Err(format!("model.preset = {name}: must be the name of one in quotes: {presets}"));
    };
    let Ok(preset) = preset(&name) else {
        let meant = suggest::closest(&name, PRESETS.iter().copied());
        let meant = meant.map_or(String::new(), |it| format!("did you mean \"{it}\"? "));
        return Err(format!("model.preset = \"{name}\": there is no such preset; {meant}there are {presets}"));
    };
    let mut preset = Table::try_from(preset).expect("a preset is a table of plain values");
    // The tokenizer decides the vocabulary, unless the file does.
    preset.remove("vocab_size");
    preset.extend(std::mem::take(model));
    *model = preset;
    Ok(())
}

#[cfg(test)]
mod tests {
    use hearth_model::TransformerConfig;

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
        let absent = named.data.require_source("run.toml").unwrap_err().to_string();
        assert!(
            absent.starts_with("run.toml: data.text: there is no file at a.txt; a path in a configuration"),
            "{absent}"
        );
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
        // 2, 2, 4, 4, 6, 6 and then 8 sequences.
        let growing = ["batch.micro_batch=2", "batch.accumulation=4", "batch.warmup_steps=6", "limits.steps=0"];
        for (tokens, steps) in [(1, 1), (128, 1), (129, 2), (1536, 6), (1537, 7), (2048, 7), (2049, 8)] {
            assert_eq!(total(&[&growing[..], &[&format!("limits.tokens={tokens}")]].concat()), steps);
        }
    }

    #[test]
    fn each_fault_is_one_sentence_that_names_the_field() {
        for (setting, told) in [
            ("limits.stepz=3", "limits.stepz: there is no such field; did you mean limits.steps?"),
            ("model.presett=gpt2", "model.presett: there is no such field; did you mean model.preset?"),
            ("batch.micro_batch=many", "batch.micro_batch = \"many\": must be a whole number"),
            ("limits.steps=1e3", "limits.steps = 1000.0: must be a whole number, as 1000"),
            ("limits.steps=-1", "limits.steps = -1: must be a whole number, 0 or more"),
            ("limits.steps=\"20\"", "limits.steps = \"20\": must be a whole number, without quotes: 20"),
            ("memory.budget_mib=\"4GB\"", "memory.budget_mib = \"4GB\": must be a whole number"),
            ("model.tied=1", "model.tied = 1: must be true or false"),
            ("model.norm=rmsnorm", "model.norm = \"rmsnorm\": must be \"rms\" or \"layer\""),
            ("memory=sparse", "memory.policy = \"sparse\": must be \"auto\", \"keep\", \"recompute\" or \"offload\""),
            ("kernels=[\"atention\"]", "kernels[0] = \"atention\": must be \"adamw\", \"attention\""),
            ("model.heads=5", "model.heads = 5: must divide width = 128"),
            ("model.layers=100000", "model.layers = 100000: must be 65536 or less"),
            (
                "model.preset=gtp2",
                "model.preset = \"gtp2\": there is no such preset; did you mean \"gpt2\"? there are shakespeare-cpu",
            ),
            ("model=3", "model = 3: must be a section"),
            ("optimizer.rule=adam", "optimizer.rule = \"adam\": must be \"adamw\", \"lion\" or \"muon\""),
            (
                "optimizer.groups=[{rule = \"muon\"}]",
                "optimizer.groups[0].parameters: give a list of names, as [\"embedding.*\"]",
            ),
            (
                "optimizer.groups=[{parameters = [\"embed*\", \"lm_head*\"]}]",
                "optimizer.groups[0].parameters: no parameter is named \"lm_head*\"; names are",
            ),
            ("optimizer.groups=[{parameters = [\"*\"], frozen = true}]", "optimizer.groups: every parameter is frozen"),
            ("optimizer.groups=[{parameters = [\"*\"], lr = 1.0}]", "optimizer.groups[0].lr: there is no such field"),
            (
                "optimizer.groups=[{parameters = [\"*\"], beta1 = 1.5}]",
                "optimizer.groups[0].beta1 = 1.5: must be at least 0 and under 1",
            ),
            (
                "optimizer.groups=[{parameters = [\"*\"], learning_rate = 1.0, learning_rate_factor = 2.0}]",
                "optimizer.groups[0].learning_rate: give it or learning_rate_factor",
            ),
            ("limits.steps=0", "limits.steps = 0: set limits.steps, as to 1000, or limits.tokens"),
            ("data.mixture=[{tokens = \"a\"}]", "data.mixture[0]: weight is missing, a number"),
            ("parallel.blocks=[1.5]", "parallel.blocks[0] = 1.5: must be a whole number"),
        ] {
            let said = error(MINIMAL, &[setting]);
            assert!(said.starts_with(&format!("run.toml: {told}")) && !said.contains('\n'), "{setting}: {said}");
        }
        let misplaced = error(MINIMAL, &["memory=keep", "memory.segments=[{segment = \"blocks.4\"}]"]);
        assert!(misplaced.contains("\"blocks.4\" is not there: this model has blocks.0 to"), "{misplaced}");
        assert_eq!(error(MINIMAL, &["seed"]), "--set seed: must read section.field=value");
    }

    #[test]
    fn what_a_recipe_cannot_have_is_told() {
        for (setting, told) in [
            ("optimizer.average=1", "optimizer.average = 1: must be at least 0 and under 1"),
            ("optimizer.base_width=2000000", "optimizer.base_width = 2000000: must be from 0 to 1048576"),
            ("batch.warmup_from=8", "batch.warmup_from = 8: give batch.warmup_steps, the steps over which it grows"),
        ] {
            let said = error(MINIMAL, &[setting]);
            assert!(said.starts_with(&format!("run.toml: {told}")) && !said.contains('\n'), "{setting}: {said}");
        }
        for from in [3, 10] {
            let said = error(
                MINIMAL,
                &[
                    "batch.warmup_steps=5",
                    "batch.micro_batch=2",
                    "batch.accumulation=4",
                    &format!("batch.warmup_from={from}"),
                ],
            );
            let told =
                format!("batch.warmup_from = {from}: must be a multiple of batch.micro_batch = 2, and 8 at most");
            assert!(said.contains(&told), "{said}");
        }
        for (setting, with) in [
            ("parallel.shard_optimizer=true", "parallel.shard_optimizer = true each device has a part"),
            ("parallel.local_steps=5", "parallel.local_steps each device would average steps of its own"),
            ("parallel.stages=2", "parallel.stages and model.tied = true the last stage has no average"),
        ] {
            let said = error(MINIMAL, &["optimizer.average=0.9", "checkpoint.every=5", "model.tied=true", setting]);
            assert!(said.starts_with(&format!("run.toml: optimizer.average = 0.9: with {with}")), "{said}");
        }
    }

    /// What a user of nanoGPT writes at first: it took six errors, one at a time.
    #[test]
    fn all_mistakes_are_told_in_one_go() {
        let text = "[data]\ntext = \"a.txt\"\n[model]\ncontext = 64\nn_layer = 4\nnorm = \"rmsnorm\"\npositions = \"rotary\"\n\
                    heads = 5\n[train]\nlr = 1e-3\nmax_iters = 500\n[batch]\nmicro_batch = 0\n[optimizer]\nbeta1 = 2.0\n";
        assert_eq!(
            error(text, &[]).lines().collect::<Vec<_>>(),
            [
                "run.toml: 7 mistakes",
                "  model.context: there is no such field; did you mean model.context_length?",
                "  model.n_layer: there is no such field; did you mean model.layers?",
                "  model.norm = \"rmsnorm\": must be \"rms\" or \"layer\"; did you mean \"rms\"?",
                "  model.positions = \"rotary\": must be \"learned\" or \"rope\"",
                "  train: there is no such section; lr is optimizer.learning_rate, max_iters is limits.steps",
                "  batch.micro_batch = 0: must be from 1 to 1048576",
                "  optimizer.beta1 = 2: must be at least 0 and under 1",
            ]
        );
    }

    #[test]
    fn a_preset_that_is_set_wins_over_the_file() {
        let text = "[model]\nlayers = 2\nwidth = 32\nheads = 2\nvocab_size = 70\n";
        let settings = ["model.layers=3".to_string(), "model.preset=gpt2".into()];
        let model = TrainConfig::parse(text, "run.toml", &settings).unwrap().model;
        assert_eq!(model, TransformerConfig { layers: 3, vocab_size: 70, ..preset("gpt2").unwrap() });
    }

    #[test]
    fn every_field_has_a_default() {
        assert_eq!(TrainConfig::parse("", "run.toml", &[]).unwrap(), TrainConfig::default());
        let tokens = TrainConfig::parse("[limits]\ntokens = 512000\n", "run.toml", &[]).unwrap();
        assert_eq!((tokens.limits.steps, tokens.total_steps()), (0, 1000));
    }
}
