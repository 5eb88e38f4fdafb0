//! Parameters and floating-point operations, counted from the configuration without allocating anything: sums over what the
//! layers tell.

use crate::{LayerShape, ModelShape, Site, TransformerConfig};

/// Parameters of a model, by where they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ParameterCount {
    /// Token embedding, and learned positions where there are any.
    pub embedding: usize,
    /// All blocks.
    pub blocks: usize,
    /// Final norm, and the output matrix where it is not tied.
    pub head: usize,
    /// All segments together; a tied matrix counts once.
    pub total: usize,
    /// Those that one token uses: all, but for the experts that it is not sent to.
    pub active: usize,
}

/// Floating-point operations for one sequence, a multiply and an add counted as two.
///
/// Matrix products only, attention over all `T * T` scores, as nanoGPT and the PaLM report (appendix B) count for MFU.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Flops {
    /// Forward pass.
    pub forward: f64,
    /// Forward and backward: three times the forward pass, but for gradients of weights beside which adapters are trained.
    pub training: f64,
}

impl ParameterCount {
    /// Counts the parameters of `config`, which must be valid; more than a `usize` holds count as its largest value.
    pub fn of(config: &TransformerConfig) -> Self {
        let shape = ModelShape::of(config, &Site::of_sequence(1));
        let clamped = |count: u128| usize::try_from(count).unwrap_or(usize::MAX);
        let total = Self::exact(&shape);
        let idle: u128 = shape.blocks().map(|block| block.idle).sum();
        Self {
            embedding: clamped(shape.embedding.count()),
            blocks: clamped(shape.blocks().map(LayerShape::count).sum()),
            head: clamped(shape.head.count()),
            total: clamped(total),
            active: clamped(total - idle),
        }
    }

    /// All of a model whose tensors have `2^64` elements at most, however many layers there are.
    pub(crate) fn exact(shape: &ModelShape) -> u128 {
        shape.embedding.count() + shape.blocks().map(LayerShape::count).sum::<u128>() + shape.head.count()
    }
}

impl Flops {
    /// Counts the operations for one sequence of `time` tokens.
    pub fn per_sequence(config: &TransformerConfig, time: usize) -> Self {
        let shape = ModelShape::of(config, &Site::of_sequence(time));
        let forward = shape.blocks().map(|block| block.flops).sum::<f64>() + shape.head.flops;
        Self { forward, training: 3.0 * forward - frozen_gradients(config, &shape, time) }
    }
}

/// Operations that gradients of weights would take which are frozen beside adapters.
fn frozen_gradients(config: &TransformerConfig, shape: &ModelShape, time: usize) -> f64 {
    if config.adapter.is_none() {
        return 0.0;
    }
    let blocks = shape.blocks().flat_map(|block| &block.parameters);
    let matrices = blocks.filter(|it| it.shape.len() == 2 && !it.name.contains(".adapter."));
    let head = config.vocab_size as f64 * config.width as f64;
    2.0 * time as f64 * (matrices.map(|it| it.elements() as f64).sum::<f64>() + head)
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

    /// A router's biases, which Hearth has in every model with experts, are not among published numbers.
    #[test]
    fn experts_are_counted_as_published() {
        let mixtral = TransformerConfig {
            kv_heads: 8,
            ffn_width: 14_336,
            experts: 8,
            ..TransformerConfig::llama(32_000, 32_768, 32, 4096, 32)
        };
        let qwen3 = TransformerConfig {
            kv_heads: 4,
            head_width: 128,
            qk_norm: true,
            experts: 128,
            experts_per_token: 8,
            expert_width: 768,
            ..TransformerConfig::llama(151_936, 40_960, 48, 2048, 32)
        };
        let deepseek_v2_lite = TransformerConfig {
            head_width: 128,
            kv_rank: 512,
            rope_head_width: 64,
            value_head_width: 128,
            ffn_width: 10_944,
            experts: 64,
            experts_per_token: 6,
            shared_experts: 2,
            expert_width: 1408,
            dense_layers: 1,
            ..TransformerConfig::llama(102_400, 163_840, 27, 2048, 16)
        };
        for (config, total, active) in [
            (mixtral, 46_702_792_704, 12_879_925_248),
            (qwen3, 30_532_122_624, 3_353_032_704),
            (deepseek_v2_lite, 15_706_484_224, 2_661_150_208),
        ] {
            let count = ParameterCount::of(&config);
            let biases = (config.layers - config.dense_layers) * config.experts;
            assert_eq!((count.total - biases, count.active - biases), (total, active));
        }
    }

    #[test]
    fn flops_equal_nanogpts_count() {
        let config = TransformerConfig { bias: false, ..preset("gpt2").unwrap() };
        let flops = Flops::per_sequence(&config, 1024);
        assert_eq!(flops.forward, 291_648_307_200.0);
        assert_eq!(flops.training, 874_944_921_600.0);
    }
}
