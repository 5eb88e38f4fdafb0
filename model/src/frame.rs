//! What all blocks of one pass share and no block learns: rotations and masks for the positions at hand.

use burn::tensor::{Device, Tensor, TensorData};

use crate::{Positions, TransformerConfig, rope::Rope};

/// Added to a masked score. Finite, because WGSL does not promise infinities; its exponential is 0 all the same.
const MASKED: f32 = -1e30;

/// Constants for queries at the positions `start .. start + time` that attend to the keys `0 .. start + time`.
///
/// Made once for a shape and reused by every block and every step of that shape. On the device without autodiff.
#[derive(Clone, Debug)]
pub struct Frame {
    pub(crate) rope: Option<Rope>,
    /// `[T, S]` for each distinct window of the model; the window is beside it.
    masks: Vec<(Option<usize>, Tensor<2>)>,
}

impl Frame {
    /// Builds the constants.
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
        let mut masks: Vec<(Option<usize>, Tensor<2>)> = Vec::new();
        for layer in 0..config.layers {
            let window = config.window(layer);
            if masks.iter().all(|(known, _)| *known != window) {
                masks.push((window, causal_mask(start, time, window, device)));
            }
        }
        Self { rope: (config.positions == Positions::Rope).then(|| Rope::new(config, start, time, device)), masks }
    }

    /// The additive mask `[T, S]` for layers with this window.
    pub(crate) fn mask(&self, window: Option<usize>) -> Tensor<2> {
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
