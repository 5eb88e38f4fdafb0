//! Rotary position embedding (Su et al. 2021, arXiv 2104.09864, section 3.2.2).

use burn::tensor::{Device, Int, Tensor, TensorData};
use hearth_wgsl::rotate;

use crate::{Positions, RopeLayout, TransformerConfig};

/// Rotates pairs of channels by an angle that grows with the position.
#[derive(Clone, Debug)]
pub(crate) struct Rope {
    /// `[B, T, D / 2]`, or `[1, T, D / 2]` where all sequences have the same positions.
    cosines: Tensor<3>,
    /// As `cosines`.
    sines: Tensor<3>,
    interleaved: bool,
}

/// Radians that each pair of a head's channels turns by from a position to the next, `[D / 2]`; none without rotation.
pub(crate) fn frequencies(config: &TransformerConfig) -> Vec<f64> {
    let width = config.rope_width();
    let pairs = if config.positions == Positions::Rope { width / 2 } else { 0 };
    (0..pairs).map(|i| config.rope_base.powf(-2.0 * i as f64 / width as f64)).collect()
}

impl Rope {
    /// Rotations for the positions `start .. start + time`.
    pub fn new(config: &TransformerConfig, start: usize, time: usize, device: &Device) -> Self {
        let frequencies = frequencies(config);
        let half = frequencies.len();
        let table = |of: fn(f64) -> f64| {
            let angles = (start..start + time).flat_map(|at| frequencies.iter().map(move |by| at as f64 * by));
            let values: Vec<f32> = angles.map(|angle| of(angle) as f32).collect();
            Tensor::from_data(TensorData::new(values, [1, time, half]), device)
        };
        let interleaved = config.rope_layout == RopeLayout::Interleaved;
        Self { cosines: table(f64::cos), sines: table(f64::sin), interleaved }
    }

    /// Rotations for the positions `[B, T]`, which must be among those of `self` when it starts at 0.
    pub fn at(&self, positions_bt: Tensor<2, Int>) -> Self {
        let [b, t] = positions_bt.dims();
        let flat = positions_bt.reshape([b * t]);
        let rows = |table: &Tensor<3>| {
            let [.., half] = table.dims();
            table.clone().select(1, flat.clone()).reshape([b, t, half])
        };
        Self { cosines: rows(&self.cosines), sines: rows(&self.sines), interleaved: self.interleaved }
    }

    /// Rotates queries `[B, T, H, D]` and keys `[B, T, K, D]`.
    pub fn apply(&self, q_bthd: Tensor<4>, k_btkd: Tensor<4>) -> (Tensor<4>, Tensor<4>) {
        rotate(q_bthd, k_btkd, self.cosines.clone(), self.sines.clone(), self.interleaved)
    }
}
