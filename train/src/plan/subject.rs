//! What is planned for.

use std::ops::Range;

use hearth_model::{ModelShape, Site, TransformerBlock, TransformerConfig, dealt};

use super::Extent;
use crate::{TrainConfig, optim::OptimizerConfig};

/// What is planned for: a model, how it is trained, and what of it a device has.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Subject<'a> {
    /// The whole model.
    pub model: &'a TransformerConfig,
    /// Which of its parameters are trained, and what is kept of them.
    pub optimizer: &'a OptimizerConfig,
    /// Tokens of a window.
    pub time: usize,
    /// What its layers tell of themselves.
    pub(super) shape: fn(&TransformerConfig, &Site) -> ModelShape,
    /// The blocks that the device has.
    pub blocks: Range<usize>,
    /// What it has besides.
    pub extent: Extent,
}

impl<'a> Subject<'a> {
    /// All of `model` on one device, trained on windows of `time` tokens.
    pub fn new(model: &'a TransformerConfig, optimizer: &'a OptimizerConfig, time: usize) -> Self {
        Self { model, optimizer, time, shape: ModelShape::of, blocks: 0..model.layers, extent: Extent::WHOLE }
    }

    /// All of a run on one device.
    pub fn of(config: &'a TrainConfig) -> Self {
        Self::new(&config.model, &config.optimizer, config.model.context_length)
    }

    /// The same of a model whose blocks are `B`.
    pub fn of_blocks<B: TransformerBlock>(self) -> Self {
        Self { shape: ModelShape::of_blocks::<B>, ..self }
    }

    /// The experts of each block that the device has, where it is the first of those that they are dealt out over.
    pub(super) fn own_experts(&self) -> Range<usize> {
        dealt(self.model.experts, self.extent.expert_devices).swap_remove(0)
    }

    /// The same on a device that has these blocks and this extent.
    pub fn with(self, blocks: Range<usize>, extent: Extent) -> Self {
        Self { blocks, extent, ..self }
    }
}
