//! What all blocks of one pass share and no block learns: rotations and masks for the positions at hand.

use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::{Positions, TransformerConfig, rope::Rope};

/// Added to a masked score. Finite, because WGSL does not promise infinities; its exponential is 0 all the same.
const MASKED: f32 = -1e30;

/// Where each position of a batch stands, and which others it attends to.
///
/// Made once for a shape and reused by every block and every step of that shape. On the device without autodiff.
/// What is the same for all sequences has 1 in place of `B`.
#[derive(Clone, Debug)]
pub struct Frame {
    /// The first position.
    pub(crate) start: usize,
    /// `[B, T]` where they are not consecutive from `start` on.
    pub(crate) positions: Option<Tensor<2, Int>>,
    pub(crate) rope: Option<Rope>,
    /// `[B, 1, T, S]` for each distinct window of the model; the window is beside it.
    masks: Vec<(Option<usize>, Tensor<4>)>,
}

impl Frame {
    /// For queries at the positions `start .. start + time` that attend to the keys `0 .. start + time`.
    ///
    /// # Panics
    /// If `start + time` exceeds the model's context length.
    pub fn new(config: &TransformerConfig, start: usize, time: usize, device: &Device) -> Self {
        assert!(
            start + time <= config.context_length,
            "{time} tokens from position {start} exceed the context of {}",
            config.context_length
        );
        let device = &device.clone().without_autodiff();
        let mut masks: Vec<(Option<usize>, Tensor<4>)> = Vec::new();
        for layer in 0..config.layers {
            let window = config.window(layer);
            if masks.iter().all(|(known, _)| *known != window) {
                masks.push((window, causal_mask(start, time, window, device).unsqueeze()));
            }
        }
        let rope = (config.positions == Positions::Rope).then(|| Rope::new(config, start, time, device));
        Self { start, positions: None, rope, masks }
    }

    /// The frame of rows that hold several documents: each attends to itself alone, and its positions begin at 0.
    ///
    /// `self` is the frame of plain rows of the same `T` from position 0. `documents_bt` `[B, T]` has a number for each
    /// document of a row, `positions_bt` `[B, T]` the positions within it, below `T`.
    pub fn packed(&self, documents_bt: Tensor<2, Int>, positions_bt: Tensor<2, Int>) -> Self {
        let [b, t] = documents_bt.dims();
        let others_btt = documents_bt.clone().reshape([b, t, 1]).not_equal(documents_bt.reshape([b, 1, t]));
        let others = others_btt.float().reshape([b, 1, t, t]) * MASKED;
        Self {
            rope: self.rope.as_ref().map(|rope| rope.at(positions_bt.clone())),
            masks: self.masks.iter().map(|(window, mask)| (*window, mask.clone() + others.clone())).collect(),
            start: 0,
            positions: Some(positions_bt),
        }
    }

    /// The additive mask `[B, 1, T, S]` for layers with this window.
    pub(crate) fn mask(&self, window: Option<usize>) -> Tensor<4> {
        let known = self.masks.iter().find(|(known, _)| *known == window);
        known.expect("a frame has the masks of its own model").1.clone()
    }
}

fn causal_mask(start: usize, time: usize, window: Option<usize>, device: &Device) -> Tensor<2> {
    let keys = start + time;
    let mut values = Vec::with_capacity(time * keys);
    for query in start..keys {
        let first = window.map_or(0, |window| (query + 1).saturating_sub(window));
        values.extend((0..keys).map(|key| if (first..=query).contains(&key) { 0.0 } else { MASKED }));
    }
    Tensor::from_data(TensorData::new(values, [time, keys]), device)
}
