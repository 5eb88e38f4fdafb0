//! Bytes of what a step holds on one device: the terms that the ledger adds up.
//!
//! Every term is a count of tensors that the code of `hearth-model` and the tapes behind it hold, in f32. What counts is
//! distinct buffers: a saved input that is also another operation's result is one.

use hearth_model::{Activation, ParameterCount, Positions, TransformerConfig};
use hearth_wgsl::Kernel;

use super::{
    Cut, DeviceLimits, Extent, KernelSet,
    size::{F32, bytes},
};
use crate::walk::{Activations, Placement, Policy};

const MIB: u64 = 1 << 20;

/// The pool's page for tensors of at most 64 KiB (cubecl-server 0.11.3).
const SMALL_TENSORS: u64 = 8 * MIB;

/// Bytes of what a step holds, whatever its phase.
#[derive(Clone, Copy, Debug)]
pub(super) struct StepSizes {
    pub block: BlockSizes,
    /// The embedding's parameters; 0 on a stage without it.
    pub embedding: u64,
    /// The head's parameters; 0 on a stage without it.
    pub head: u64,
    /// The token matrix [V, C].
    pub matrix: u64,
    /// Parameters that stay on the device.
    pub resident: u64,
    /// The last stage's copy of a tied matrix, whose gradients and moments are the first stage's.
    pub tied_copy: u64,
    /// AdamW's moments of this device's shard of them.
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
    pub stream: u64,
    /// What the tape holds beyond the input.
    pub tape: u64,
    /// What the backward pass makes at its peak, beyond the tape and the weights' gradients.
    pub backward: u64,
    /// What the forward pass makes at its peak without a tape.
    pub forward: u64,
    /// Weights.
    pub parameters: u64,
}

/// `bytes`, if they are in device memory.
pub(super) fn on_device(placement: Placement, bytes: u64) -> u64 {
    if placement == Placement::Device { bytes } else { 0 }
}

impl StepSizes {
    /// The sizes of a step on a device that has `extent` of a model; `model` has the blocks that it has.
    pub fn of(model: &TransformerConfig, time: usize, cut: &Cut, limits: &DeviceLimits, extent: &Extent) -> Self {
        let count = ParameterCount::of(model);
        let block = BlockSizes::of(model, time, cut.micro_batch, limits);
        let of = |has: bool, count: usize| if has { count as u64 * F32 } else { 0 };
        let (embedding, head) = (of(extent.embedding, count.embedding), of(extent.head, count.head));
        let matrix = bytes([model.vocab_size, model.width]);
        let policy = &cut.policy;
        let resident_blocks = policy
            .segments
            .iter()
            .map(|segment| on_device(segment.parameters, segment.blocks.len() as u64 * block.parameters));
        let resident =
            on_device(policy.embedding, embedding) + resident_blocks.sum::<u64>() + on_device(policy.head, head);
        let reducing = gradients_in_flight(model, &block, embedding + head, extent);
        let between = between_stages(model, &block, matrix, extent);
        let largest = limits.largest_tensor(model, time, cut).1.min(bytes([usize::MAX; 2]));
        Self {
            block,
            embedding,
            head,
            matrix,
            resident,
            tied_copy: if extent.splits_tied_matrix(model) && extent.head { matrix } else { 0 },
            optimizer: 2 * resident / extent.shards as u64,
            logits: logits(model, time, cut, limits),
            constants: constants(model, time, cut.micro_batch),
            workspace: SMALL_TENSORS + transfers(model, policy, &block) + reducing + between,
            update: if limits.run(Kernel::AdamW) { 0 } else { largest_update(model, cut) },
            page: (largest + MIB).next_multiple_of(MIB),
        }
    }
}

impl BlockSizes {
    fn of(model: &TransformerConfig, time: usize, rows: usize, limits: &DeviceLimits) -> Self {
        let [c, f, q, kv] =
            [model.width, model.ffn_width(), model.heads * model.head_width(), model.kv_heads() * model.head_width()]
                .map(|width| bytes([rows, time, width]));
        let scores = if limits.has_scores(model) { bytes([rows, model.heads, time, time]) } else { 0 };
        // The kernels keep one number a row of scores.
        let kept = if scores > 0 { scores } else { bytes([rows, model.heads, time]) };
        let gated = model.mlp == Activation::Swiglu;
        let qk_norm = if model.qk_norm { q + kv } else { 0 };
        // Each norm leaves what the projections read, and without its kernel the rows before scale and shift; attention its
        // scaled queries, keys, values, weights and mixture; the feed-forward network its hidden values before and after
        // the activation.
        let norms = if limits.run(Kernel::Norm) { 2 * c } else { 4 * c };
        let mlp = if gated { 3 * f } else { 2 * f };
        let tape = norms + 2 * q + 2 * kv + qk_norm + kept + mlp;
        // The two places that can be the peak of the backward pass.
        let in_mlp = c + if gated { 2 * f } else { f };
        // On the CPU each head of a group has gradients of its keys and values, before they are added.
        let of_heads = if limits.kernels == KernelSet::Cpu && kv < q { 2 * q } else { 0 };
        let in_attention = (c + (2 * scores).max(q + 2 * kv + of_heads)).saturating_sub(mlp + 2 * c);
        let forward = (2 * c + mlp).max(2 * c + q + 2 * kv + (2 * scores).max(q));
        Self {
            stream: c,
            tape,
            backward: c + in_mlp.max(in_attention),
            forward,
            parameters: ParameterCount::of(model).block as u64 * F32,
        }
    }
}

/// Gradients on their way to other replicas: those of a block that is copied and of one that waits, of the embedding and of
/// the head (`ends`); and where each replica updates its shard alone, a block's new parameters.
fn gradients_in_flight(model: &TransformerConfig, block: &BlockSizes, ends: u64, extent: &Extent) -> u64 {
    if !extent.all_reduces {
        return 0;
    }
    let blocks = 2.min(model.layers as u64) * block.parameters;
    let new_parameters = if extent.shards > 1 { block.parameters / extent.shards as u64 } else { 0 };
    blocks + ends + new_parameters
}

/// Boundary tensors to and from the stages beside this one, and a tied matrix's gradients and new values between the first
/// and the last: each with its buffer for the transfer.
fn between_stages(model: &TransformerConfig, block: &BlockSizes, matrix: u64, extent: &Extent) -> u64 {
    let neighbours = u64::from(!extent.embedding) + u64::from(!extent.head);
    2 * (neighbours * block.stream + if extent.splits_tied_matrix(model) { matrix } else { 0 })
}

/// Buffers for transfers to the host, which stay reserved: for two boundaries, and for one pack of gradients at a time, of
/// the head, the blocks and the embedding in turn. A smaller pack uses a larger one's.
fn transfers(model: &TransformerConfig, policy: &Policy, block: &BlockSizes) -> u64 {
    let offloads = policy.segments.iter().any(|segment| segment.activations == Activations::Offload);
    let blocks = policy.segments.iter().any(|segment| segment.parameters == Placement::Host);
    let matrix = policy.embedding == Placement::Host || (!model.tied && policy.head == Placement::Host);
    let packs = [if matrix { shard(model) } else { 0 }, if blocks { block.parameters } else { 0 }];
    let boundaries = if offloads { 2 * block.stream } else { 0 };
    boundaries + if packs[1] > packs[0] { packs[0] + packs[1] } else { packs[0] }
}

/// Logits and their gradient, exponentials where plain operations make them, and the products that a chunk adds to sums.
fn logits(model: &TransformerConfig, time: usize, cut: &Cut, limits: &DeviceLimits) -> u64 {
    let positions = cut.micro_batch.saturating_mul(time);
    let sums = if cut.logits_chunk < positions || cut.accumulation > 1 { shard(model) } else { 0 };
    let tensors = if limits.run(Kernel::CrossEntropy) { 2 } else { 3 };
    tensors * bytes([cut.logits_chunk.clamp(1, positions), model.vocab_size]) + sums
}

/// Rotations of RoPE, and the ids of inputs and targets.
fn constants(model: &TransformerConfig, time: usize, rows: usize) -> u64 {
    let rope = match model.positions {
        Positions::Rope => bytes([time, model.head_width()]),
        Positions::Learned => 0,
    };
    rope + bytes([2, rows, time])
}

/// New moments and weights of the largest parameter on the device, before the old ones go.
fn largest_update(model: &TransformerConfig, cut: &Cut) -> u64 {
    let matrix = bytes([model.width, model.ffn_width()]);
    let blocks = cut.policy.segments.iter().map(|segment| on_device(segment.parameters, matrix));
    let head = if model.tied { 0 } else { on_device(cut.policy.head, shard(model)) };
    let largest = blocks.chain([on_device(cut.policy.embedding, shard(model)), head]).max().unwrap_or(0);
    3 * largest
}

/// A shard of the token matrix.
fn shard(model: &TransformerConfig) -> u64 {
    bytes([model.vocab_shards()[0], model.width])
}
