//! Which configurations a model can have.

use crate::{
    AdapterConfig, ModelError, ModelShape, ParameterCount, Positions, Projection, RopeScaling, Site, TransformerConfig,
};

/// Elements of the largest tensor and blocks of the deepest model: what comes from a file is countable, before anything is
/// counted.
const MOST_ELEMENTS: u128 = 1 << 40;
const MOST_LAYERS: usize = 1 << 16;
const MOST_EXPERTS: usize = 1 << 12;
const MOST_IDS: usize = i32::MAX as usize;

impl TransformerConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// [`ModelError::Config`] names the first field whose value no model can have; [`TransformerConfig::faults`] has all.
    pub fn validate(&self) -> Result<(), ModelError> {
        self.faults().into_iter().next().map_or(Ok(()), Err)
    }

    /// Every field whose value no model can have, each as a [`ModelError::Config`].
    pub fn faults(&self) -> Vec<ModelError> {
        let sizes = self.faulty_sizes();
        // What is wrong with heads or with the whole says nothing where a size is 0.
        let heads = if sizes.is_empty() { self.faulty_heads() } else { Vec::new() };
        let is_countable = sizes.is_empty() && heads.is_empty();
        let adapter = if is_countable { self.faulty_adapter() } else { None };
        let extent = if is_countable { self.faulty_extent(usize::MAX) } else { None };
        sizes.into_iter().chain(heads).chain(self.faulty_numbers()).chain(adapter).chain(extent).collect()
    }

    fn faulty_sizes(&self) -> Vec<ModelError> {
        let mut faults = Vec::new();
        for (field, value, most, why) in [
            ("vocab_size", self.vocab_size, MOST_IDS, "ids are numbers of 32 bits"),
            ("context_length", self.context_length, MOST_IDS, "positions are numbers of 32 bits"),
            ("layers", self.layers, MOST_LAYERS, "no model is deeper"),
            ("width", self.width, usize::MAX, ""),
            ("experts", self.experts.max(1), MOST_EXPERTS, "routers know no more"),
            ("shared_experts", self.shared_experts.max(1), MOST_EXPERTS, "no model has more"),
            ("heads", self.heads, usize::MAX, ""),
        ] {
            if value == 0 {
                faults.push(fault(field, value, "must be at least 1"));
            } else if value > most {
                faults.push(fault(field, value, format!("must be {most} or less, for {why}")));
            }
        }
        faults
    }

    fn faulty_heads(&self) -> Vec<ModelError> {
        let mut faults = Vec::new();
        if self.head_width == 0 && !self.width.is_multiple_of(self.heads) {
            let reason = format!("must divide width = {}, or head_width must be set", self.width);
            faults.push(fault("heads", self.heads, reason));
        } else if self.positions == Positions::Rope && !self.head_width().is_multiple_of(2) {
            faults.push(fault("head_width", self.head_width(), "must be even, for RoPE turns channels in pairs"));
        }
        if !self.heads.is_multiple_of(self.kv_heads()) {
            faults.push(fault("kv_heads", self.kv_heads, format!("must divide heads = {}", self.heads)));
        }
        faults.extend(self.faulty_latent());
        if self.experts > 0 && !(1..=self.experts).contains(&self.experts_per_token) {
            let reason = format!("must be from 1 to experts = {}", self.experts);
            faults.push(fault("experts_per_token", self.experts_per_token, reason));
        }
        if self.dense_layers > self.layers {
            faults.push(fault("dense_layers", self.dense_layers, format!("must be layers = {} at most", self.layers)));
        }
        if self.value_embeddings > self.layers {
            let reason = format!("must be layers = {} at most, where the last block alone has one", self.layers);
            faults.push(fault("value_embeddings", self.value_embeddings, reason));
        }
        if self.sliding_window.len() > self.layers {
            let reason = format!("must have one entry a layer, so {} of them, or fewer that repeat", self.layers);
            faults.push(fault("sliding_window", format!("{:?}", self.sliding_window), reason));
        }
        if self.rope_layers.len() > self.layers {
            let reason = format!("must have one entry a layer, so {} of them, or fewer that repeat", self.layers);
            faults.push(fault("rope_layers", format!("{:?}", self.rope_layers), reason));
        }
        faults
    }

    fn faulty_latent(&self) -> Option<ModelError> {
        if !self.is_latent() {
            let fields = [
                ("query_rank", self.query_rank),
                ("rope_head_width", self.rope_head_width),
                ("value_head_width", self.value_head_width),
            ];
            let (field, value) = fields.into_iter().find(|(_, value)| *value > 0)?;
            return Some(fault(field, value, "belongs to latent attention: set kv_rank as well, or leave it out"));
        }
        if self.positions != Positions::Rope {
            return Some(fault("kv_rank", self.kv_rank, "latent attention rotates: set positions = \"rope\""));
        }
        if self.rope_head_width == 0 || !self.rope_head_width.is_multiple_of(2) {
            return Some(fault("rope_head_width", self.rope_head_width, "must be even and at least 2 beside kv_rank"));
        }
        if self.value_head_width() > self.head_width().saturating_add(self.rope_head_width) {
            let reason = "must be head_width and rope_head_width together at most";
            return Some(fault("value_head_width", self.value_head_width(), reason));
        }
        if self.kv_heads() != self.heads {
            return Some(fault(
                "kv_heads",
                self.kv_heads,
                "latent attention has keys and values of every head: leave it out",
            ));
        }
        if self.attention_sinks {
            return Some(fault("attention_sinks", true, "latent attention has none: leave it out"));
        }
        if self.value_embeddings > 0 {
            let reason = "latent attention has none: leave it out";
            return Some(fault("value_embeddings", self.value_embeddings, reason));
        }
        self.qk_norm.then(|| fault("qk_norm", true, "latent attention normalises its latent vectors: leave it out"))
    }

    fn faulty_numbers(&self) -> Vec<ModelError> {
        let mut faults = Vec::new();
        for (field, value) in [
            ("norm_eps", self.norm_eps),
            ("rope_base", self.rope_base),
            ("init_std", self.init_std),
            ("expert_scale", self.expert_scale),
            ("logit_softcap", self.logit_softcap.unwrap_or(1.0)),
            ("attention_softcap", self.attention_softcap.unwrap_or(1.0)),
            ("attention_scale", self.attention_scale.unwrap_or(1.0)),
            ("embedding_scale", self.embedding_scale),
            ("local_rope_base", self.local_rope_base.unwrap_or(1.0)),
        ] {
            if !(value.is_finite() && value > 0.0) {
                faults.push(fault(field, value, "must be positive"));
            }
        }
        if !(0.0..1.0).contains(&self.dropout) {
            faults.push(fault("dropout", self.dropout, "must be at least 0 and under 1"));
        }
        faults.extend(self.faulty_rotations());
        faults
    }

    fn faulty_rotations(&self) -> Option<ModelError> {
        let rotates = self.positions == Positions::Rope;
        if let Some(base) = self.local_rope_base.filter(|_| !rotates) {
            return Some(fault("local_rope_base", base, "belongs to positions = \"rope\": leave it out"));
        }
        let scaling = self.rope_scaling?;
        if !rotates {
            let reason = "belongs to positions = \"rope\": leave it out";
            return Some(fault("rope_scaling", format!("{scaling:?}"), reason));
        }
        let (factors, context, [slow, fast]) = match scaling {
            RopeScaling::Linear { factor } => (vec![factor], 1, [0.0, 1.0]),
            RopeScaling::Llama3 {
                factor,
                low_frequency_factor: low,
                high_frequency_factor: high,
                original_context,
            } => (vec![factor, low, high], original_context, [low, high]),
            RopeScaling::Yarn { factor, original_context, beta_fast, beta_slow, attention_factor } => (
                vec![factor, beta_fast, beta_slow, attention_factor.unwrap_or(1.0)],
                original_context,
                [beta_slow, beta_fast],
            ),
        };
        let reason = if factors.iter().any(|it| !(it.is_finite() && *it > 0.0)) || context == 0 {
            "every number must be positive"
        } else if slow >= fast {
            "fast pairs must turn more often than slow ones"
        } else {
            return None;
        };
        Some(fault("rope_scaling", format!("{scaling:?}"), reason))
    }

    fn faulty_adapter(&self) -> Option<ModelError> {
        let AdapterConfig { rank, alpha, dropout, targets, .. } = self.adapter.as_ref()?;
        let widest = self.width.max(self.ffn_width());
        if !(1..=widest).contains(rank) {
            let reason = format!("must be from 1 to {widest}, the widest that its projections have");
            return Some(fault("adapter.rank", rank, reason));
        }
        if !(alpha.is_finite() && *alpha > 0.0) {
            return Some(fault("adapter.alpha", alpha, "must be positive"));
        }
        if !(0.0..1.0).contains(dropout) {
            return Some(fault("adapter.dropout", dropout, "must be at least 0 and under 1"));
        }
        let shape = ModelShape::of(self, &Site::of_sequence(1));
        let has = |name: &str| {
            let ending = format!("{name}.adapter.down");
            shape.blocks().any(|block| block.parameters.iter().any(|it| it.name.ends_with(&ending)))
        };
        let missing = match targets.is_empty() {
            true => Projection::ALL.iter().all(|it| !has(it.name())).then(|| "[]".to_owned()),
            false => {
                targets.iter().find(|it| !has(&format!(".{}", it.name()))).map(|it| format!("[\"{}\"]", it.name()))
            }
        };
        let reason = "no block has such a projection: its experts take none, and latent attention has others";
        missing.map(|targets| fault("adapter.targets", targets, reason))
    }

    /// The largest tensor and the number of parameters must be countable on a machine whose numbers go to `largest`, which is
    /// less in a browser.
    fn faulty_extent(&self, largest: usize) -> Option<ModelError> {
        let [width, heads, head_width] = [self.width, self.heads, self.head_width()].map(|size| size as u128);
        let [vocabulary, context, ffn] =
            [self.vocab_size, self.context_length, self.ffn_width()].map(|size| size as u128);
        let latent = (self.rope_head_width as u128 + self.value_head_width() as u128 + head_width) * heads;
        let latent = latent.max(self.kv_rank as u128 + self.rope_head_width as u128).max(self.query_rank as u128);
        let experts = (self.experts + self.shared_experts) as u128 * self.expert_width() as u128;
        let widest = vocabulary.max(context).max(ffn).max(heads * head_width).max(latent).max(experts);
        let table = vocabulary.saturating_mul(self.kv_heads() as u128 * head_width);
        let table = if self.value_embeddings > 0 { table } else { 0 };
        if widest.saturating_mul(width).max(table) > MOST_ELEMENTS {
            return Some(fault(
                "width",
                self.width,
                "gives a tensor of more than 2^40 elements: make the model smaller",
            ));
        }
        let bytes = 4 * ParameterCount::exact(&ModelShape::of(self, &Site::of_sequence(1)));
        (bytes > largest as u128).then(|| {
            let reason = format!("gives {bytes} bytes of parameters, more than this machine can address");
            fault("width", self.width, reason)
        })
    }
}

fn fault(field: &'static str, value: impl ToString, reason: impl Into<String>) -> ModelError {
    ModelError::Config { field, value: value.to_string(), reason: reason.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preset;

    #[test]
    fn each_bad_value_is_named() {
        let good = preset("stories260k").unwrap();
        type Spoil = fn(&mut TransformerConfig);
        let cases: [(&str, Spoil); 30] = [
            ("model.query_rank = 4: belongs to latent attention", |c| c.query_rank = 4),
            ("model.rope_head_width = 3", |c| (c.kv_rank, c.rope_head_width, c.kv_heads) = (8, 3, 0)),
            ("model.value_head_width = 99", |c| (c.kv_rank, c.rope_head_width, c.value_head_width) = (8, 2, 99)),
            ("model.kv_heads = 4", |c| (c.kv_rank, c.rope_head_width) = (8, 2)),
            ("model.attention_sinks = true: latent", |c| {
                (c.kv_rank, c.rope_head_width, c.kv_heads, c.attention_sinks) = (8, 2, 0, true)
            }),
            ("model.experts_per_token = 5", |c| (c.experts, c.experts_per_token) = (4, 5)),
            ("model.experts = 5000", |c| c.experts = 5000),
            ("model.dense_layers = 9", |c| c.dense_layers = 9),
            ("model.heads = 0", |c| c.heads = 0),
            ("model.heads = 7", |c| c.heads = 7),
            ("model.kv_heads = 3", |c| c.kv_heads = 3),
            ("model.layers = 0", |c| c.layers = 0),
            ("model.vocab_size = 0", |c| c.vocab_size = 0),
            ("model.head_width = 5", |c| c.head_width = 5),
            ("model.sliding_window = [4, 4, 4, 4, 4, 4]", |c| c.sliding_window = vec![4; 6]),
            ("model.rope_layers = [true, true, true, true, true, true]", |c| c.rope_layers = vec![true; 6]),
            ("model.local_rope_base = 0", |c| c.local_rope_base = Some(0.0)),
            ("model.embedding_scale = 0", |c| c.embedding_scale = 0.0),
            ("model.rope_scaling = Linear { factor: 0.0 }: every number must be positive", |c| {
                c.rope_scaling = Some(RopeScaling::Linear { factor: 0.0 })
            }),
            ("model.rope_scaling = Llama3", |c| {
                let (factor, original_context) = (8.0, 64);
                let scaling = RopeScaling::Llama3 {
                    factor,
                    low_frequency_factor: 4.0,
                    high_frequency_factor: 4.0,
                    original_context,
                };
                c.rope_scaling = Some(scaling)
            }),
            ("model.value_embeddings = 6", |c| c.value_embeddings = 6),
            ("model.width = 64", |c| (c.value_embeddings, c.vocab_size, c.head_width) = (2, 1 << 30, 1 << 10)),
            ("model.attention_softcap = 0", |c| c.attention_softcap = Some(0.0)),
            ("model.layers = 100000", |c| c.layers = 100_000),
            ("model.dropout = 1", |c| c.dropout = 1.0),
            ("model.norm_eps = 0", |c| c.norm_eps = 0.0),
            ("model.width = 1099511627776", |c| c.width = 1 << 40),
            ("model.width = 18446744073709551600", |c| c.width = usize::MAX - 15),
            ("model.vocab_size = 2147483648", |c| c.vocab_size = 1 << 31),
            ("model.width = 64", |c| (c.heads, c.kv_heads, c.head_width) = (1 << 62, 0, 8)),
        ];
        for (message, spoil) in cases {
            let mut config = good.clone();
            spoil(&mut config);
            let error = config.validate().unwrap_err().to_string();
            assert!(error.starts_with(message), "{error}");
        }
    }

    #[test]
    fn what_an_adapter_cannot_have_is_named() {
        let plain = AdapterConfig::default;
        for (adapter, message) in [
            (AdapterConfig { rank: 0, ..plain() }, "model.adapter.rank = 0: must be from 1 to 172"),
            (AdapterConfig { rank: 173, ..plain() }, "model.adapter.rank = 173: must be from 1 to 172"),
            (AdapterConfig { alpha: 0.0, ..plain() }, "model.adapter.alpha = 0: must be positive"),
            (AdapterConfig { dropout: 1.0, ..plain() }, "model.adapter.dropout = 1: must be at least 0 and under 1"),
            (
                AdapterConfig { targets: vec![Projection::KeyValue], ..plain() },
                "model.adapter.targets = [\"key_value\"]: no block has such a projection",
            ),
        ] {
            let config = TransformerConfig { adapter: Some(adapter), ..preset("stories260k").unwrap() };
            let error = config.validate().unwrap_err().to_string();
            assert!(error.starts_with(message), "{error}");
        }
        let adapter = Some(AdapterConfig { rank: 172, targets: vec![Projection::Down], ..plain() });
        TransformerConfig { adapter, ..preset("stories260k").unwrap() }.validate().unwrap();
    }

    #[test]
    fn all_bad_values_are_named_at_once() {
        let good = preset("stories260k").unwrap();
        let bad = TransformerConfig { heads: 7, kv_heads: 3, dropout: 2.0, init_std: 0.0, ..good };
        let fields: Vec<String> =
            bad.faults().iter().map(|fault| fault.to_string().split(' ').next().unwrap().to_string()).collect();
        assert_eq!(fields, ["model.heads", "model.kv_heads", "model.init_std", "model.dropout"]);
    }

    /// In a browser, where a usize has 32 bits: models that fit there are taken, others are not.
    #[test]
    fn a_browser_addresses_less() {
        let browser = u32::MAX as usize;
        for name in ["stories260k", "shakespeare-gpu", "gpt2", "gpt2-large"] {
            preset(name).unwrap().faulty_extent(browser).map_or(Ok(()), Err).unwrap();
        }
        let error = preset("gpt2-xl").unwrap().faulty_extent(browser).unwrap().to_string();
        assert_eq!(
            error,
            "model.width = 1600: gives 6230444800 bytes of parameters, more than this machine can address"
        );
    }
}
