//! A batch on the device.

use burn::tensor::{Device, Int, Tensor, TensorData};
use hearth_data::Batch;

/// One micro-batch on the device.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct MicroBatch {
    /// Token ids `[B, T]`.
    pub inputs: Tensor<2, Int>,
    /// The id that follows each position, `[B*T]`; negative where it does not count.
    pub targets: Tensor<1, Int>,
    /// For rows of several documents: which of them each position belongs to, and where in it, both `[B, T]`.
    pub packing: Option<[Tensor<2, Int>; 2]>,
    /// The largest of all ids, known on the host: on the device nothing could refuse it.
    pub(super) largest_id: i32,
}

impl MicroBatch {
    /// Copies a batch to `device`. Its values are looked at here, on the host.
    ///
    /// # Panics
    /// If one of the batch's lists has not `rows * time` entries, an input is negative, or a position is outside of
    /// `0..time`.
    pub fn new(batch: &Batch, device: &Device) -> Self {
        let Batch { inputs, targets, rows, time, packing } = batch;
        let shape = [*rows, *time];
        check_values("inputs", inputs, shape, 0..=i32::MAX);
        check_values("targets", targets, shape, i32::MIN..=i32::MAX);
        if let Some(packing) = packing {
            check_values("documents", &packing.documents, shape, i32::MIN..=i32::MAX);
            check_values("positions", &packing.positions, shape, 0..=*time as i32 - 1);
        }
        let device = &device.clone().without_autodiff();
        let grid = |values: &Vec<i32>| Tensor::from_data(TensorData::new(values.clone(), shape), device);
        Self {
            inputs: grid(inputs),
            packing: packing.as_ref().map(|packed| [grid(&packed.documents), grid(&packed.positions)]),
            targets: Tensor::from_data(TensorData::new(targets.clone(), [rows * time]), device),
            largest_id: inputs.iter().chain(targets).copied().max().unwrap_or(0),
        }
    }
}

fn check_values(name: &str, values: &[i32], [rows, time]: [usize; 2], allowed: std::ops::RangeInclusive<i32>) {
    assert!(
        values.len() == rows * time,
        "MicroBatch::new: {name} has {} entries, and a batch of {rows} x {time} has {}",
        values.len(),
        rows * time
    );
    if let Some(at) = values.iter().position(|value| !allowed.contains(value)) {
        panic!(
            "MicroBatch::new: {name}[{}, {}] is {}, not from {} to {}",
            at / time,
            at % time,
            values[at],
            allowed.start(),
            allowed.end()
        );
    }
}
