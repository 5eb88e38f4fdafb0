//! Rotary position embedding (Su et al. 2021, arXiv 2104.09864, section 3.2.2).

use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::{RopeLayout, TransformerConfig};

/// Rotates pairs of channels by an angle that grows with the position.
///
/// With `turn` the matrix that sends each pair `(a, b)` to `(-b, a)`, the rotation is `x * cos + (x turn) * sin`.
/// The two layouts differ in which channels are a pair, so only in `turn` and in the order of the angles.
#[derive(Clone, Debug)]
pub(crate) struct Rope {
    /// `[B, T, 1, D]`, or `[1, T, 1, D]` where all sequences have the same positions.
    cos: Tensor<4>,
    /// As `cos`.
    sin: Tensor<4>,
    /// `[1, 1, D, D]`
    turn: Tensor<4>,
}

impl Rope {
    /// Rotations for the positions `start .. start + time`.
    pub fn new(config: &TransformerConfig, start: usize, time: usize, device: &Device) -> Self {
        let width = config.head_width();
        let half = width / 2;
        // For pair `i`: its two channels.
        let pair = |i: usize| match config.rope_layout {
            RopeLayout::Half => (i, i + half),
            RopeLayout::Interleaved => (2 * i, 2 * i + 1),
        };
        let mut cos = vec![0f32; time * width];
        let mut sin = vec![0f32; time * width];
        let mut turn = vec![0f32; width * width];
        for i in 0..half {
            let (a, b) = pair(i);
            // (x turn)[a] = -x[b] and (x turn)[b] = x[a]
            turn[b * width + a] = -1.0;
            turn[a * width + b] = 1.0;
            let frequency = config.rope_base.powf(-2.0 * i as f64 / width as f64);
            for t in 0..time {
                let angle = (start + t) as f64 * frequency;
                for channel in [a, b] {
                    cos[t * width + channel] = angle.cos() as f32;
                    sin[t * width + channel] = angle.sin() as f32;
                }
            }
        }
        let table = |values| Tensor::from_data(TensorData::new(values, [1, time, 1, width]), device);
        let turn = Tensor::from_data(TensorData::new(turn, [1, 1, width, width]), device);
        Self { cos: table(cos), sin: table(sin), turn }
    }

    /// Rotations for the positions `[B, T]`, which must be among those of `self` when it starts at 0.
    pub fn at(&self, positions_bt: Tensor<2, Int>) -> Self {
        let [b, t] = positions_bt.dims();
        let flat = positions_bt.reshape([b * t]);
        let rows = |table: &Tensor<4>| {
            let [.., width] = table.dims();
            table.clone().select(1, flat.clone()).reshape([b, t, 1, width])
        };
        Self { cos: rows(&self.cos), sin: rows(&self.sin), turn: self.turn.clone() }
    }

    /// Rotates queries or keys `[B, T, H, D]`.
    pub fn apply(&self, x_bthd: Tensor<4>) -> Tensor<4> {
        let turned = x_bthd.clone().matmul(self.turn.clone());
        x_bthd * self.cos.clone() + turned * self.sin.clone()
    }
}
