//! The decoder against the model's own forward pass, for every option of a configuration.

use burn::tensor::{Device, Int, Tensor};

use super::Decoder;
use crate::{
    Activation, NormKind, NormPlacement, Positions, QkNormOver, RopeLayout, RopeScaling, Transformer, TransformerConfig,
};

const IDS: [u32; 9] = [3, 1, 4, 1, 5, 22, 2, 6, 0];

/// Small enough for a test, with weights large enough that each part of a block counts.
fn llama() -> TransformerConfig {
    TransformerConfig { init_std: 0.3, ..TransformerConfig::llama(23, 12, 2, 24, 4) }
}

fn gpt2() -> TransformerConfig {
    TransformerConfig { init_std: 0.3, ..TransformerConfig::gpt2(23, 12, 2, 24, 4) }
}

/// Biases, shifts and scales that are not what they begin with.
fn model(config: &TransformerConfig) -> Transformer {
    struct Change(f32);

    impl burn::module::ModuleMapper for Change {
        fn map_float<const D: usize>(
            &mut self,
            param: burn::module::Param<Tensor<D>>,
        ) -> burn::module::Param<Tensor<D>> {
            self.0 += 1.0;
            let by = self.0;
            let [width] = [param.dims()[D - 1]];
            param.map(|x| {
                if D == 1 {
                    x + (Tensor::arange(0..width as i64, &Device::flex()).float() * by).sin().unsqueeze()
                } else {
                    x
                }
            })
        }
    }

    burn::module::Module::map(config.init(1, &Device::flex()).unwrap(), &mut Change(0.0))
}

fn tensor(ids: &[u32]) -> Tensor<2, Int> {
    Tensor::<1, Int>::from_ints(ids, &Device::flex()).unsqueeze()
}

/// The logits of each step, the first `read` tokens by the model, are those of the forward pass over all of them.
fn assert_same(config: &TransformerConfig, read: usize) {
    let model = model(config);
    let expected = model.logits(tensor(&IDS)).into_data();
    let expected: Vec<f32> = expected.iter().collect();
    let mut decoder = Decoder::new(&model, IDS.len()).expect("a model on the CPU");
    let mut logits = vec![0.0; config.vocab_size];
    if read > 0 {
        let mut cache = vec![None; config.layers];
        model.next_logits(tensor(&IDS[..read]), 0, &mut cache);
        assert!(decoder.begin(&cache, read));
    }
    for (at, id) in IDS.iter().enumerate().skip(read) {
        let expected = &expected[at * config.vocab_size..][..config.vocab_size];
        let size = expected.iter().fold(0f32, |most, value| most.max(value.abs()));
        decoder.step(*id, &mut logits);
        for (found, expected) in logits.iter().zip(expected) {
            assert!((found - expected).abs() <= 1e-5 * size, "{found} is not {expected}, at {at} of {config:?}");
        }
    }
}

#[test]
fn steps_are_those_of_the_model_for_every_option() {
    let options = [
        llama(),
        gpt2(),
        TransformerConfig { kv_heads: 2, ..llama() },
        TransformerConfig { kv_heads: 1, head_width: 10, ffn_width: 33, ..llama() },
        TransformerConfig { norm: NormKind::Layer, ..llama() },
        TransformerConfig { bias: true, ..llama() },
        TransformerConfig { tied: true, ..llama() },
        TransformerConfig { qk_norm: true, bias: true, ..llama() },
        TransformerConfig { rope_layout: RopeLayout::Interleaved, rope_base: 100.0, ..llama() },
        TransformerConfig { positions: Positions::Learned, ..llama() },
        TransformerConfig { mlp: Activation::Gelu, ..llama() },
        TransformerConfig { mlp: Activation::ReluSquared, ..llama() },
        TransformerConfig { sliding_window: vec![3, 0], ..llama() },
        TransformerConfig { sliding_window: vec![3], ..llama() },
        TransformerConfig { attention_softcap: Some(0.7), sliding_window: vec![0, 4], kv_heads: 2, ..llama() },
        TransformerConfig { logit_softcap: Some(1.5), ..llama() },
        TransformerConfig {
            norm_placement: NormPlacement::After,
            qk_norm: true,
            qk_norm_over: QkNormOver::Heads,
            ..llama()
        },
        TransformerConfig {
            norm_placement: NormPlacement::Both,
            mlp: Activation::Geglu,
            embedding_scale: 4.0,
            attention_scale: Some(0.3),
            local_rope_base: Some(50.0),
            sliding_window: vec![3, 0],
            qkv_bias: true,
            ..llama()
        },
        TransformerConfig {
            rope_layers: vec![true, false],
            rope_scaling: Some(RopeScaling::Linear { factor: 3.0 }),
            ..llama()
        },
        TransformerConfig { attention_sinks: true, sliding_window: vec![3, 0], ..llama() },
        TransformerConfig { value_embeddings: 2, kv_heads: 2, vocab_shard_bytes: 4 * 24 * 6, ..llama() },
        TransformerConfig {
            value_embeddings: 1,
            attention_sinks: true,
            attention_softcap: Some(0.7),
            width: 8,
            ..llama()
        },
        TransformerConfig { norm_eps: 0.1, dropout: 0.5, ..llama() },
        TransformerConfig { vocab_shard_bytes: 4 * 24 * 6, ..llama() },
        TransformerConfig { norm: NormKind::Rms, bias: false, tied: false, vocab_shard_bytes: 4 * 24 * 6, ..gpt2() },
        TransformerConfig { positions: Positions::Rope, mlp: Activation::Swiglu, kv_heads: 2, qk_norm: true, ..gpt2() },
    ];
    for config in &options {
        [0, 1, 4].into_iter().for_each(|read| assert_same(config, read));
    }
}

/// So wide that all threads share a product.
#[test]
fn a_wide_model_has_the_same_steps() {
    let config = TransformerConfig { width: 256, ffn_width: 1024, layers: 1, init_std: 0.05, ..llama() };
    assert_same(&config, 4);
}

#[test]
fn a_model_elsewhere_has_no_decoder() {
    let model = llama().init(1, &Device::flex()).unwrap();
    assert!(hearth_wgsl::without_kernels(|| Decoder::new(&model, 4)).is_none());
    let taped = llama().init(1, &Device::flex().autodiff()).unwrap();
    assert!(Decoder::new(&taped, 4).is_none());
}
