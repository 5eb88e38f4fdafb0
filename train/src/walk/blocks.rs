//! The segments between embedding and head, forward and back.

use std::ops::Range;

use burn::tensor::{Int, Tensor};
use hearth_model::{Block, Frame, Key, Transformer, TransformerBlock};

use super::{
    Walk,
    boundary::boundary,
    micro_batch::MicroBatch,
    offloaded::Offloaded,
    policy::{Activations, Placement, Segment},
    sink::Sink,
    tape::{Tape, fetch, is_trained},
};

/// A micro-batch in flight: on its way up the segments and down again.
pub(crate) struct WalkState<B: TransformerBlock = Block> {
    pub(super) inputs: Tensor<2, Int>,
    pub(super) frame: Frame,
    key: Option<Key>,
    saved: Vec<Saved<B>>,
    /// The first block that the way back goes through: below it nothing is trained.
    last_back: usize,
}

/// What a segment's forward pass saves for its backward pass.
enum Saved<B> {
    Nothing,
    Tapes(Vec<Tape<B>>),
    Input(Tensor<3>),
    Offloaded(Offloaded),
}

impl<B: TransformerBlock> WalkState<B> {
    /// Where the batch's positions stand.
    pub fn frame(&self) -> &Frame {
        &self.frame
    }

    /// Where the embedding's dropout mask comes from.
    pub(super) fn embedding_key(&self) -> Option<Key> {
        self.key.map(|key| key.fold_in(0))
    }
}

impl Walk {
    /// Begins with a micro-batch: what it takes along, and its targets.
    ///
    /// # Panics
    /// If the batch has windows of another length than the walk's, or ids beyond the model's vocabulary.
    pub(crate) fn begin<B: TransformerBlock>(
        &self,
        batch: MicroBatch,
        key: Option<Key>,
        scale: f64,
    ) -> (WalkState<B>, Tensor<1, Int>) {
        self.check_batch("Walk", &batch);
        let frame = match batch.packing {
            Some([documents, positions]) => self.frame.packed(documents, positions),
            None => self.frame.clone(),
        };
        let frame = frame.with_balance(self.balance * scale).with_tokens(batch.inputs.clone());
        (WalkState { inputs: batch.inputs, frame, key, saved: Vec::new(), last_back: 0 }, batch.targets)
    }

    /// The blocks, forward.
    pub(crate) fn forward_blocks<B: TransformerBlock>(
        &self,
        model: &Transformer<B>,
        state: &mut WalkState<B>,
        mut x_btc: Tensor<3>,
    ) -> Tensor<3> {
        state.last_back = self.last_back(model);
        for segment in &self.policy.segments {
            let (saved, output) = self.forward(model, segment, x_btc, state);
            x_btc = output;
            if let Some(Saved::Offloaded(earlier)) = state.saved.last_mut() {
                earlier.settle();
            }
            state.saved.push(saved);
        }
        x_btc
    }

    /// The blocks, backward: from the gradient of their output to that of their input.
    pub(crate) fn backward_blocks<B: TransformerBlock>(
        &self,
        model: &Transformer<B>,
        state: &mut WalkState<B>,
        mut gradient_btc: Tensor<3>,
        sink: &mut Sink,
    ) -> Tensor<3> {
        let saved = std::mem::take(&mut state.saved);
        for (segment, saved) in self.policy.segments.iter().zip(saved).rev() {
            let tapes = match saved {
                Saved::Nothing => break,
                Saved::Tapes(tapes) => tapes,
                Saved::Input(input) => self.record(model, segment, input, state),
                Saved::Offloaded(input) => self.record(model, segment, input.restore(), state),
            };
            for tape in tapes.into_iter().rev() {
                gradient_btc = tape.backward(gradient_btc, segment.parameters, sink);
            }
        }
        gradient_btc
    }

    /// A segment's output, and what its policy saves for the backward pass.
    fn forward<B: TransformerBlock>(
        &self,
        model: &Transformer<B>,
        segment: &Segment,
        input: Tensor<3>,
        state: &WalkState<B>,
    ) -> (Saved<B>, Tensor<3>) {
        let is_on_the_way_back = segment.blocks.end > state.last_back;
        if is_on_the_way_back && segment.activations == Activations::Keep {
            let tapes = self.record(model, segment, input, state);
            let output = tapes.last().expect("a segment has blocks").output();
            return (Saved::Tapes(tapes), output);
        }
        // Off the tape the same operations run in the same order, so a tape that is made later has the same bits.
        let x_btc = self.off_the_tape(model, segment, segment.blocks.clone(), input.clone(), state);
        let saved = match segment.activations {
            _ if !is_on_the_way_back => Saved::Nothing,
            Activations::Offload => Saved::Offloaded(Offloaded::new(input)),
            _ => Saved::Input(input),
        };
        (saved, x_btc)
    }

    /// Runs so many of a segment's blocks without a tape.
    fn off_the_tape<B: TransformerBlock>(
        &self,
        model: &Transformer<B>,
        segment: &Segment,
        blocks: Range<usize>,
        mut x_btc: Tensor<3>,
        state: &WalkState<B>,
    ) -> Tensor<3> {
        for layer in blocks {
            let block = fetch(&model.blocks[layer], segment.parameters, &self.device).valid();
            x_btc = block.forward(x_btc, &state.frame, self.block_key(state.key, layer));
            boundary(&self.device);
        }
        x_btc
    }

    /// Runs a segment's blocks, each that the way back goes through on a tape of its own.
    fn record<B: TransformerBlock>(
        &self,
        model: &Transformer<B>,
        segment: &Segment,
        input: Tensor<3>,
        state: &WalkState<B>,
    ) -> Vec<Tape<B>> {
        let first = segment.blocks.start.max(state.last_back);
        let mut x_btc = self.off_the_tape(model, segment, segment.blocks.start..first, input, state);
        let mut tapes = Vec::with_capacity(segment.blocks.len());
        for layer in first..segment.blocks.end {
            let block = fetch(&model.blocks[layer], segment.parameters, &self.device);
            let key = self.block_key(state.key, layer);
            let tape = Tape::record(block, x_btc, |block, x| block.forward(x, &state.frame, key));
            x_btc = tape.output();
            tapes.push(tape);
        }
        tapes
    }

    /// Where a block's dropout masks come from; the embedding has number 0.
    fn block_key(&self, key: Option<Key>, layer: usize) -> Option<Key> {
        key.map(|key| key.fold_in((self.first_layer + layer) as u64 + 1))
    }

    /// The first block that the way back goes through. A stage that is not the first hands its gradient on to the one before.
    fn last_back<B: TransformerBlock>(&self, model: &Transformer<B>) -> usize {
        if self.first_layer > 0 || is_trained(&model.embedding) {
            return 0;
        }
        model.blocks.iter().position(is_trained).unwrap_or(model.blocks.len())
    }

    /// The blocks forward only, as [`Walk::evaluate`].
    pub(crate) fn blocks<B: TransformerBlock>(
        &self,
        model: &Transformer<B>,
        mut x_btc: Tensor<3>,
        frame: &Frame,
    ) -> Tensor<3> {
        for (layer, block) in model.blocks.iter().enumerate() {
            let block = match self.policy.block(layer) {
                Placement::Device => block.clone(),
                Placement::Host => block.clone().to_device(&self.device),
            };
            x_btc = block.forward(x_btc, frame, None);
        }
        x_btc
    }
}
