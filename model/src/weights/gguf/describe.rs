//! A configuration of Hearth's as metadata and tensors of a GGUF file: the reverse of `config.rs`, which reads them again.

use std::collections::BTreeMap;

use hearth_gguf::MetadataValue;

use super::{described::Described, names};
use crate::{
    ModelError, NormPlacement, Positions, RopeScaling, Rotation, TransformerConfig,
    rope::Frequencies,
    weights::place::{Place, Stored, layout},
};

/// What a file of this architecture can tell of `config`, its tensors, and the parameters that have none. Whether that is all of it,
/// reading it again tells.
pub fn describe(
    architecture: &str,
    config: &TransformerConfig,
) -> Result<(Described, Vec<Stored>, Vec<String>), ModelError> {
    let is_gpt2 = architecture == "gpt2";
    let full = TransformerConfig { bias: config.bias || is_gpt2, ..config.clone() };
    let is_after = config.norm_placement == NormPlacement::After;
    // A parameter that has no place is told by the field that it comes of, which is not read again.
    let place = |name: &str| Ok(names::place(name, is_gpt2, is_after).unwrap_or(Place::Nowhere));
    let (tensors, nowhere) = layout(&full, place)?;
    let shapes = tensors.iter().map(|it| (it.name.clone(), it.shape.clone())).collect();
    let values = values(architecture, config).into_iter().map(|(key, it)| (format!("{architecture}.{key}"), it));
    let described = Described {
        architecture: architecture.into(),
        values: values.collect(),
        shapes,
        divisors: (!is_gpt2).then(|| divisors(config)).flatten(),
    };
    Ok((described, tensors, nowhere))
}

fn values(architecture: &str, config: &TransformerConfig) -> BTreeMap<&'static str, MetadataValue> {
    let count = |value: usize| MetadataValue::U32(u32::try_from(value).unwrap_or(u32::MAX));
    let number = |value: f64| MetadataValue::F32(value as f32);
    let mut values = BTreeMap::from([
        ("block_count", count(config.layers)),
        ("context_length", count(config.context_length)),
        ("embedding_length", count(config.width)),
        ("feed_forward_length", count(config.ffn_width())),
        ("attention.head_count", count(config.heads)),
    ]);
    if architecture == "gpt2" {
        values.insert("attention.layer_norm_epsilon", number(config.norm_eps));
        return values;
    }
    values.extend([
        ("vocab_size", count(config.vocab_size)),
        ("attention.head_count_kv", count(config.kv_heads())),
        ("attention.key_length", count(config.head_width())),
        ("attention.value_length", count(config.head_width())),
        ("attention.layer_norm_rms_epsilon", number(config.norm_eps)),
        ("rope.dimension_count", count(config.head_width())),
        ("rope.freq_base", number(config.rope_base)),
    ]);
    if config.experts > 0 {
        values.insert("expert_count", count(config.experts));
        values.insert("expert_used_count", count(config.experts_per_token));
        match architecture {
            // Its experts have the width of the feed-forward network that it does not have.
            "llama" => values.insert("feed_forward_length", count(config.expert_width())),
            _ => values.insert("expert_feed_forward_length", count(config.expert_width())),
        };
    }
    if let Some(window) = (0..config.layers).find_map(|layer| config.window(layer)) {
        values.insert("attention.sliding_window", count(window));
    }
    if let Some(cap) = config.attention_softcap {
        values.insert("attn_logit_softcapping", number(cap));
    }
    if let Some(cap) = config.logit_softcap {
        values.insert("final_logit_softcapping", number(cap));
    }
    if architecture == "gemma3" {
        // Every so many layers one sees everything.
        let pattern = (0..config.layers).position(|layer| config.window(layer).is_none()).map_or(6, |at| at + 1);
        values.insert("attention.sliding_window_pattern", count(pattern));
        values.insert("rope.freq_base_swa", number(config.local_rope_base.unwrap_or(config.rope_base)));
    }
    values.extend(scaling(config.rope_scaling));
    values
}

fn scaling(scaling: Option<RopeScaling>) -> Vec<(&'static str, MetadataValue)> {
    let text = |value: &str| MetadataValue::String(value.into());
    let number = |value: f64| MetadataValue::F32(value as f32);
    match scaling {
        Some(RopeScaling::Linear { factor }) => {
            vec![("rope.scaling.type", text("linear")), ("rope.scaling.factor", number(factor))]
        }
        Some(RopeScaling::Yarn { factor, original_context, beta_fast, beta_slow, .. }) => vec![
            ("rope.scaling.type", text("yarn")),
            ("rope.scaling.factor", number(factor)),
            (
                "rope.scaling.original_context_length",
                MetadataValue::U32(u32::try_from(original_context).unwrap_or(u32::MAX)),
            ),
            ("rope.scaling.yarn_beta_fast", number(beta_fast)),
            ("rope.scaling.yarn_beta_slow", number(beta_slow)),
        ],
        // Told by what pairs are divided by.
        Some(RopeScaling::Llama3 { .. }) | None => Vec::new(),
    }
}

/// What pairs of channels are divided by where rotations are Llama 3's.
fn divisors(config: &TransformerConfig) -> Option<Vec<f32>> {
    let Some(RopeScaling::Llama3 { .. }) = config.rope_scaling else { return None };
    if config.positions != Positions::Rope {
        return None;
    }
    let plain = TransformerConfig { rope_scaling: None, ..config.clone() };
    let [scaled, plain] = [config, &plain].map(|it| Frequencies::new(it, Rotation::Global).radians);
    Some(plain.iter().zip(&scaled).map(|(plain, scaled)| (plain / scaled) as f32).collect())
}
