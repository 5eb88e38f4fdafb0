//! The model card: what the model is and how it was trained.

use std::fmt::Write;

use hearth_model::{TransformerConfig, weights::Exported};
use hearth_train::{report::with_separators, run::RunOverview};
use serde_json::Value;

use super::source::Source;

/// The card's text, with the figures that Hugging Face's hub reads at its head.
pub fn of(source: &Source, made: &Exported) -> String {
    let config = source.model.config();
    let mut text = String::from("---\nlibrary_name: transformers\npipeline_tag: text-generation\n");
    if let Some(base) = base_model(source) {
        text.push_str(&format!("base_model: {base}\n"));
    }
    text.push_str("tags:\n- hearth\n");
    text.push_str(&format!("- {}\n---\n\n# {}\n\n", made.architecture, source.name));
    let origin = if source.overview.is_some() { "Trained with" } else { "Written by" };
    text.push_str(&format!(
        "{origin} Hearth {}, and exported as {}.\n\n",
        env!("CARGO_PKG_VERSION"),
        made.architecture
    ));
    let mut rows: Vec<(&str, String)> = Vec::new();
    rows.push(("parameters", with_separators(source.parameters())));
    rows.extend(shape(config));
    rows.extend(source.overview.iter().flat_map(figures));
    text.push_str("| | |\n| --- | --- |\n");
    for (name, value) in rows {
        // Writing to a text does not fail.
        let _ = writeln!(text, "| {name} | {value} |");
    }
    if source.tokenizer.is_some() {
        text.push_str(
            "\n```python\nfrom transformers import AutoModelForCausalLM, AutoTokenizer\n\n\
             tokenizer = AutoTokenizer.from_pretrained(\".\")\nmodel = AutoModelForCausalLM.from_pretrained(\".\")\n\
             ids = tokenizer(\"Once\", return_tensors=\"pt\")\nprint(tokenizer.decode(model.generate(**ids)[0]))\n```\n",
        );
    }
    text
}

fn shape(config: &TransformerConfig) -> Vec<(&'static str, String)> {
    let mut rows = vec![
        ("layers", config.layers.to_string()),
        ("width", config.width.to_string()),
        ("heads", format!("{}, of keys and values {}", config.heads, config.kv_heads())),
        ("context", format!("{} tokens", config.context_length)),
        ("vocabulary", format!("{} ids", with_separators(config.vocab_size as u64))),
    ];
    if config.experts > 0 {
        rows.push(("experts", format!("{}, {} a token", config.experts, config.experts_per_token)));
    }
    rows
}

fn figures(run: &RunOverview) -> Vec<(&'static str, String)> {
    let loss = |value: f64| format!("{value:.4} nats a token");
    let mut rows = vec![
        ("steps", format!("{} of {}", with_separators(run.steps), with_separators(run.total_steps))),
        ("training tokens", with_separators(run.tokens)),
    ];
    rows.extend(run.train_loss.map(|it| ("training loss", loss(it))));
    rows.extend(run.val_loss.map(|it| ("validation loss", loss(it))));
    rows.extend(run.best.map(|it| ("best validation loss", format!("{} at step {}", loss(it.loss), it.step))));
    rows.extend(run.device.clone().map(|it| ("device", it)));
    rows
}

/// The name on the hub of what a published folder was made of, where its configuration says it.
pub fn base_model(source: &Source) -> Option<String> {
    let text = std::fs::read_to_string(source.folder()?.join("config.json")).ok()?;
    let config: Value = serde_json::from_str(&text).ok()?;
    let name = config["_name_or_path"].as_str()?;
    let is_safe = |letter: char| letter.is_ascii_alphanumeric() || "-_./".contains(letter);
    let is_name = name.split('/').count() == 2 && name.chars().all(is_safe) && !name.starts_with(['.', '/']);
    is_name.then(|| name.to_string())
}
