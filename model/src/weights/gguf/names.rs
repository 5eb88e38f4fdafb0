//! Which tensor of a GGUF file a parameter is, by llama.cpp's names.

use crate::weights::place::Place;

const WHOLE: [(&str, &str); 5] = [
    ("embedding.tokens", "token_embd.weight"),
    ("embedding.positions", "position_embd.weight"),
    ("head.norm.gamma", "output_norm.weight"),
    ("head.norm.beta", "output_norm.bias"),
    ("head.output", "output.weight"),
];

const LAYERS: [(&str, &str); 13] = [
    ("attention.query_norm.gamma", "attn_q_norm.weight"),
    ("attention.key_norm.gamma", "attn_k_norm.weight"),
    ("attention.query", "attn_q"),
    ("attention.key", "attn_k"),
    ("attention.value", "attn_v"),
    ("attention.output", "attn_output"),
    ("attention_post_norm.gamma", "post_attention_norm.weight"),
    ("mlp_post_norm.gamma", "post_ffw_norm.weight"),
    ("mlp_norm.gamma", "ffn_norm.weight"),
    ("mlp_norm.beta", "ffn_norm.bias"),
    ("mlp.gate", "ffn_gate"),
    ("mlp.up", "ffn_up"),
    ("mlp.down", "ffn_down"),
];

/// Where a parameter of Hearth's, by name, is. `merged` says that queries, keys and values are one tensor, `after` that blocks normalise
/// what attention and feed-forward network give.
pub fn place(name: &str, merged: bool, after: bool) -> Option<Place> {
    if let Some((_, whole)) = WHOLE.iter().find(|(own, _)| *own == name) {
        return Some(Place::Same((*whole).into()));
    }
    let (layer, rest) = name.strip_prefix("blocks.")?.split_once('.')?;
    let of_layer = |name: &str| format!("blk.{layer}.{name}");
    match rest {
        "attention_norm.gamma" if after => return Some(Place::Same(of_layer("post_attention_norm.weight"))),
        "mlp_norm.gamma" if after => return Some(Place::Same(of_layer("post_ffw_norm.weight"))),
        "attention_norm.gamma" => return Some(Place::Same(of_layer("attn_norm.weight"))),
        "attention_norm.beta" => return Some(Place::Same(of_layer("attn_norm.bias"))),
        "experts.router" => return Some(Place::Turned(of_layer("ffn_gate_inp.weight"))),
        "experts.bias" => return Some(Place::Nowhere),
        "experts.gate" | "experts.up" | "experts.down" => {
            return Some(Place::AllExperts(of_layer(&format!("ffn_{}_exps.weight", &rest["experts.".len()..]))));
        }
        _ => {}
    }
    if merged {
        for (part, projection) in ["attention.query.", "attention.key.", "attention.value."].into_iter().enumerate() {
            if let Some(kind) = rest.strip_prefix(projection) {
                let name = of_layer(&format!("attn_qkv.{kind}"));
                return Some(match kind {
                    "weight" => Place::ThirdOfRows(name, part),
                    _ => Place::ThirdOfColumns(name, part),
                });
            }
        }
    }
    LAYERS.iter().find_map(|(own, other)| {
        let kind = rest.strip_prefix(own)?;
        match kind {
            "" | ".bias" => Some(Place::Same(of_layer(&format!("{other}{kind}")))),
            ".weight" => Some(Place::Turned(of_layer(&format!("{other}{kind}")))),
            _ => None,
        }
    })
}
