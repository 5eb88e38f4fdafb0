//! A configuration of Hearth's as a `config.json`: the reverse of `config.rs`, which reads it again.

use serde_json::{Map, Value, json};

use super::architecture::Architecture;
use crate::{Activation, RopeScaling, TransformerConfig, weights::exported::SpecialIds};

/// What a `config.json` of this architecture can tell of `config`. Whether that is all of it, reading it again tells.
pub fn describe(architecture: Architecture, config: &TransformerConfig, special: SpecialIds) -> Map<String, Value> {
    let mut map = match architecture {
        Architecture::Gpt2 => gpt2(config),
        _ => llama_like(architecture, config),
    };
    map.extend(object(json!({
        "architectures": [architecture.class()],
        "model_type": architecture.name(),
        "vocab_size": config.vocab_size,
        "tie_word_embeddings": config.tied,
        "initializer_range": config.init_std,
        "use_cache": true,
        "bos_token_id": special.begin.or(special.end),
        "eos_token_id": special.end,
        "pad_token_id": null,
    })));
    map
}

fn gpt2(config: &TransformerConfig) -> Map<String, Value> {
    object(json!({
        "n_layer": config.layers,
        "n_embd": config.width,
        "n_head": config.heads,
        "n_inner": config.ffn_width(),
        "n_positions": config.context_length,
        "activation_function": "gelu_new",
        "layer_norm_epsilon": config.norm_eps,
        "resid_pdrop": config.dropout,
        "embd_pdrop": config.dropout,
        "attn_pdrop": 0.0,
    }))
}

fn llama_like(architecture: Architecture, config: &TransformerConfig) -> Map<String, Value> {
    use Architecture::{Gemma2, Gemma3, Llama, Mistral, Mixtral, Qwen2, Qwen3, Qwen3Moe, SmolLm3};
    let is_of_experts = architecture == Mixtral;
    let mut map = object(json!({
        "num_hidden_layers": config.layers,
        "hidden_size": config.width,
        "intermediate_size": if is_of_experts { config.expert_width() } else { config.ffn_width() },
        "num_attention_heads": config.heads,
        "num_key_value_heads": config.kv_heads(),
        "head_dim": config.head_width(),
        "max_position_embeddings": config.context_length,
        "rms_norm_eps": config.norm_eps,
        "attention_dropout": 0.0,
        // Every version of the library reads these; newer ones have them in one object.
        "rope_theta": config.rope_base,
        "rope_scaling": config.rope_scaling.map(scaling),
    }));
    if !matches!(architecture, Gemma2 | Gemma3) {
        map.insert("hidden_act".into(), "silu".into());
    }
    let windows = windows(config);
    match architecture {
        Llama => map.extend(biases(config)),
        Mistral => map.extend(object(json!({ "sliding_window": one_window(&windows) }))),
        Mixtral => map.extend(object(json!({
            "num_local_experts": config.experts,
            "num_experts_per_tok": config.experts_per_token,
            "sliding_window": one_window(&windows),
            "router_jitter_noise": 0.0,
        }))),
        Qwen2 | Qwen3 => map.extend(layer_types(&windows)),
        SmolLm3 => {
            map.extend(biases(config));
            map.extend(layer_types(&windows));
            let rotates = |layer| u8::from(config.rotation(layer).is_some());
            map.insert("no_rope_layers".into(), (0..config.layers).map(rotates).collect());
            map.insert("no_rope_layer_interval".into(), 4.into());
        }
        Qwen3Moe => map.extend(object(json!({
            "num_experts": config.experts,
            "num_experts_per_tok": config.experts_per_token,
            "moe_intermediate_size": config.expert_width(),
            "norm_topk_prob": config.normalize_experts,
            "decoder_sparse_step": 1,
            "mlp_only_layers": [],
            "use_sliding_window": false,
        }))),
        Gemma2 | Gemma3 => map.extend(gemma(architecture, config, &windows)),
        _ => {}
    }
    map
}

fn gemma(architecture: Architecture, config: &TransformerConfig, windows: &[usize]) -> Map<String, Value> {
    let activation = if config.mlp == Activation::Geglu { "gelu_pytorch_tanh" } else { "silu" };
    let mut map = object(json!({
        "hidden_activation": activation,
        "query_pre_attn_scalar": of_queries(config),
        "final_logit_softcapping": config.logit_softcap,
        "attn_logit_softcapping": config.attention_softcap,
    }));
    map.extend(layer_types(windows));
    map.remove("use_sliding_window");
    map.remove("max_window_layers");
    if architecture == Architecture::Gemma3 {
        map.insert("rope_local_base_freq".into(), config.local_rope_base.unwrap_or(config.rope_base).into());
    }
    map
}

/// What is under the root that scores are divided by: a whole number where it is meant to be one.
fn of_queries(config: &TransformerConfig) -> Value {
    let exact = config.attention_scale.map_or(config.head_width() as f64, |scale| scale.powi(-2));
    let whole = exact.round();
    if (exact - whole).abs() < 1e-9 * whole { (whole as u64).into() } else { exact.into() }
}

fn biases(config: &TransformerConfig) -> Map<String, Value> {
    object(json!({ "attention_bias": config.bias, "mlp_bias": config.bias }))
}

/// The window of each layer, 0 for none.
fn windows(config: &TransformerConfig) -> Vec<usize> {
    (0..config.layers).map(|layer| config.window(layer).unwrap_or(0)).collect()
}

/// The window where all layers have the same.
fn one_window(windows: &[usize]) -> Option<usize> {
    windows.first().copied().filter(|first| *first > 0 && windows.iter().all(|window| window == first))
}

/// Layers with a window and without, where those with one have the same.
fn layer_types(windows: &[usize]) -> Map<String, Value> {
    let width = windows.iter().copied().find(|window| *window > 0);
    let kind = |window: &usize| if *window > 0 { "sliding_attention" } else { "full_attention" };
    object(json!({
        "use_sliding_window": width.is_some(),
        "sliding_window": width,
        "max_window_layers": windows.len(),
        "layer_types": windows.iter().map(kind).collect::<Vec<_>>(),
    }))
}

fn scaling(scaling: RopeScaling) -> Value {
    match scaling {
        RopeScaling::Linear { factor } => json!({ "rope_type": "linear", "factor": factor }),
        RopeScaling::Llama3 { factor, low_frequency_factor, high_frequency_factor, original_context } => json!({
            "rope_type": "llama3",
            "factor": factor,
            "low_freq_factor": low_frequency_factor,
            "high_freq_factor": high_frequency_factor,
            "original_max_position_embeddings": original_context,
        }),
        RopeScaling::Yarn { factor, original_context, beta_fast, beta_slow, attention_factor } => {
            let mut map = object(json!({
                "rope_type": "yarn",
                "factor": factor,
                "original_max_position_embeddings": original_context,
                "beta_fast": beta_fast,
                "beta_slow": beta_slow,
            }));
            map.extend(attention_factor.map(|it| ("attention_factor".to_string(), it.into())));
            map.into()
        }
    }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}
