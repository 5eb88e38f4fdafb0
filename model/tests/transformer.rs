//! The model as a whole: its size, its purity, and its cache.

use burn::{
    module::Module,
    tensor::{Device, Int, Tensor},
};
use hearth_model::{
    Block, Embedding, Frame, Head, Key, PRESETS, ParameterCount, TransformerBlock, TransformerConfig, preset, weights,
};
use hearth_wgsl::each_device;

/// Small enough for a test, with every option on.
fn small() -> TransformerConfig {
    TransformerConfig {
        vocab_size: 23,
        context_length: 12,
        layers: 2,
        width: 16,
        heads: 4,
        kv_heads: 2,
        ffn_width: 24,
        qk_norm: true,
        sliding_window: vec![3, 0],
        attention_softcap: Some(4.0),
        attention_sinks: true,
        value_embeddings: 1,
        vocab_shard_bytes: 23 * 16,
        dropout: 0.2,
        init_std: 0.3,
        ..preset("stories260k").unwrap()
    }
}

fn ids(device: &Device) -> Tensor<2, Int> {
    Tensor::from_ints([[3, 1, 4, 1, 5, 9, 2, 6], [22, 0, 7, 7, 1, 8, 2, 8]], device)
}

fn values<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    x.into_data().iter().collect()
}

fn assert_close(found: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() <= tolerance, "{found} is not {expected}");
    }
}

each_device! {
    /// The logits are those without a look, and the weights are what attention mixes by: they mix the values to what the block
    /// adds, see no later position and none beyond the window, and sum to 1, or to less where a sink takes the rest.
    fn a_look_shows_what_the_model_does(device) {
        for attention_sinks in [false, true] {
            let model = TransformerConfig { attention_sinks, ..small() }.init(3, &device).unwrap();
            let look = model.look(ids(&device));
            assert_close(&values(look.logits), &values(model.logits(ids(&device))), 1e-5);
            assert_eq!(look.attention.len(), 2);
            for (layer, weights_bhtt) in look.attention.into_iter().enumerate() {
                assert_eq!(weights_bhtt.dims(), [2, 4, 8, 8]);
                let window = if layer == 0 { 3 } else { 8 };
                for (row, weights) in values(weights_bhtt).chunks(8).enumerate() {
                    let (query, sum) = (row % 8, weights.iter().sum::<f32>());
                    let is_whole = (sum - 1.0).abs() < 1e-5;
                    assert!(if attention_sinks { sum > 0.0 && sum < 0.99 } else { is_whole }, "{weights:?}");
                    for (key, weight) in weights.iter().enumerate() {
                        let sees = key <= query && query < key + window;
                        assert_eq!(*weight > 0.0, sees, "{query} sees {key} by {weight}");
                    }
                }
            }
        }
    }
}

#[test]
fn counts_equal_the_modules() {
    let device = Device::flex();
    for name in PRESETS {
        // One layer and a small vocabulary of the real widths: allocating GPT-2 XL is what the count avoids.
        let config = TransformerConfig { layers: 1, vocab_size: 50, ..preset(name).unwrap() };
        assert_eq!(config.init(0, &device).unwrap().num_params(), ParameterCount::of(&config).total, "{name}");
    }
    assert_eq!(small().init(0, &device).unwrap().num_params(), ParameterCount::of(&small()).total);
}

each_device! {
    /// The same seed gives the same weights everywhere, and another seed others.
    fn initial_weights_do_not_depend_on_the_device(device) {
        let weights = |seed: u64, device: &Device| values(small().init(seed, device).unwrap().blocks[1].mlp.as_ref().unwrap().up.weight.val());
        assert_eq!(weights(4, &device), weights(4, &Device::flex()));
        assert_ne!(weights(4, &device), weights(5, &device));
    }
}

#[test]
fn a_model_without_heads_is_an_error_and_no_division() {
    let error = TransformerConfig { heads: 0, ..small() }.init(0, &Device::flex()).unwrap_err();
    assert_eq!(error.to_string(), "model.heads = 0: must be at least 1");
}

#[test]
#[should_panic(expected = "frame: model.heads = 0 of width 16: a head must have channels")]
fn a_frame_without_heads_is_refused() {
    Frame::new(&TransformerConfig { heads: 0, ..small() }, 0, 8, &Device::flex());
}

/// Layers by themselves, in the model's order: the model's weights.
#[test]
fn layers_are_made_one_by_one() {
    let (config, device) = (small(), Device::flex());
    let model = config.init(4, &device).unwrap();
    let mut init = config.initializer(4, &device).unwrap();
    let embedding = Embedding::init(&mut init);
    let blocks = [0, 1].map(|layer| Block::init(layer, &mut init));
    let head = Head::init(&mut init);
    assert_eq!(values(embedding.tokens.shards[0].val()), values(model.embedding.tokens.shards[0].val()));
    assert_eq!(
        values(blocks[1].attention.as_ref().unwrap().output.weight.val()),
        values(model.blocks[1].attention.as_ref().unwrap().output.weight.val())
    );
    assert_eq!(values(head.norm.gamma.val()), values(model.head.norm.gamma.val()));
}

each_device! {
    /// A window beyond the context, up to the largest number that can be written, sees all before it.
    fn a_large_window_is_none(device) {
        let logits = |window: usize| {
            let config = TransformerConfig { sliding_window: vec![window; 2], ..small() };
            values(config.init(1, &device).unwrap().logits(ids(&device)))
        };
        let all = logits(0);
        for window in [8, 12, u32::MAX as usize, u32::MAX as usize + 3, usize::MAX] {
            assert_eq!(logits(window), all, "window {window}");
        }
    }
}

each_device! {
    /// A later token changes no earlier logit.
    fn attention_is_causal(device) {
        let model = small().init(1, &device).unwrap();
        let logits = model.logits(ids(&device));
        let changed = Tensor::from_ints([[3, 1, 4, 1, 5, 10, 2, 6], [22, 0, 7, 7, 1, 0, 0, 0]], &device);
        let other = model.logits(changed);
        assert_eq!(values(logits.clone().narrow(1, 0, 5)), values(other.clone().narrow(1, 0, 5)));
        assert_ne!(values(logits.narrow(1, 5, 1)), values(other.narrow(1, 5, 1)));
    }
}

each_device! {
    /// Reading the tokens in pieces through the cache gives the logits of reading them at once.
    fn the_cache_continues(device) {
        let latent = TransformerConfig {
            kv_rank: 6,
            rope_head_width: 4,
            kv_heads: 0,
            qk_norm: false,
            attention_sinks: false,
            value_embeddings: 0,
            ..small()
        };
        for config in [small(), latent] {
            let model = config.init(1, &device).unwrap();
            let all = model.logits(ids(&device));
            let mut cache = vec![None; 2];
            for (start, length) in [(0, 3), (3, 1), (4, 4)] {
                let piece = ids(&device).narrow(1, start, length);
                let found = model.next_logits(piece, start, &mut cache);
                let expected = all.clone().narrow(1, start + length - 1, 1).reshape([2, 23]);
                assert_close(&values(found), &values(expected), 2e-5);
            }
        }
    }
}

each_device! {
    /// A block is a pure function of parameters, input and key, dropout included.
    fn segments_are_pure(device) {
        let model = small().init(1, &device).unwrap();
        let frame = Frame::new(&small(), 0, 8, &device).with_tokens(ids(&device));
        let x = model.embedding.forward(ids(&device), &frame, None);
        let run = |key: u64| values(model.blocks[0].forward(x.clone(), &frame, Some(Key::new(key))));
        assert_eq!(run(1), run(1));
        assert_ne!(run(1), run(2));
    }
}

#[test]
fn weights_survive_a_file_and_foreign_ones_are_refused() {
    let device = Device::flex();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let model = small().init(1, &device).unwrap();
    weights::save(&model, &path).unwrap();
    let mut other = small().init(2, &device).unwrap();
    weights::load(&mut other, &path).unwrap();
    assert_eq!(values(other.logits(ids(&device))), values(model.logits(ids(&device))));

    let load = |config: TransformerConfig, path: &std::path::Path| {
        let error = weights::load(&mut config.init(0, &device).unwrap(), path).unwrap_err().to_string();
        assert!(error.contains(&path.display().to_string()) && !error.contains('\n'), "{error}");
        error
    };
    assert!(load(TransformerConfig { layers: 3, sliding_window: vec![], ..small() }, &path).contains("blocks.2"));
    assert!(load(TransformerConfig { layers: 1, sliding_window: vec![], ..small() }, &path).contains("blocks.1"));
    assert!(load(TransformerConfig { ffn_width: 32, ..small() }, &path).contains("mlp"));
    load(small(), &folder.path().join("absent"));
    let broken = folder.path().join("broken");
    let bytes = std::fs::read(&path).unwrap();
    for cut in [0, 4, 8, 100, bytes.len() - 1] {
        std::fs::write(&broken, &bytes[..cut]).unwrap();
        load(small(), &broken);
    }
}
