//! Bytes of what a step holds on one device: the terms that the ledger adds up.
//!
//! Every term is a count of tensors that the code of `hearth-model` and the tapes behind it hold, in f32. What counts is
//! distinct buffers: a saved input that is also another operation's result is one.

use hearth_model::{LayerShape, Positions, TransformerConfig};
use hearth_wgsl::Kernel;

use super::{
    Cut, DeviceLimits, Extent, Planner, Subject,
    size::{F32, bytes},
    weights::{Part, Weights},
};
use crate::walk::{Activations, Placement, Policy, Segment};

const MIB: u64 = 1 << 20;

/// The pool's page for tensors of at most 64 KiB (cubecl-server 0.11.3).
const SMALL_TENSORS: u64 = 8 * MIB;

/// Bytes of what a step holds, whatever its phase.
#[derive(Clone, Debug)]
pub(super) struct StepSizes {
    /// The blocks that the device has.
    pub blocks: Vec<BlockSizes>,
    /// The first of them that the walk goes back through.
    pub first_back: usize,
    /// The residual stream `[B, T, C]`.
    pub stream: u64,
    /// The embedding's parameters; none on a stage without it.
    pub embedding: Part,
    /// The head's parameters; none on a stage without it.
    pub head: Part,
    /// The token matrix [V, C] of the head.
    pub matrix: u64,
    /// The gradient of that, where it is trained.
    pub matrix_gradient: u64,
    /// Parameters that stay on the device.
    pub resident: u64,
    /// Gradients of these.
    pub gradients: u64,
    /// The last stage's copy of a tied matrix, whose gradients and optimizer state are the first stage's.
    pub tied_copy: u64,
    /// What the optimizer keeps of these: this device's shard.
    pub optimizer: u64,
    pub logits: u64,
    pub constants: u64,
    pub workspace: u64,
    /// What an update makes beside what is there.
    pub update: u64,
    /// What the pool reserves at a time: the largest tensor and at most 2 MiB more (cubecl-server 0.11.3).
    pub page: u64,
}

/// Bytes of what one block holds, for one micro-batch.
#[derive(Clone, Copy, Debug)]
pub(super) struct BlockSizes {
    /// The residual stream `[B, T, C]`.
    stream: u64,
    /// What the tape holds beyond the input.
    tape: u64,
    /// What the backward pass makes at its peak, beyond the tape and the weights' gradients.
    pub backward: u64,
    /// What the forward pass makes at its peak without a tape.
    pub forward: u64,
    /// Weights.
    parameters: u64,
    /// Gradients of those that are trained.
    pub gradients: u64,
}

/// `bytes`, if they are in device memory.
pub(super) fn on_device(placement: Placement, bytes: u64) -> u64 {
    if placement == Placement::Device { bytes } else { 0 }
}

impl StepSizes {
    /// The sizes of a step that is cut this way.
    pub fn of(planner: &Planner<'_>, cut: &Cut) -> Self {
        let Planner { subject, limits, weights, .. } = planner;
        let Subject { model, time, blocks: own, extent, .. } = subject;
        let (shape, policy) = (planner.shape(cut.micro_batch), &cut.policy);
        let stream = bytes([cut.micro_batch, *time, model.width]);
        let parts = weights.blocks.iter().zip(own.clone());
        let blocks: Vec<BlockSizes> = parts.map(|(part, at)| BlockSizes::of(shape.block(at), part, stream)).collect();
        let (embedding, head) = (weights.embedding, weights.head);
        let matrix = bytes([model.vocab_size, model.width]);
        let of_matrix = if model.tied { embedding } else { head };
        // A stage with a copy of a tied matrix makes a gradient of it all the same.
        let is_trained = of_matrix.trained >= matrix || extent.splits_tied_matrix(model);
        let all = Resident::of(policy, weights);
        let between = between_stages(extent, stream, if extent.splits_tied_matrix(model) { matrix } else { 0 });
        let most = blocks.iter().map(|block| block.gradients).max().unwrap_or(0);
        let reducing = gradients_in_flight(most, blocks.len(), embedding.trained + head.trained, extent);
        Self {
            first_back: weights.below_the_way_back(extent),
            stream,
            embedding,
            head,
            matrix,
            matrix_gradient: if is_trained { matrix } else { 0 },
            resident: all.parameters,
            gradients: all.trained,
            tied_copy: if extent.splits_tied_matrix(model) && extent.head { matrix } else { 0 },
            optimizer: all.state,
            logits: logits(model, *time, cut, limits, is_trained),
            constants: constants(model, *time, cut.micro_batch),
            workspace: SMALL_TENSORS + transfers(model, policy, most, stream) + reducing + between,
            update: all.update,
            page: (planner.largest_tensor(cut).1 + MIB).next_multiple_of(MIB),
            blocks,
        }
    }

    /// Those blocks of a segment that the walk goes back through.
    pub fn on_the_way_back(&self, segment: &Segment) -> &[BlockSizes] {
        &self.blocks[segment.blocks.start.max(self.first_back).min(segment.blocks.end)..segment.blocks.end]
    }

    /// The blocks of a segment.
    pub fn of_segment(&self, segment: &Segment) -> impl Iterator<Item = &BlockSizes> {
        self.blocks[segment.blocks.clone()].iter()
    }
}

impl BlockSizes {
    fn of(shape: &LayerShape, part: &Part, stream: u64) -> Self {
        Self {
            stream,
            tape: shape.tape * F32,
            backward: shape.backward * F32,
            forward: shape.forward * F32,
            parameters: part.parameters,
            gradients: part.trained,
        }
    }

    /// What the tape holds, its input included.
    pub fn held(&self) -> u64 {
        self.stream + self.tape
    }

    /// Parameters that are copied to the device when the walk reaches the segment.
    pub fn copied(&self, segment: &Segment) -> u64 {
        self.parameters - on_device(segment.parameters, self.parameters)
    }
}

/// What stays on the device.
#[derive(Default)]
struct Resident {
    parameters: u64,
    trained: u64,
    state: u64,
    /// The most that the update of one parameter makes.
    update: u64,
}

impl Resident {
    fn of(policy: &Policy, weights: &Weights) -> Self {
        let blocks =
            policy.segments.iter().flat_map(|it| it.blocks.clone().map(|at| (it.parameters, &weights.blocks[at])));
        let ends = [(policy.embedding, &weights.embedding), (policy.head, &weights.head)];
        let mut all = Self::default();
        for (_, part) in blocks.chain(ends).filter(|(placement, _)| *placement == Placement::Device) {
            all.parameters += part.parameters;
            all.trained += part.trained;
            all.state += part.state;
            all.update = all.update.max(part.update);
        }
        all
    }
}

/// Gradients on their way to other replicas: those of a block that is copied and of one that waits, of the embedding and of
/// the head (`ends`); and where each replica updates its shard alone, a block's new parameters.
fn gradients_in_flight(block: u64, blocks: usize, ends: u64, extent: &Extent) -> u64 {
    if !extent.all_reduces {
        return 0;
    }
    let new_parameters = if extent.shards > 1 { block / extent.shards as u64 } else { 0 };
    2.min(blocks as u64) * block + ends + new_parameters
}

/// Boundary tensors to and from the stages beside this one, and a tied matrix's gradients and new values between the first
/// and the last: each with its buffer for the transfer.
fn between_stages(extent: &Extent, stream: u64, tied_matrix: u64) -> u64 {
    let neighbours = u64::from(!extent.embedding) + u64::from(!extent.head);
    2 * (neighbours * stream + tied_matrix)
}

/// Buffers for transfers to the host, which stay reserved: for two boundaries, and for one pack of gradients at a time, of
/// the head, the blocks and the embedding in turn. A smaller pack uses a larger one's.
fn transfers(model: &TransformerConfig, policy: &Policy, block: u64, stream: u64) -> u64 {
    let offloads = policy.segments.iter().any(|segment| segment.activations == Activations::Offload);
    let blocks = policy.segments.iter().any(|segment| segment.parameters == Placement::Host);
    let matrix = policy.embedding == Placement::Host || (!model.tied && policy.head == Placement::Host);
    let packs = [if matrix { shard(model) } else { 0 }, if blocks { block } else { 0 }];
    let boundaries = if offloads { 2 * stream } else { 0 };
    boundaries + if packs[1] > packs[0] { packs[0] + packs[1] } else { packs[0] }
}

/// Logits and their gradient, exponentials where plain operations make them, and for a matrix that is trained the products
/// that a chunk adds to sums.
fn logits(model: &TransformerConfig, time: usize, cut: &Cut, limits: &DeviceLimits, is_trained: bool) -> u64 {
    let positions = cut.micro_batch.saturating_mul(time);
    let has_sums = is_trained && (cut.logits_chunk < positions || cut.accumulation > 1);
    let sums = if has_sums { shard(model) } else { 0 };
    let tensors = if limits.kernels.runs(Kernel::CrossEntropy) { 2 } else { 3 };
    tensors * bytes([cut.logits_chunk.clamp(1, positions), model.vocab_size]) + sums
}

/// Rotations of RoPE, and the ids of inputs and targets.
fn constants(model: &TransformerConfig, time: usize, rows: usize) -> u64 {
    let rope = match model.positions {
        Positions::Rope => bytes([time, model.rope_width()]),
        Positions::Learned => 0,
    };
    rope + bytes([2, rows, time])
}

/// A shard of the token matrix.
fn shard(model: &TransformerConfig) -> u64 {
    bytes([model.vocab_shards()[0], model.width])
}
