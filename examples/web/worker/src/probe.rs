//! How long a step takes here.

use std::sync::Arc;

use hearth_data::{Batches, Rows, Tokens};
use hearth_train::{
    Engine, Origin, TrainConfig, TrainError,
    engine::{Alone, Data},
    guard::Ceiling,
    readback::Readback,
    session::StepOrder,
};

use crate::{device::WorkerDevice, platform::Platform};

/// Steps that are taken: in the first two kernels are made and memory is found.
const STEPS: u64 = 6;
const FIRST: u64 = 2;
/// Seconds after which no other step is begun.
const LONG_ENOUGH: f64 = 2.0;

/// Seconds of a step of `config`, whose tokens are any.
///
/// # Errors
/// No plan that fits; a device that fails.
pub async fn seconds_per_step(
    config: &Arc<TrainConfig>,
    device: &WorkerDevice,
    platform: &dyn Platform,
) -> Result<f64, TrainError> {
    let vocabulary = config.model.vocab_size as u64;
    let rows = config.batch.micro_batch * config.batch.accumulation + 1;
    let ids = (0..(rows * (config.model.context_length + 1)) as u64).map(|at| (at * at % vocabulary) as u32).collect();
    let rows = Rows::windows(Arc::new(Tokens::new(ids)?), config.model.context_length, 0, config.seed)?;
    let data = Data { train: Batches::new(rows), validation: Vec::new() };
    let mut engine = Alone::new(config.clone(), data, &device.device, &device.limits, device.flops, None)?;
    engine.begin(&Origin::Seed)?;
    let mut fastest = f64::INFINITY;
    let mut begun = platform.now();
    for step in 0..STEPS {
        platform.breathe().await;
        let before = platform.now();
        let order = StepOrder { step, data: step, ceiling: Ceiling::FINITE, loss_factor: 1.0 };
        let loss = engine.step(order)?.outcome.loss;
        Readback::new(loss).data().await.map_err(TrainError::of_device)?;
        let seconds = (platform.now() - before).as_secs_f64();
        if step == 0 {
            // A GPU makes its kernels now, which says nothing of the steps to come.
            begun = platform.now();
            continue;
        }
        let is_late = (platform.now() - begun).as_secs_f64() > LONG_ENOUGH;
        if step >= FIRST || is_late {
            fastest = fastest.min(seconds);
        }
        if is_late {
            break;
        }
    }
    Ok(fastest)
}
