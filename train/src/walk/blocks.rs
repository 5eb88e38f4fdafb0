//! The segments between embedding and head, forward and back.

use burn::{
    module::Module,
    tensor::{Int, Tensor},
};
use hearth_model::{Block, Frame, Key, Transformer};

use super::{
    Walk,
    boundary::boundary,
    micro_batch::MicroBatch,
    offloaded::Offloaded,
    policy::{Activations, Segment},
    sink::Sink,
    tape::{Tape, fetch},
};

/// A micro-batch in flight: on its way up the segments and down again.
pub(crate) struct WalkState {
    pub(super) inputs: Tensor<2, Int>,
    pub(super) frame: Frame,
    key: Option<Key>,
    saved: Vec<Saved>,
}

/// What a segment's forward pass saves for its backward pass.
enum Saved {
    Tapes(Vec<Tape<Block>>),
    Input(Tensor<3>),
    Offloaded(Offloaded),
}

impl WalkState {
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
    pub(crate) fn begin(&self, batch: MicroBatch, key: Option<Key>, scale: f64) -> (WalkState, Tensor<1, Int>) {
        self.check_batch("Walk", &batch);
        let frame = match batch.packing {
            Some([documents, positions]) => self.frame.packed(documents, positions),
            None => self.frame.clone(),
        };
        let frame = frame.with_balance(self.balance * scale).with_tokens(batch.inputs.clone());
        (WalkState { inputs: batch.inputs, frame, key, saved: Vec::new() }, batch.targets)
    }

    /// The blocks, forward.
    pub(crate) fn forward_blocks(&self, model: &Transformer, state: &mut WalkState, mut x_btc: Tensor<3>) -> Tensor<3> {
        for segment in &self.policy.segments {
            let (saved, output) = self.forward(model, segment, x_btc, &state.frame, state.key);
            x_btc = output;
            if let Some(Saved::Offloaded(earlier)) = state.saved.last_mut() {
                earlier.settle();
            }
            state.saved.push(saved);
        }
        x_btc
    }

    /// The blocks, backward: from the gradient of their output to that of their input.
    pub(crate) fn backward_blocks(
        &self,
        model: &Transformer,
        state: &mut WalkState,
        mut gradient_btc: Tensor<3>,
        sink: &mut Sink,
    ) -> Tensor<3> {
        let saved = std::mem::take(&mut state.saved);
        for (segment, saved) in self.policy.segments.iter().zip(saved).rev() {
            let tapes = match saved {
                Saved::Tapes(tapes) => tapes,
                Saved::Input(input) => self.record(model, segment, input, &state.frame, state.key),
                Saved::Offloaded(input) => self.record(model, segment, input.restore(), &state.frame, state.key),
            };
            for tape in tapes.into_iter().rev() {
                gradient_btc = tape.backward(gradient_btc, segment.parameters, sink);
            }
        }
        gradient_btc
    }

    /// A segment's output, and what its policy saves for the backward pass.
    fn forward(
        &self,
        model: &Transformer,
        segment: &Segment,
        input: Tensor<3>,
        frame: &Frame,
        key: Option<Key>,
    ) -> (Saved, Tensor<3>) {
        if segment.activations == Activations::Keep {
            let tapes = self.record(model, segment, input, frame, key);
            let output = tapes.last().expect("a segment has blocks").output();
            return (Saved::Tapes(tapes), output);
        }
        // Off the tape the same operations run in the same order, so a tape that is made later has the same bits.
        let mut x_btc = input.clone();
        for layer in segment.blocks.clone() {
            let block = fetch(&model.blocks[layer], segment.parameters, &self.device).valid();
            x_btc = block.forward(x_btc, frame, self.block_key(key, layer));
            boundary(&self.device);
        }
        let saved = match segment.activations {
            Activations::Offload => Saved::Offloaded(Offloaded::new(input)),
            _ => Saved::Input(input),
        };
        (saved, x_btc)
    }

    /// Runs a segment's blocks, each on a tape of its own.
    fn record(
        &self,
        model: &Transformer,
        segment: &Segment,
        input: Tensor<3>,
        frame: &Frame,
        key: Option<Key>,
    ) -> Vec<Tape<Block>> {
        let mut x_btc = input;
        let mut tapes = Vec::with_capacity(segment.blocks.len());
        for layer in segment.blocks.clone() {
            let block = fetch(&model.blocks[layer], segment.parameters, &self.device);
            let key = self.block_key(key, layer);
            let tape = Tape::record(block, x_btc, |block, x| block.forward(x, frame, key));
            x_btc = tape.output();
            tapes.push(tape);
        }
        tapes
    }

    /// Where a block's dropout masks come from; the embedding has number 0.
    fn block_key(&self, key: Option<Key>, layer: usize) -> Option<Key> {
        key.map(|key| key.fold_in((self.first_layer + layer) as u64 + 1))
    }

    /// The blocks forward only, as [`Walk::evaluate`].
    pub(crate) fn blocks(&self, model: &Transformer, mut x_btc: Tensor<3>, frame: &Frame) -> Tensor<3> {
        for block in &model.blocks {
            x_btc = block.clone().to_device(&self.device).forward(x_btc, frame, None);
        }
        x_btc
    }
}
