//! Which architecture of another program computes exactly what a configuration says.

use serde_json::{Map, Value};

use crate::{ModelError, NormKind, Positions, RopeScaling, TransformerConfig};

/// Numbers are the same that differ by less: files keep some of them as f32.
const CLOSE: f64 = 1e-6;

/// An architecture that may be the one: its name, and what it computes where a file tells what it can of the wanted configuration.
pub(super) struct Candidate<T> {
    pub name: String,
    pub told: TransformerConfig,
    pub of: T,
}

/// The first candidate that computes what `wanted` says. `form` names what they are architectures of.
///
/// # Errors
/// There is none: the field that keeps the nearest one from being it.
pub(super) fn choose<T>(
    wanted: &TransformerConfig,
    form: &str,
    candidates: impl IntoIterator<Item = Candidate<T>>,
) -> Result<Candidate<T>, ModelError> {
    let own = essence(wanted);
    let mut nearest: Option<(Vec<String>, Map<String, Value>, String)> = None;
    for candidate in candidates {
        let other = essence(&candidate.told);
        let unlike = unlike(&own, &other);
        if unlike.is_empty() {
            return Ok(candidate);
        }
        if nearest.as_ref().is_none_or(|(least, ..)| unlike.len() < least.len()) {
            nearest = Some((unlike, other, candidate.name));
        }
    }
    let Some((unlike, other, name)) = nearest else {
        let reason = format!("no architecture of {form} that Hearth knows has a place for what it has");
        return Err(ModelError::Unexportable { what: "the model".into(), reason });
    };
    let field = unlike.first().cloned().unwrap_or_default();
    let shown = |of: &Map<String, Value>| of.get(&field).map_or("none".into(), Value::to_string);
    Err(ModelError::Unexportable {
        what: format!("model.{field} = {}", shown(&own)),
        reason: format!(
            "no architecture of {form} that Hearth knows computes it with the rest: the nearest, {name}, has {}",
            shown(&other)
        ),
    })
}

/// The fields of a configuration by name, without what changes no logit, and with everything said that follows from other fields.
fn essence(config: &TransformerConfig) -> Map<String, Value> {
    let plain = TransformerConfig::default();
    let mut all = TransformerConfig {
        kv_heads: config.kv_heads(),
        head_width: config.head_width(),
        ffn_width: config.ffn_width(),
        expert_width: config.expert_width(),
        // Merged, or written alone.
        adapter: None,
        dropout: plain.dropout,
        init_std: plain.init_std,
        scaled_residual_init: plain.scaled_residual_init,
        vocab_shard_bytes: plain.vocab_shard_bytes,
        // Weights are moved.
        rope_layout: plain.rope_layout,
        ..config.clone()
    };
    if all.experts == 0 {
        all = TransformerConfig {
            experts_per_token: plain.experts_per_token,
            shared_experts: 0,
            expert_width: 0,
            dense_layers: 0,
            router_score: plain.router_score,
            normalize_experts: plain.normalize_experts,
            expert_scale: plain.expert_scale,
            ..all
        };
    } else if all.dense_layers == 0 {
        all.ffn_width = 0;
    }
    if !all.qk_norm {
        all.qk_norm_over = plain.qk_norm_over;
    }
    // Biases of zeros change nothing, and GPT-2 always has them.
    let is_gpt2 = all.norm == NormKind::Layer && all.positions == Positions::Learned;
    all.bias |= is_gpt2;
    all.qkv_bias &= !all.bias;
    let usual = 1.0 / (all.head_width as f64).sqrt();
    all.attention_scale = all.attention_scale.filter(|scale| !is_close(*scale, usual));
    each_layer(config, &mut all);
    rotations(&mut all);
    match serde_json::to_value(&all) {
        Ok(Value::Object(map)) => map,
        _ => Map::new(),
    }
}

/// Lists with one entry a layer; empty where all layers are as usual.
fn each_layer(config: &TransformerConfig, all: &mut TransformerConfig) {
    let windows: Vec<usize> = (0..config.layers).map(|layer| config.window(layer).unwrap_or(0)).collect();
    let rotating: Vec<bool> = (0..config.layers).map(|layer| config.rotation(layer).is_some()).collect();
    all.sliding_window = if windows.iter().any(|window| *window > 0) { windows } else { Vec::new() };
    let is_usual = config.positions != Positions::Rope || rotating.iter().all(|rotates| *rotates);
    all.rope_layers = if is_usual { Vec::new() } else { rotating };
}

fn rotations(all: &mut TransformerConfig) {
    let plain = TransformerConfig::default();
    if all.positions != Positions::Rope {
        (all.rope_base, all.rope_scaling, all.local_rope_base) = (plain.rope_base, None, None);
    }
    let is_same = all.rope_scaling.is_none() && all.local_rope_base == Some(all.rope_base);
    if is_same || all.sliding_window.is_empty() {
        all.local_rope_base = None;
    }
    if let Some(RopeScaling::Yarn { factor, attention_factor, .. }) = &mut all.rope_scaling {
        let usual = if *factor > 1.0 { 0.1 * factor.ln() + 1.0 } else { 1.0 };
        *attention_factor = attention_factor.filter(|length| !is_close(*length, usual));
    }
}

/// The fields that differ.
fn unlike(own: &Map<String, Value>, other: &Map<String, Value>) -> Vec<String> {
    let names = own.keys().chain(other.keys().filter(|name| !own.contains_key(*name)));
    let at = |of: &Map<String, Value>, name: &str| of.get(name).cloned().unwrap_or_default();
    names.filter(|name| !is_same(&at(own, name), &at(other, name))).cloned().collect()
}

fn is_same(own: &Value, other: &Value) -> bool {
    match (own, other) {
        (Value::Number(own), Value::Number(other)) => {
            own == other || own.as_f64().zip(other.as_f64()).is_some_and(|(own, other)| is_close(own, other))
        }
        (Value::Object(own), Value::Object(other)) => unlike(own, other).is_empty(),
        _ => own == other,
    }
}

fn is_close(one: f64, other: f64) -> bool {
    (one - other).abs() <= CLOSE * one.abs().max(other.abs())
}
