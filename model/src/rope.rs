//! Rotary position embedding (Su et al. 2021, arXiv 2104.09864, section 3.2.2).

use std::{f64::consts::TAU, ops::Range};

use burn::tensor::{Device, Int, Tensor, TensorData};
use hearth_wgsl::rotate;

use crate::{RopeLayout, RopeScaling, Rotation, TransformerConfig};

/// Rotates pairs of channels by an angle that grows with the position.
#[derive(Clone, Debug)]
pub(crate) struct Rope {
    /// `[B, T, D / 2]`, or `[1, T, D / 2]` where all sequences have the same positions.
    cosines: Tensor<3>,
    /// As `cosines`.
    sines: Tensor<3>,
    interleaved: bool,
}

/// By how much the pairs of a head's channels turn.
#[derive(Clone, Debug)]
pub(crate) struct Frequencies {
    /// Radians from a position to the next, `[D / 2]`.
    pub radians: Vec<f64>,
    /// What is turned is multiplied by this.
    pub length: f64,
}

impl Frequencies {
    /// Those of a model's blocks with such a rotation.
    pub fn new(config: &TransformerConfig, rotation: Rotation) -> Self {
        let width = config.rope_width();
        let of_base = |base: f64| (0..width / 2).map(|i| base.powf(-2.0 * i as f64 / width as f64)).collect();
        let plain = |base| Self { radians: of_base(base), length: 1.0 };
        match rotation {
            Rotation::Local => plain(config.local_rope_base.unwrap_or(config.rope_base)),
            Rotation::Global => match config.rope_scaling {
                Some(scaling) => plain(config.rope_base).scaled(scaling, config.rope_base),
                None => plain(config.rope_base),
            },
        }
    }

    fn scaled(self, scaling: RopeScaling, base: f64) -> Self {
        let Self { radians, .. } = self;
        let pairs = radians.len();
        let each = |by: &dyn Fn(usize, f64) -> f64| radians.iter().enumerate().map(|(i, it)| by(i, *it)).collect();
        match scaling {
            RopeScaling::Linear { factor } => Self { radians: each(&|_, it| it / factor), length: 1.0 },
            RopeScaling::Llama3 {
                factor,
                low_frequency_factor: low,
                high_frequency_factor: high,
                original_context,
            } => {
                let blend = |_, it: f64| {
                    let turns = original_context as f64 * it / TAU;
                    // 0 for slow pairs, 1 for fast ones.
                    let fast = ((turns - low) / (high - low)).clamp(0.0, 1.0);
                    fast * it + (1.0 - fast) * it / factor
                };
                Self { radians: each(&blend), length: 1.0 }
            }
            RopeScaling::Yarn { factor, original_context, beta_fast, beta_slow, attention_factor } => {
                // The pair, as a fraction, that turns so often in the original context.
                let pair = |turns: f64| pairs as f64 * (original_context as f64 / (turns * TAU)).ln() / base.ln();
                let first = pair(beta_fast).floor().max(0.0);
                let last = pair(beta_slow).ceil().min(2.0 * pairs as f64 - 1.0);
                let span = if last == first { 1e-3 } else { last - first };
                let blend = |i: usize, it: f64| {
                    let slow = ((i as f64 - first) / span).clamp(0.0, 1.0);
                    (1.0 - slow) * it + slow * it / factor
                };
                let length = attention_factor.unwrap_or(if factor > 1.0 { 0.1 * factor.ln() + 1.0 } else { 1.0 });
                Self { radians: each(&blend), length }
            }
        }
    }

    /// The cosines, or the sines, at a position.
    pub fn at(&self, position: usize, of: fn(f64) -> f64) -> impl Iterator<Item = f32> {
        self.radians.iter().map(move |by| (self.length * of(position as f64 * by)) as f32)
    }
}

impl Rope {
    /// Rotations for the positions `start .. start + time`.
    pub fn new(config: &TransformerConfig, rotation: Rotation, positions: Range<usize>, device: &Device) -> Self {
        let frequencies = Frequencies::new(config, rotation);
        let shape = [1, positions.len(), frequencies.radians.len()];
        let table = |of: fn(f64) -> f64| {
            let values: Vec<f32> = positions.clone().flat_map(|at| frequencies.at(at, of)).collect();
            Tensor::from_data(TensorData::new(values, shape), device)
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
