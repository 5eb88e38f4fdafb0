//! A `config.json` as a configuration of Hearth's.

use serde_json::{Value, json};

use super::{architecture::Architecture, fields::Fields, rotations};
use crate::{Activation, ModelError, NormPlacement, QkNormOver, TransformerConfig};

/// The configuration that the fields of a model of this architecture tell.
///
/// # Errors
/// A field that is missing, of another kind, or asks for what Hearth does not compute.
pub fn read(architecture: Architecture, fields: &Fields) -> Result<TransformerConfig, ModelError> {
    let config = match architecture {
        Architecture::Gpt2 => gpt2(fields)?,
        _ => llama_like(architecture, fields)?,
    };
    fields.finish()?;
    config.validate()?;
    Ok(config)
}

fn gpt2(fields: &Fields) -> Result<TransformerConfig, ModelError> {
    let [layers, width, heads] = [fields.must("n_layer")?, fields.must("n_embd")?, fields.must("n_head")?];
    fields.only("activation_function", &[json!("gelu_new"), json!("gelu_pytorch_tanh")])?;
    fields.only("scale_attn_weights", &[json!(true)])?;
    fields.only("scale_attn_by_inverse_layer_idx", &[json!(false)])?;
    // The order of one product in half precision.
    fields.flag("reorder_and_upcast_attn")?;
    fields.only("add_cross_attention", &[json!(false)])?;
    Ok(TransformerConfig {
        ffn_width: fields.count("n_inner")?.unwrap_or(0),
        norm_eps: fields.number("layer_norm_epsilon")?.unwrap_or(1e-5),
        init_std: fields.number("initializer_range")?.unwrap_or(0.02),
        tied: fields.flag_or("tie_word_embeddings", true)?,
        ..TransformerConfig::gpt2(fields.must("vocab_size")?, fields.must("n_positions")?, layers, width, heads)
    })
}

fn llama_like(architecture: Architecture, fields: &Fields) -> Result<TransformerConfig, ModelError> {
    use Architecture::{Gemma2, Gemma3, Mixtral, Olmo2, Qwen2, Qwen3, Qwen3Moe, SmolLm3};
    let is_gemma = matches!(architecture, Gemma2 | Gemma3);
    let [layers, width] = [fields.must("num_hidden_layers")?, fields.must("hidden_size")?];
    let [heads, context] = [fields.must("num_attention_heads")?, fields.must("max_position_embeddings")?];
    let mut config = TransformerConfig {
        kv_heads: fields.count("num_key_value_heads")?.unwrap_or(heads),
        head_width: fields.count("head_dim")?.unwrap_or(if is_gemma { 256 } else { 0 }),
        ffn_width: fields.must("intermediate_size")?,
        norm_eps: fields.number("rms_norm_eps")?.unwrap_or(1e-6),
        tied: fields.flag_or("tie_word_embeddings", is_gemma || architecture == SmolLm3)?,
        init_std: fields.number("initializer_range")?.unwrap_or(0.02),
        qk_norm: matches!(architecture, Qwen3 | Qwen3Moe | Olmo2 | Gemma3),
        qkv_bias: architecture == Qwen2,
        ..TransformerConfig::llama(fields.must("vocab_size")?, context, layers, width, heads)
    };
    let base = match architecture {
        Gemma3 => 1_000_000.0,
        SmolLm3 => 2_000_000.0,
        _ => 10_000.0,
    };
    rotations::read(fields, base, &mut config)?;
    biases(fields, &mut config)?;
    match is_gemma {
        true => gemma(fields, &mut config)?,
        false => fields.only("hidden_act", &[json!("silu")])?,
    }
    if architecture == Gemma3 && config.local_rope_base.is_none() {
        config.local_rope_base = Some(10_000.0);
    }
    config.sliding_window = windows(architecture, fields, layers)?;
    match architecture {
        Olmo2 => (config.norm_placement, config.qk_norm_over) = (NormPlacement::After, QkNormOver::Heads),
        SmolLm3 => config.rope_layers = rotating_layers(fields, layers)?,
        Mixtral => experts(fields, config.ffn_width, &mut config)?,
        Qwen3Moe => {
            fields.only("decoder_sparse_step", &[json!(1)])?;
            fields.only("mlp_only_layers", &[json!([])])?;
            experts(fields, fields.must("moe_intermediate_size")?, &mut config)?;
            config.normalize_experts = fields.flag("norm_topk_prob")?;
        }
        _ => {}
    }
    Ok(config)
}

/// Biases of attention, and of the feed-forward network: both or none.
fn biases(fields: &Fields, config: &mut TransformerConfig) -> Result<(), ModelError> {
    let (attention, mlp) = (fields.flag("attention_bias")?, fields.flag("mlp_bias")?);
    if attention != mlp {
        let (name, other) = if attention { ("attention_bias", "mlp_bias") } else { ("mlp_bias", "attention_bias") };
        return Err(fields.refuse(name, &json!(true), &format!("without {other}, Hearth has no such biases")));
    }
    config.bias = attention;
    Ok(())
}

fn gemma(fields: &Fields, config: &mut TransformerConfig) -> Result<(), ModelError> {
    let tanh = json!("gelu_pytorch_tanh");
    fields.only("hidden_activation", std::slice::from_ref(&tanh))?;
    // What older files say means the same.
    fields.only("hidden_act", &[tanh, json!("gelu")])?;
    fields.only("use_bidirectional_attention", &[json!(false)])?;
    config.mlp = Activation::Geglu;
    config.norm_placement = NormPlacement::Both;
    config.embedding_scale = (config.width as f64).sqrt();
    let of_queries = fields.number("query_pre_attn_scalar")?.unwrap_or(256.0);
    config.attention_scale = (of_queries != config.head_width() as f64).then(|| 1.0 / of_queries.sqrt());
    config.logit_softcap = fields.number("final_logit_softcapping")?;
    config.attention_softcap = fields.number("attn_logit_softcapping")?;
    Ok(())
}

fn experts(fields: &Fields, width: usize, config: &mut TransformerConfig) -> Result<(), ModelError> {
    let (old, new) = (fields.count("num_experts")?, fields.count("num_local_experts")?);
    config.experts = match old.or(new) {
        Some(experts) => experts,
        None => fields.must("num_local_experts")?,
    };
    config.experts_per_token = fields.must("num_experts_per_tok")?;
    config.expert_width = width;
    Ok(())
}

/// The window of each layer: told by `layer_types`, or as each architecture has it.
fn windows(architecture: Architecture, fields: &Fields, layers: usize) -> Result<Vec<usize>, ModelError> {
    use Architecture::{Gemma2, Gemma3, Mistral, Mixtral};
    let of_all = matches!(architecture, Mistral | Mixtral);
    let of_some = matches!(architecture, Gemma2 | Gemma3);
    let width = fields.count("sliding_window")?;
    let is_on = fields.flag_or("use_sliding_window", of_all || of_some)?;
    let from = fields.count("max_window_layers")?.unwrap_or(0);
    let pattern = fields.count("sliding_window_pattern")?.unwrap_or(if architecture == Gemma2 { 2 } else { 6 });
    let types = fields.list("layer_types")?;
    let Some(width) = width.filter(|_| is_on) else { return Ok(Vec::new()) };
    if of_all {
        return Ok(vec![width]);
    }
    let window = |has: bool| if has { width } else { 0 };
    match types {
        Some(types) if types.len() == layers => types
            .iter()
            .map(|kind| match kind.as_str() {
                Some("sliding_attention") => Ok(width),
                Some("full_attention") => Ok(0),
                _ => Err(fields.refuse("layer_types", kind, "Hearth knows full_attention and sliding_attention")),
            })
            .collect(),
        Some(types) => {
            let reason = format!("must have one entry a layer, so {layers}");
            Err(fields.refuse("layer_types", &Value::from(types), &reason))
        }
        None if of_some && pattern > 0 => Ok((1..=layers).map(|at| window(at % pattern != 0)).collect()),
        None => Ok((0..layers).map(|at| window(at >= from)).collect()),
    }
}

fn rotating_layers(fields: &Fields, layers: usize) -> Result<Vec<bool>, ModelError> {
    let interval = fields.count("no_rope_layer_interval")?.unwrap_or(4);
    let Some(list) = fields.list("no_rope_layers")? else {
        return Ok((1..=layers).map(|at| interval == 0 || at % interval != 0).collect());
    };
    if list.len() != layers {
        let reason = format!("must have one entry a layer, so {layers}");
        return Err(fields.refuse("no_rope_layers", &Value::from(list), &reason));
    }
    // As published: 1 stands for a layer that rotates.
    Ok(list.iter().map(|it| it.as_u64() != Some(0)).collect())
}
