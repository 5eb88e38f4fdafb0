//! The same global batch gives the same curve however it is cut, even where masks are unequal.

use std::sync::Arc;

use burn::tensor::Device;
use hearth_data::{Batch, Batches, IGNORED, Rows, TokenizerKind, Tokens};
use hearth_model::{TransformerConfig, preset};
use hearth_train::{
    guard::Ceiling,
    optim::{OptimizerConfig, Schedule, ScheduleKind},
    step::{StepOptions, Trainer},
    walk::Walk,
};
use hearth_wgsl::each_device;

const TEXT: &str = include_str!("../../examples/shakespeare/input.txt");
const TIME: usize = 24;
const ROWS: usize = 12;

/// The losses of ten steps of `ROWS` sequences, cut into `parts` micro-batches.
fn losses(parts: usize, device: &Device) -> Vec<f32> {
    let text = &TEXT[..20_000];
    let tokenizer = TokenizerKind::Char.build(text).unwrap();
    let tokens = Tokens::new(tokenizer.encode(text).unwrap()).unwrap();
    let batches = Batches::new(Rows::windows(Arc::new(tokens), TIME, 0, 1).unwrap());
    let config = TransformerConfig {
        vocab_size: tokenizer.vocab_size(),
        context_length: TIME,
        layers: 2,
        width: 32,
        heads: 4,
        kv_heads: 2,
        ffn_width: 64,
        ..preset("stories260k").unwrap()
    };
    let options = StepOptions {
        optimizer: OptimizerConfig::default(),
        schedule: Schedule { kind: ScheduleKind::Constant, warmup_steps: 0, ..Schedule::default() },
        total_steps: 10,
        seed: 0,
    };
    let walk = Walk::new(&config, TIME, device);
    let mut trainer = Trainer::new(config.init(0, &device.clone().autodiff()).unwrap(), walk, options);
    (0..10)
        .map(|step| {
            let rows = ROWS / parts;
            let first = |part: usize| step * ROWS as u64 + (part * rows) as u64;
            let micro: Vec<Batch> = (0..parts)
                .map(|part| masked(batches.batch(first(part)..first(part) + rows as u64).unwrap(), first(part)))
                .collect();
            trainer.step(step, &micro, &Ceiling::FINITE).loss.into_data().iter::<f32>().next().unwrap()
        })
        .collect()
}

/// Takes more targets out of some sequences than of others, by their number in the stream.
fn masked(mut batch: Batch, first: u64) -> Batch {
    for row in 0..batch.rows {
        let skipped = (first as usize + row) % ROWS * 2;
        batch.targets[row * batch.time..][..skipped].fill(IGNORED);
    }
    batch
}

each_device! {
    fn one_times_twelve_is_three_times_four(device) {
        let whole = losses(1, &device);
        assert!(whole[9] < whole[0] - 0.2, "it learns: {whole:?}");
        for (step, (cut, whole)) in losses(3, &device).iter().zip(&whole).enumerate() {
            assert!((cut - whole).abs() <= 1e-6 * whole, "step {step}: {cut} is not {whole}");
        }
    }
}
