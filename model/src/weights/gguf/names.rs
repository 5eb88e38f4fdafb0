//! Which tensor of a GGUF file a parameter is, by llama.cpp's names.

/// Where the values of a parameter are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A tensor of the same shape.
    Same(String),
    /// A tensor `[out, in]` of a weight `[in, out]`.
    Turned(String),
    /// The `part`-th third of a tensor's rows, turned where it is a matrix.
    Third(String, usize),
    /// A tensor `[E, out, in]` of all experts.
    OfExperts(String),
    /// None: it begins with zeros.
    Nowhere,
}

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
pub fn source(name: &str, merged: bool, after: bool) -> Option<Source> {
    if let Some((_, whole)) = WHOLE.iter().find(|(own, _)| *own == name) {
        return Some(Source::Same((*whole).into()));
    }
    let (layer, rest) = name.strip_prefix("blocks.")?.split_once('.')?;
    let of_layer = |name: &str| format!("blk.{layer}.{name}");
    match rest {
        "attention_norm.gamma" if after => return Some(Source::Same(of_layer("post_attention_norm.weight"))),
        "mlp_norm.gamma" if after => return Some(Source::Same(of_layer("post_ffw_norm.weight"))),
        "attention_norm.gamma" => return Some(Source::Same(of_layer("attn_norm.weight"))),
        "attention_norm.beta" => return Some(Source::Same(of_layer("attn_norm.bias"))),
        "experts.router" => return Some(Source::Turned(of_layer("ffn_gate_inp.weight"))),
        "experts.bias" => return Some(Source::Nowhere),
        "experts.gate" | "experts.up" | "experts.down" => {
            return Some(Source::OfExperts(of_layer(&format!("ffn_{}_exps.weight", &rest["experts.".len()..]))));
        }
        _ => {}
    }
    if merged {
        for (part, projection) in ["attention.query.", "attention.key.", "attention.value."].into_iter().enumerate() {
            if let Some(kind) = rest.strip_prefix(projection) {
                return Some(Source::Third(of_layer(&format!("attn_qkv.{kind}")), part));
            }
        }
    }
    LAYERS.iter().find_map(|(own, other)| {
        let kind = rest.strip_prefix(own)?;
        match kind {
            "" | ".bias" => Some(Source::Same(of_layer(&format!("{other}{kind}")))),
            ".weight" => Some(Source::Turned(of_layer(&format!("{other}{kind}")))),
            _ => None,
        }
    })
}
