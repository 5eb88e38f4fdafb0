//! What a name that is not there may have been meant for.

use serde_json::Value;

use super::schema::alternatives;

/// Names that other programs have for fields: nanoGPT, Hugging Face, llama.cpp, torchtune and litgpt.
const ELSEWHERE: &[(&str, &str)] = &[
    ("n_layer", "model.layers"),
    ("n_layers", "model.layers"),
    ("num_layers", "model.layers"),
    ("num_hidden_layers", "model.layers"),
    ("depth", "model.layers"),
    ("n_head", "model.heads"),
    ("n_heads", "model.heads"),
    ("num_heads", "model.heads"),
    ("num_attention_heads", "model.heads"),
    ("n_kv_heads", "model.kv_heads"),
    ("num_key_value_heads", "model.kv_heads"),
    ("n_embd", "model.width"),
    ("dim", "model.width"),
    ("d_model", "model.width"),
    ("hidden_size", "model.width"),
    ("head_dim", "model.head_width"),
    ("d_ff", "model.ffn_width"),
    ("intermediate_size", "model.ffn_width"),
    ("block_size", "model.context_length"),
    ("seq_len", "model.context_length"),
    ("max_seq_len", "model.context_length"),
    ("sequence_length", "model.context_length"),
    ("max_position_embeddings", "model.context_length"),
    ("rope_theta", "model.rope_base"),
    ("rms_norm_eps", "model.norm_eps"),
    ("tie_word_embeddings", "model.tied"),
    ("lr", "optimizer.learning_rate"),
    ("max_lr", "optimizer.learning_rate"),
    ("grad_clip", "optimizer.clip_norm"),
    ("min_lr", "schedule.final_learning_rate"),
    ("warmup", "schedule.warmup_steps"),
    ("warmup_iters", "schedule.warmup_steps"),
    ("warmup_steps", "schedule.warmup_steps"),
    ("lr_scheduler", "schedule.kind"),
    ("batch_size", "batch.micro_batch"),
    ("micro_batch_size", "batch.micro_batch"),
    ("gradient_accumulation_steps", "batch.accumulation"),
    ("grad_accum", "batch.accumulation"),
    ("batch_size_rampup", "batch.warmup_steps"),
    ("ema", "optimizer.average"),
    ("ema_decay", "optimizer.average"),
    ("max_iters", "limits.steps"),
    ("max_steps", "limits.steps"),
    ("iters", "limits.steps"),
    ("epochs", "limits.tokens"),
    ("max_tokens", "limits.tokens"),
    ("eval_interval", "evaluation.every"),
    ("eval_iters", "evaluation.batches"),
    ("save_interval", "checkpoint.every"),
    ("dataset", "data.text"),
    ("file", "data.text"),
    ("train", "data.text"),
    ("vocab", "data.tokenizer"),
    ("gradient_checkpointing", "memory.policy"),
];

/// The name among `known` that is closest to `name`, where one is close enough to be meant.
pub(super) fn closest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_lowercase();
    let distance = |known: &str| strsim::damerau_levenshtein(&name, known);
    let close = |known: &&str| {
        let (shorter, longer) = (name.len().min(known.len()), name.len().max(known.len()));
        let begins = shorter >= 3 && (known.starts_with(name.as_str()) || name.starts_with(*known));
        begins || (longer > 2 && distance(known) <= longer.div_ceil(4))
    };
    known.into_iter().filter(close).min_by_key(|known| distance(known))
}

/// The path of the field that `name` in `section` (empty for what stands above all sections) was meant for.
pub(super) fn field(section: &str, name: &str, schema: &Value) -> Option<String> {
    let path = |section: &str, name: &str| if section.is_empty() { name.into() } else { format!("{section}.{name}") };
    let elsewhere = ELSEWHERE.iter().find(|(other, _)| *other == name.to_lowercase());
    if let Some((_, meant)) = elsewhere.filter(|(_, meant)| has(schema, meant)) {
        return Some((*meant).into());
    }
    let sections = || schema["properties"].as_object().into_iter().flatten();
    let own = if section.is_empty() { Some(schema) } else { schema["properties"].get(section) };
    if let Some(near) = own.and_then(|own| closest(name, names(own))) {
        return Some(path(section, near));
    }
    let same = sections().find(|(_, own)| names(own).any(|it| it == name));
    same.map(|(section, _)| path(section, name))
        .or_else(|| sections().find_map(|(section, own)| closest(name, names(own)).map(|near| path(section, near))))
}

/// Names of the fields of a section.
pub(super) fn names(schema: &Value) -> impl Iterator<Item = &str> {
    alternatives(schema)
        .into_iter()
        .filter_map(|it| it["properties"].as_object())
        .flatten()
        .map(|(name, _)| name.as_str())
}

fn has(schema: &Value, path: &str) -> bool {
    path.split_once('.').is_some_and(|(section, name)| names(&schema["properties"][section]).any(|it| it == name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::schema;

    #[test]
    fn names_that_were_meant() {
        for (section, name, meant) in [
            ("model", "presett", "model.preset"),
            ("model", "context", "model.context_length"),
            ("model", "n_embd", "model.width"),
            ("model", "learning_rate", "optimizer.learning_rate"),
            ("limits", "stepz", "limits.steps"),
            ("train", "max_iters", "limits.steps"),
            ("", "modle", "model"),
            ("", "lr", "optimizer.learning_rate"),
            ("", "warmup_steps", "schedule.warmup_steps"),
        ] {
            assert_eq!(field(section, name, schema()).as_deref(), Some(meant), "{section}.{name}");
        }
        assert_eq!(field("model", "zebra", schema()), None);
    }

    #[test]
    fn names_of_other_programs_stand_for_fields_that_there_are() {
        for (name, path) in ELSEWHERE {
            assert!(has(schema(), path), "{name}: {path}");
        }
    }
}
