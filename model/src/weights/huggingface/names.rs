//! Which tensor of a file a parameter is.

use super::architecture::Architecture;
use crate::weights::place::Place;

/// Layers by name: ours and theirs.
type Names = &'static [(&'static str, &'static str)];

const LLAMA: Names = &[
    ("attention_norm.gamma", "input_layernorm.weight"),
    ("mlp_norm.gamma", "post_attention_layernorm.weight"),
    ("attention.query", "self_attn.q_proj"),
    ("attention.key", "self_attn.k_proj"),
    ("attention.value", "self_attn.v_proj"),
    ("attention.output", "self_attn.o_proj"),
    ("attention.query_norm.gamma", "self_attn.q_norm.weight"),
    ("attention.key_norm.gamma", "self_attn.k_norm.weight"),
    ("mlp.gate", "mlp.gate_proj"),
    ("mlp.up", "mlp.up_proj"),
    ("mlp.down", "mlp.down_proj"),
];

const AFTER: Names = &[
    ("attention_norm.gamma", "post_attention_layernorm.weight"),
    ("mlp_norm.gamma", "post_feedforward_layernorm.weight"),
];

const BOTH: Names = &[
    ("attention_post_norm.gamma", "post_attention_layernorm.weight"),
    ("mlp_norm.gamma", "pre_feedforward_layernorm.weight"),
    ("mlp_post_norm.gamma", "post_feedforward_layernorm.weight"),
];

const GPT2: Names = &[
    ("attention_norm.gamma", "ln_1.weight"),
    ("attention_norm.beta", "ln_1.bias"),
    ("mlp_norm.gamma", "ln_2.weight"),
    ("mlp_norm.beta", "ln_2.bias"),
    ("attention.output", "attn.c_proj"),
    ("mlp.up", "mlp.c_fc"),
    ("mlp.down", "mlp.c_proj"),
];

/// Buffers that older files have beside the parameters.
const BUFFERS: [&str; 3] = [".attn.bias", ".attn.masked_bias", ".rotary_emb.inv_freq"];

/// Whether a tensor is of no parameter: a buffer, or what a tied model has twice.
pub fn is_idle(name: &str, tied: bool) -> bool {
    BUFFERS.iter().any(|buffer| name.ends_with(buffer)) || (tied && name == "lm_head.weight")
}

/// Where a parameter of Hearth's, by name, is in a model of this architecture.
pub fn place(architecture: Architecture, name: &str) -> Option<Place> {
    match architecture {
        Architecture::Gpt2 => of_gpt2(name),
        _ => of_llama(architecture, name),
    }
}

fn of_gpt2(name: &str) -> Option<Place> {
    let whole = match name {
        "embedding.tokens" => "wte.weight",
        "embedding.positions" => "wpe.weight",
        "head.norm.gamma" => "ln_f.weight",
        "head.norm.beta" => "ln_f.bias",
        "head.output" => return Some(Place::Same("lm_head.weight".into())),
        _ => "",
    };
    if !whole.is_empty() {
        return Some(Place::Same(format!("transformer.{whole}")));
    }
    let (layer, rest) = name.strip_prefix("blocks.")?.split_once('.')?;
    for (part, projection) in ["query", "key", "value"].into_iter().enumerate() {
        if let Some(kind) =
            rest.strip_prefix("attention.").and_then(|it| it.strip_prefix(projection)).filter(|it| it.starts_with('.'))
        {
            return Some(Place::ThirdOfColumns(format!("transformer.h.{layer}.attn.c_attn{kind}"), part));
        }
    }
    // Weights are [in, out] there, too.
    find(&[GPT2], rest).map(|name| Place::Same(format!("transformer.h.{layer}.{name}")))
}

fn of_llama(architecture: Architecture, name: &str) -> Option<Place> {
    match name {
        "embedding.tokens" => return Some(Place::Same("model.embed_tokens.weight".into())),
        "head.output" => return Some(Place::Same("lm_head.weight".into())),
        "head.norm.gamma" => return Some(Place::Same("model.norm.weight".into())),
        _ => {}
    }
    let (layer, rest) = name.strip_prefix("blocks.")?.split_once('.')?;
    let prefix = format!("model.layers.{layer}");
    if let Some(of_experts) = rest.strip_prefix("experts.") {
        return experts(architecture, &prefix, of_experts);
    }
    let tables: &[Names] = match architecture {
        Architecture::Olmo2 => &[AFTER, LLAMA],
        Architecture::Gemma2 | Architecture::Gemma3 => &[BOTH, LLAMA],
        _ => &[LLAMA],
    };
    let name = format!("{prefix}.{}", find(tables, rest)?);
    let is_matrix = rest.ends_with(".weight");
    Some(if is_matrix { Place::Turned(name) } else { Place::Same(name) })
}

fn experts(architecture: Architecture, prefix: &str, name: &str) -> Option<Place> {
    let (layer, [gate, up, down]) = match architecture {
        Architecture::Mixtral => ("block_sparse_moe", [".w1.weight", ".w3.weight", ".w2.weight"]),
        _ => ("mlp", [".gate_proj.weight", ".up_proj.weight", ".down_proj.weight"]),
    };
    let end = match name {
        "router" => return Some(Place::Turned(format!("{prefix}.{layer}.gate.weight"))),
        "bias" => return Some(Place::Nowhere),
        "gate" => gate,
        "up" => up,
        "down" => down,
        _ => return None,
    };
    Some(Place::EachExpert(format!("{prefix}.{layer}.experts."), end))
}

/// The name of a layer's parameter, by the first table that has it.
fn find(tables: &[Names], name: &str) -> Option<String> {
    tables.iter().flat_map(|table| table.iter()).find_map(|(own, other)| {
        let rest = name.strip_prefix(own)?;
        (rest.is_empty() || rest == ".weight" || rest == ".bias").then(|| format!("{other}{rest}"))
    })
}
