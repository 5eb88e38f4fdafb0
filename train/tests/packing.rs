//! Packed documents do not see each other: losses and gradients are those of each document alone.

use std::sync::Arc;

use burn::{module::Module, tensor::Device};
use hearth_data::{Batch, Batches, IGNORED, Rows, Tokens};
use hearth_model::{TransformerConfig, preset};
use hearth_train::{
    optim::{OptimizerConfig, Schedule},
    step::{StepOptions, Trainer},
    walk::{Activations, Placement, Policy, Walk},
};
use hearth_wgsl::each_device;

const TIME: usize = 24;
const VOCABULARY: usize = 50;
/// Of documents, in tokens; none is longer than a row has room for.
const LENGTHS: [usize; 9] = [25, 2, 9, 16, 1, 7, 12, 20, 5];

fn documents() -> Vec<Vec<u32>> {
    let token = |document: usize, at: usize| ((document * 17 + at * at * 5 + at) % VOCABULARY) as u32;
    LENGTHS.iter().enumerate().map(|(k, &length)| (0..length).map(|at| token(k, at)).collect()).collect()
}

/// All documents, packed.
fn packed() -> Batch {
    let mut end = 0;
    let ends = LENGTHS.iter().map(|&length| {
        end += length as u64;
        end
    });
    let tokens = Tokens::with_documents(documents().concat(), ends.collect()).unwrap();
    let rows = Rows::packed(Arc::new(tokens), TIME, 3).unwrap();
    let count = rows.per_epoch();
    assert!((count as usize) < LENGTHS.len(), "some rows hold several documents");
    Batches::new(rows).batch(0..count).unwrap()
}

/// A row for each document, with targets that do not count after its end.
fn apart() -> Vec<Batch> {
    let row = |document: &Vec<u32>| {
        let ids: Vec<i32> = document.iter().map(|&id| id as i32).collect();
        let padded = |ids: &[i32], with: i32| {
            let mut row = ids.to_vec();
            row.resize(TIME, with);
            row
        };
        let (inputs, targets) = (padded(&ids[..ids.len() - 1], 0), padded(&ids[1..], IGNORED));
        Batch { inputs, targets, rows: 1, time: TIME, packing: None }
    };
    documents().iter().filter(|document| document.len() > 1).map(row).collect()
}

fn check(config: &TransformerConfig, device: &Device) {
    let options =
        StepOptions { optimizer: OptimizerConfig::default(), schedule: Schedule::default(), total_steps: 1, seed: 0 };
    for policy in [Policy::keep(2), Policy::uniform(2, 1, Activations::Recompute, Placement::Device)] {
        let mut walk = Walk::new(config, TIME, device);
        walk.policy = policy;
        let trainer = Trainer::new(config.init(1, &device.clone().autodiff()).unwrap(), walk, options.clone());
        let run = |batches: &[Batch]| {
            let (loss, sink) = trainer.gradients(0, batches);
            (loss.into_data().iter::<f32>().next().unwrap(), sink.named(trainer.model()))
        };
        let (loss, gradients) = run(&[packed()]);
        let (expected_loss, expected) = run(&apart());
        assert!((loss - expected_loss).abs() < 1e-5, "{loss} is not {expected_loss}");
        for ((name, found), (_, expected)) in gradients.iter().zip(&expected) {
            let largest = expected.iter::<f32>().fold(1e-2, |largest: f32, value| largest.max(value.abs()));
            for (found, expected) in found.iter::<f32>().zip(expected.iter::<f32>()) {
                assert!((found - expected).abs() < 1e-4 * largest, "{name}: {found} is not {expected}");
            }
        }
        let model = trainer.model().valid();
        let evaluated = trainer.evaluate(&model, &packed()).into_data().iter::<f32>().next().unwrap();
        let counted = packed().counted() as f32;
        assert!((evaluated / counted - expected_loss).abs() < 1e-5, "{evaluated} / {counted} is not {expected_loss}");
    }
}

fn small(preset_name: &str) -> TransformerConfig {
    let base = preset(preset_name).unwrap();
    TransformerConfig { vocab_size: VOCABULARY, context_length: TIME, layers: 2, width: 32, heads: 4, ..base }
}

each_device! {
    /// Rotations restart with each document.
    fn llama(device) {
        check(&TransformerConfig { kv_heads: 2, ffn_width: 64, ..small("stories260k") }, &device);
    }
}

each_device! {
    /// Learned positions do too.
    fn gpt2(device) {
        check(&small("gpt2"), &device);
    }
}
