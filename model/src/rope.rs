//! Rotary position embedding (Su et al. 2021, arXiv 2104.09864, section 3.2.2).

use burn::tensor::{Device, Tensor, TensorData};

use crate::{RopeLayout, TransformerConfig};

/// Rotates pairs of channels by an angle that grows with the position.
///
/// With `turn` the matrix that sends each pair `(a, b)` to `(-b, a)`, the rotation is `x * cos + (x turn) * sin`.
/// The two layouts differ in which channels are a pair, so only in `turn` and in the order of the angles.
#[derive(Clone, Debug)]
pub(crate) struct Rope {
    /// `[T, D]`
    cos: Tensor<2>,
    /// `[T, D]`
    sin: Tensor<2>,
    /// `[D, D]`
    turn: Tensor<2>,
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
        let tensor = |values, shape: [usize; 2]| Tensor::from_data(TensorData::new(values, shape), device);
        Self { cos: tensor(cos, [time, width]), sin: tensor(sin, [time, width]), turn: tensor(turn, [width, width]) }
    }

    /// Rotates queries or keys `[B, H, T, D]`.
    pub fn apply(&self, x_bhtd: Tensor<4>) -> Tensor<4> {
        let turned = x_bhtd.clone().matmul(self.turn.clone().unsqueeze());
        x_bhtd * self.cos.clone().unsqueeze() + turned * self.sin.clone().unsqueeze()
    }
}
