//! The text of docs/config.md, made of the doc comments of a configuration's types.

use std::fmt::Write;

use hearth_train::config::{Field, sections};

const HEAD: &str = "\
# Configuration

    hearth init --text input.txt          # writes run.toml with comments, sized for the device; --full: every field
    hearth check run.toml                 # tells all that is wrong with it; needs no data
    hearth presets                        # names for model.preset
    hearth train run.toml --steps 500 --lr 3e-4 --batch 16 --seed 1 --preset gpt2
    hearth train run.toml --set optimizer.beta2=0.99

A configuration is one TOML file, and every field but the data has a default. Flags and `--set` win over the file; a preset
that they name stands in place of the file's `[model]`, of which only `vocab_size` stays. Paths in the file are relative to
its folder, those of flags to the working directory. The whole configuration of a run, defaults included, is `config.toml` in
its folder.

An editor that knows TOML schemas (Even Better TOML and others on taplo) completes and checks a file whose first line is
`#:schema ./hearth.schema.json`; `hearth init` writes that file too, and it is `configs/hearth.schema.json` here.

Made from the types in `train/src/config` and `model/src/config.rs` by
`HEARTH_WRITE=1 cargo test --workspace --test program written`, as the schema is; a test compares both.
";

pub fn page() -> String {
    let mut text = HEAD.to_string();
    for section in sections() {
        let (title, about) = match section.name {
            "" => ("Above the sections".into(), String::new()),
            name => (format!("[{name}]"), format!("{}\n\n", section.description)),
        };
        let _ = write!(text, "\n## {title}\n{about}| field | value | default | |\n| --- | --- | --- | --- |\n");
        for field in &section.fields {
            row(field, &mut text);
        }
    }
    text
}

fn row(field: &Field, text: &mut String) {
    let default = field.default.as_ref().map_or(String::new(), |default| format!("`{default}`"));
    let mut about = field.description.clone();
    for (choice, meaning) in field.choices.iter().filter(|(_, meaning)| !meaning.is_empty()) {
        let _ = write!(about, " `{choice}`: {meaning}");
    }
    let cell = |text: &str| text.replace('|', "\\|");
    let _ = writeln!(text, "| `{}` | {} | {default} | {} |", field.name, cell(&field.kind), cell(&about));
}
