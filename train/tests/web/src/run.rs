//! Stand-in.
use std::sync::Arc;

use burn::tensor::Device;
use hearth_data::Batch;
use hearth_model::{TransformerConfig, preset};
use hearth_train::{
    TrainError,
    checkpoint::{Description, Elsewhere, NewCheckpoint, Snapshot, Store, newest, restore},
    guard::Ceiling,
    optim::{OptimizerConfig, Schedule},
    readback::Readback,
    step::{StepOptions, Trainer},
    walk::Walk,
};

/// c
pub const CONFIG: &str = "";
/// t
pub const TEXT: &str = "";
const TIME: usize = 16;

/// Trains.
///
/// # Errors
/// e
pub async fn train(store: &Arc<dyn Store>, steps: u64) -> Result<Vec<f64>, TrainError> {
    let small = preset("stories260k").unwrap();
    let config = TransformerConfig {
        vocab_size: 32,
        context_length: TIME,
        layers: 2,
        width: 32,
        heads: 4,
        kv_heads: 2,
        ffn_width: 64,
        ..small
    };
    let device = Device::flex();
    let options =
        StepOptions { optimizer: OptimizerConfig::default(), schedule: Schedule::default(), total_steps: 9, seed: 0 };
    let model = config.init(1, &device.clone().autodiff()).unwrap();
    let mut trainer = Trainer::new(model, Walk::new(&config, TIME, &device), options);
    let mut step = 0;
    if let Some(checkpoint) = newest(store, |_, _| ())? {
        restore(&mut trainer, &checkpoint)?;
        step = checkpoint.step();
    }
    let mut losses = Vec::new();
    while step < steps {
        let token = |at: usize| (at * 5 + step as usize) as i32 % 32;
        let batch = Batch {
            inputs: (0..TIME).map(token).collect(),
            targets: (1..=TIME).map(token).collect(),
            rows: 1,
            time: TIME,
            packing: None,
        };
        let loss = trainer.step(step, &[batch], &Ceiling::FINITE).loss;
        let loss = Readback::new(loss).data().await.unwrap();
        losses.push(loss.iter::<f32>().next().unwrap().into());
        step += 1;
    }
    let mut snapshot = Snapshot::take(&trainer, Elsewhere::default());
    snapshot.arrive().await;
    let mut new = NewCheckpoint::create(store, step)?;
    snapshot.write(&mut new)?;
    new.finish(Description::default())?;
    Ok(losses)
}
