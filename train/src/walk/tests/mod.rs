//! A small model and its batches, for the tests of the walk.

mod evaluate;
mod outlet;
mod sink;

use burn::{module::Module, tensor::Device};
use hearth_data::Batch;
use hearth_model::{Transformer, TransformerConfig, preset};

use super::{MicroBatch, Sink, Walk};

const TIME: usize = 6;
const VOCABULARY: usize = 11;

/// Two blocks of a Llama (with a head of its own) or of a GPT-2 (tied), with the vocabulary in three shards.
fn config(family: &str) -> TransformerConfig {
    TransformerConfig {
        vocab_size: VOCABULARY,
        context_length: TIME,
        layers: 2,
        width: 8,
        heads: 2,
        kv_heads: 2,
        ffn_width: 12,
        vocab_shard_bytes: 4 * 8 * size_of::<f32>(),
        ..preset(family).expect("there is such a preset")
    }
}

fn model(config: &TransformerConfig, walk: &Walk) -> Transformer {
    walk.place(config.init(1, &Device::flex()).expect("a model can have this shape"))
}

/// Two rows, other ones for each `number`.
fn micro_batch(number: usize, device: &Device) -> MicroBatch {
    let ids = |step: usize| (0..2 * TIME).map(|at| ((at * at + number * 5 + step * 3) % VOCABULARY) as i32).collect();
    MicroBatch::new(&Batch { inputs: ids(1), targets: ids(2), rows: 2, time: TIME, packing: None }, device)
}

/// The names of parameters that have gradients after two micro-batches, with the values.
fn gradients(walk: &Walk, model: &Transformer) -> Vec<(String, Vec<f32>)> {
    let mut sink = Sink::default();
    for number in 0..2 {
        walk.train(model, micro_batch(number, &walk.device), None, 0.5, &mut sink);
    }
    let named = sink.named(model).into_iter();
    named.map(|(name, data)| (name, data.iter::<f32>().collect())).collect()
}

fn number_of_parameters(model: &Transformer) -> usize {
    model.num_params()
}
