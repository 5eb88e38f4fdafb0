//! Parameters and floating-point operations, counted from the configuration without allocating anything.

use crate::{Activation, NormKind, Positions, TransformerConfig};

/// Parameters of a model, by where they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ParameterCount {
    /// Token embedding, and learned positions where there are any.
    pub embedding: usize,
    /// One block.
    pub block: usize,
    /// Final norm, and the output matrix where it is not tied.
    pub head: usize,
    /// All segments together; a tied matrix counts once.
    pub total: usize,
}

/// Floating-point operations for one sequence, a multiply and an add counted as two.
///
/// Matrix products only, attention over all `T * T` scores, as nanoGPT and the PaLM report (appendix B) count for MFU.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Flops {
    /// Forward pass.
    pub forward: f64,
    /// Forward and backward: three times the forward pass.
    pub training: f64,
}

impl ParameterCount {
    /// Counts the parameters of `config`, which must be valid; more than a `usize` holds count as its largest value.
    pub fn of(config: &TransformerConfig) -> Self {
        let [embedding, block, head, total] =
            Self::exact(config).map(|count| usize::try_from(count).unwrap_or(usize::MAX));
        Self { embedding, block, head, total }
    }

    /// Those of the embedding, a block, the head and all; of any number of layers whose tensors have `2^64` elements at most.
    pub(crate) fn exact(config: &TransformerConfig) -> [u128; 4] {
        let (width, ffn_width) = (config.width, config.ffn_width());
        let [c, d, f, v] = [width, config.head_width(), ffn_width, config.vocab_size].map(|size| size as u128);
        let [heads, kv_heads, layers, time] =
            [config.heads, config.kv_heads(), config.layers, config.context_length].map(|size| size as u128);
        let (queries, key_values) = (heads * d, kv_heads * d);
        let bias = u128::from(config.bias);
        let linear = |inputs: u128, outputs: u128| inputs * outputs + bias * outputs;
        let norm = match config.norm {
            NormKind::Rms => c,
            NormKind::Layer => c + bias * c,
        };
        let qk_norm = if config.qk_norm { 2 * d } else { 0 };
        let attention = linear(c, queries) + 2 * linear(c, key_values) + linear(queries, c) + qk_norm;
        let mlp = match config.mlp {
            Activation::Swiglu => 2 * linear(c, f) + linear(f, c),
            Activation::Gelu => linear(c, f) + linear(f, c),
        };
        let positions = match config.positions {
            Positions::Learned => time * c,
            Positions::Rope => 0,
        };
        let embedding = v * c + positions;
        let block = 2 * norm + attention + mlp;
        let head = norm + if config.tied { 0 } else { v * c };
        [embedding, block, head, embedding + layers * block + head]
    }
}

impl Flops {
    /// Counts the operations for one sequence of `time` tokens.
    pub fn per_sequence(config: &TransformerConfig, time: usize) -> Self {
        let [c, d, f, v, t] =
            [config.width, config.head_width(), config.ffn_width(), config.vocab_size, time].map(|size| size as f64);
        let (queries, key_values) = (config.heads as f64 * d, config.kv_heads() as f64 * d);
        let projections = 2.0 * t * c * (2.0 * queries + 2.0 * key_values);
        let matrices = match config.mlp {
            Activation::Swiglu => 3.0,
            Activation::Gelu => 2.0,
        };
        let mlp = 2.0 * t * c * f * matrices;
        let attention: f64 = (0..config.layers)
            .map(|layer| 4.0 * t * config.window(layer).map_or(t, |window| t.min(window as f64)) * queries)
            .sum();
        let forward = config.layers as f64 * (projections + mlp) + attention + 2.0 * t * c * v;
        Self { forward, training: 3.0 * forward }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preset;

    #[test]
    fn parameters_equal_the_published_counts() {
        for (name, expected) in [
            ("gpt2", 124_439_808),
            ("gpt2-medium", 354_823_168),
            ("gpt2-large", 774_030_080),
            ("gpt2-xl", 1_557_611_200),
            ("shakespeare-gpu", 10_745_088),
            ("shakespeare-cpu", 804_096),
            ("smollm2-135m", 134_515_008),
            ("stories260k", 260_032),
            ("stories15m", 15_191_712),
        ] {
            assert_eq!(ParameterCount::of(&preset(name).unwrap()).total, expected, "{name}");
        }
        let without_biases = TransformerConfig { bias: false, ..preset("gpt2").unwrap() };
        assert_eq!(ParameterCount::of(&without_biases).total, 124_337_664);
    }

    #[test]
    fn flops_equal_nanogpts_count() {
        let config = TransformerConfig { bias: false, ..preset("gpt2").unwrap() };
        let flops = Flops::per_sequence(&config, 1024);
        assert_eq!(flops.forward, 291_648_307_200.0);
        assert_eq!(flops.training, 874_944_921_600.0);
    }
}
