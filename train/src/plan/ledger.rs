//! Device memory over a step, by taking the walk with sizes in place of tensors.
//!
//! Every term is a count of tensors that the code of `hearth-model` and the tapes behind it hold, in f32. What counts is
//! distinct buffers: a saved input that is also another operation's result is one.

use std::fmt;

use hearth_model::{Activation, ParameterCount, Positions, TransformerConfig};
use hearth_wgsl::Kernel;

use super::{Cut, Extent, Limits};
use crate::walk::{Activations, Placement, Policy};

const F32: u64 = size_of::<f32>() as u64;

/// Bytes of device memory, by what they are for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Weights; of segments in host memory, the copies at hand.
    pub parameters: u64,
    /// Gradients in the sink.
    pub gradients: u64,
    /// AdamW's two moments.
    pub optimizer: u64,
    /// Inputs of segments that are recomputed.
    pub boundaries: u64,
    /// Tapes that are kept.
    pub tapes: u64,
    /// The segment at work: its tape if it is recomputed, and what its backward pass makes.
    pub live: u64,
    /// Logits and their gradient.
    pub logits: u64,
    /// Rotations and ids.
    pub constants: u64,
    /// What Burn's pool reserves beyond tensors, and buffers for transfers to the host.
    pub workspace: u64,
}

const MIB: u64 = 1 << 20;

/// The pool's page for tensors of at most 64 KiB (cubecl-server 0.11.3).
const SMALL_TENSORS: u64 = 8 * MIB;

impl Usage {
    /// All of it.
    pub fn total(&self) -> u64 {
        self.parts().iter().map(|(_, bytes)| bytes).sum()
    }

    /// Each part with its name.
    pub fn parts(&self) -> [(&'static str, u64); 9] {
        [
            ("parameters", self.parameters),
            ("gradients", self.gradients),
            ("optimizer state", self.optimizer),
            ("boundary tensors", self.boundaries),
            ("kept tapes", self.tapes),
            ("live segment", self.live),
            ("logits", self.logits),
            ("constants", self.constants),
            ("workspace", self.workspace),
        ]
    }
}

/// A place of the walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The forward pass of the blocks from the first number to before the second.
    Forward(usize, usize),
    /// The head with its loss and their gradients.
    Loss,
    /// The backward pass of a block.
    Backward(usize),
    /// The backward pass of the embedding.
    Embedding,
    /// The optimizer.
    Update,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Forward(first, end) if end - first == 1 => write!(f, "forward of block {first}"),
            Self::Forward(first, end) => write!(f, "forward of blocks {first} to {}", end - 1),
            Self::Loss => write!(f, "loss"),
            Self::Backward(block) => write!(f, "backward of block {block}"),
            Self::Embedding => write!(f, "backward of the embedding"),
            Self::Update => write!(f, "update"),
        }
    }
}

/// Device memory at one place of the walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Where.
    pub place: Place,
    /// How much.
    pub usage: Usage,
}

/// Sizes in bytes of what one block holds, for one micro-batch.
#[derive(Clone, Copy, Debug)]
struct BlockSizes {
    /// The residual stream `[B, T, C]`.
    stream: u64,
    /// What the tape holds beyond the input.
    tape: u64,
    /// What the backward pass makes at its peak, beyond the tape and the weights' gradients.
    backward: u64,
    /// What the forward pass makes at its peak without a tape.
    forward: u64,
    /// Weights.
    parameters: u64,
}

/// The memory of a step, moment by moment.
#[derive(Clone, Debug)]
pub struct Ledger {
    /// In the order of the walk.
    pub moments: Vec<Moment>,
    /// What the pool reserves at a time.
    page: u64,
}

impl Ledger {
    /// Takes the walk of one step (not the first, which has no moments yet) for windows of `time` tokens.
    pub fn of(model: &TransformerConfig, time: usize, cut: &Cut, limits: &Limits) -> Self {
        Self::of_extent(model, time, cut, limits, &Extent::WHOLE)
    }

    /// As [`Ledger::of`], on a device that has `extent` of a model; `model` has the blocks that it has.
    pub fn of_extent(model: &TransformerConfig, time: usize, cut: &Cut, limits: &Limits, extent: &Extent) -> Self {
        let walk = |others, accumulating| Self::of_walk(model, time, cut, limits, extent, others, accumulating);
        let others = extent.held - 1;
        if cut.accumulation == 1 {
            return walk(others, false);
        }
        // The sink is full once the first micro-batch is back; where no other is to come, one fewer waits by then.
        let later = walk(if cut.accumulation > extent.held { others } else { others.saturating_sub(1) }, true);
        let first = walk(others, false);
        if first.peak().usage.total() > later.peak().usage.total() { first } else { later }
    }

    /// The walk of one micro-batch while `others` wait for their way back, with gradients of earlier ones in the sink if it is
    /// `accumulating`.
    fn of_walk(
        model: &TransformerConfig,
        time: usize,
        cut: &Cut,
        limits: &Limits,
        extent: &Extent,
        others: usize,
        accumulating: bool,
    ) -> Self {
        let count = ParameterCount::of(model);
        let block = BlockSizes::of(model, time, cut.micro_batch, limits);
        let of = |has: bool, count: usize| if has { count as u64 * F32 } else { 0 };
        let embedding = of(extent.embedding, count.embedding);
        let head = of(extent.head, count.head);
        let matrix = (model.vocab_size * model.width) as u64 * F32;
        let on_device = |placement: Placement, bytes: u64| if placement == Placement::Device { bytes } else { 0 };
        let policy = &cut.policy;
        let resident_blocks: u64 = policy
            .segments
            .iter()
            .map(|segment| on_device(segment.parameters, segment.blocks.len() as u64 * block.parameters))
            .sum();
        let resident = on_device(policy.embedding, embedding) + resident_blocks + on_device(policy.head, head);
        let constants = constants(model, time, cut.micro_batch);
        let matrix_place = if model.tied { policy.embedding } else { policy.head };
        // On their way to other replicas: the gradients of a block that is copied and of one that waits, of the embedding and
        // of the head; and where each updates its part alone, a block's new parts.
        let blocks_leaving = 2.min(model.layers as u64) * block.parameters;
        let new_parts = if extent.shards > 1 { block.parameters / extent.shards as u64 } else { 0 };
        let leaving = if extent.hands_over { blocks_leaving + embedding + head + new_parts } else { 0 };
        // To the stages beside it, and a tied matrix's gradients and new values between the first and the last: each with
        // its buffer for the transfer.
        let apart = model.tied && extent.embedding != extent.head;
        let beside = u64::from(!extent.embedding) + u64::from(!extent.head);
        let between = 2 * (beside * block.stream + if apart { matrix } else { 0 });
        let workspace = SMALL_TENSORS + transfers(model, policy, &block) + leaving + between;
        // Of a tied matrix whose gradients and moments are the first stage's.
        let copy = if apart && extent.head { matrix } else { 0 };
        let optimizer = 2 * resident / extent.shards as u64;
        let mut base = Usage { parameters: resident + copy, optimizer, constants, workspace, ..Usage::default() };
        // What other micro-batches hold here.
        let others = others as u64;
        for segment in &policy.segments {
            match segment.activations {
                Activations::Keep => base.tapes += others * segment.blocks.len() as u64 * (block.stream + block.tape),
                Activations::Recompute => base.boundaries += others * block.stream,
                Activations::Offload => {}
            }
        }
        let mut sink = if accumulating { resident } else { 0 };

        let mut ledger = Self { moments: Vec::new(), page: page(model, time, cut, limits) };
        let mut held = Usage { tapes: base.tapes, boundaries: base.boundaries, ..Usage::default() };
        for segment in &policy.segments {
            let uploaded = block.parameters - on_device(segment.parameters, block.parameters);
            let blocks = segment.blocks.len() as u64;
            let mut usage = base;
            usage.gradients = sink;
            usage.parameters += uploaded;
            (usage.boundaries, usage.tapes) = (held.boundaries, held.tapes);
            usage.live = block.forward + block.stream;
            ledger.push(Place::Forward(segment.blocks.start, segment.blocks.end), usage);
            match segment.activations {
                Activations::Keep => {
                    held.tapes += blocks * (block.stream + block.tape) + blocks * uploaded;
                }
                Activations::Recompute => held.boundaries += block.stream,
                Activations::Offload => {}
            }
        }

        if extent.head {
            let uploaded_matrix = matrix - on_device(matrix_place, matrix);
            let mut usage = base;
            (usage.boundaries, usage.tapes) = (held.boundaries, held.tapes);
            usage.parameters += uploaded_matrix;
            usage.gradients = sink + if accumulating { 0 } else { matrix };
            usage.live = 3 * block.stream;
            usage.logits = logits(model, time, cut, limits);
            ledger.push(Place::Loss, usage);
            if !accumulating {
                sink += on_device(matrix_place, matrix)
                    + on_device(policy.head, head.saturating_sub(if model.tied { 0 } else { matrix }));
            } else if model.tied {
                // This micro-batch's half, which waits for the embedding's beside the sums of earlier ones.
                sink += on_device(policy.embedding, matrix);
            }
        }

        for segment in policy.segments.iter().rev() {
            let blocks = segment.blocks.len() as u64;
            let stays = on_device(segment.parameters, block.parameters);
            let uploaded = block.parameters - stays;
            let recomputed = match segment.activations {
                Activations::Keep => 0,
                Activations::Recompute => {
                    held.boundaries -= block.stream;
                    blocks * (block.stream + block.tape)
                }
                Activations::Offload => blocks * (block.stream + block.tape),
            };
            for left in (0..blocks).rev() {
                let mut usage = base;
                (usage.boundaries, usage.tapes) = (held.boundaries, held.tapes);
                usage.parameters += if recomputed > 0 { uploaded * (left + 1) } else { 0 };
                // The block's gradients are made beside what the sink already has of them; on their way to the host
                // they are laid end to end, and earlier ones come back to be added to.
                usage.gradients = sink + block.parameters;
                let packing = uploaded * if accumulating { 2 } else { 1 };
                let tape = recomputed / blocks;
                usage.live = tape * left + packing.max(tape + block.backward);
                ledger.push(Place::Backward(segment.blocks.start + left as usize), usage);
                if segment.activations == Activations::Keep {
                    held.tapes -= block.stream + block.tape + uploaded;
                }
                if !accumulating && !extent.hands_over {
                    sink += stays;
                }
            }
        }

        if extent.embedding {
            let mut usage = base;
            usage.gradients = sink + with_earlier(embedding, policy.embedding, accumulating || model.tied);
            usage.parameters += embedding - on_device(policy.embedding, embedding);
            usage.live = 2 * block.stream;
            ledger.push(Place::Embedding, usage);
        }

        let mut usage = Usage { tapes: 0, boundaries: 0, ..base };
        usage.gradients = resident;
        usage.live = if limits.kernels && Kernel::AdamW.is_on() { 0 } else { largest_update(model, cut) };
        ledger.push(Place::Update, usage);
        ledger
    }

    /// The moment that takes most.
    pub fn peak(&self) -> &Moment {
        let size = |moment: &&Moment| (moment.usage.total(), moment.usage.total() - moment.usage.workspace);
        self.moments.iter().max_by_key(size).expect("a walk has moments")
    }

    fn push(&mut self, place: Place, mut usage: Usage) {
        let tensors = usage.total() - usage.workspace;
        usage.workspace += tensors.next_multiple_of(self.page) - tensors;
        self.moments.push(Moment { place, usage });
    }
}

impl BlockSizes {
    fn of(model: &TransformerConfig, time: usize, rows: usize, limits: &Limits) -> Self {
        let positions = (rows * time) as u64 * F32;
        let [c, f] = [model.width, model.ffn_width()].map(|width| width as u64 * positions);
        let q = (model.heads * model.head_width()) as u64 * positions;
        let kv = (model.kv_heads() * model.head_width()) as u64 * positions;
        let per_row = (rows * model.heads * time) as u64 * F32;
        // The kernels keep one number a row of scores.
        let (scores, kept) =
            if limits.has_scores(model) { (time as u64 * per_row, time as u64 * per_row) } else { (0, per_row) };
        let gated = model.mlp == Activation::Swiglu;
        let qk_norm = if model.qk_norm { q + kv } else { 0 };
        // Each norm leaves what the projections read, and without its kernel the rows before scale and shift; attention its
        // scaled queries, keys, values, weights and mixture; the feed-forward network its hidden values before and after
        // the activation.
        let norms = if limits.kernels && Kernel::Norm.is_on() { 2 * c } else { 4 * c };
        let mlp = if gated { 3 * f } else { 2 * f };
        let tape = norms + 2 * q + 2 * kv + qk_norm + kept + mlp;
        // The two places that can be the peak of the backward pass.
        let in_mlp = c + if gated { 2 * f } else { f };
        let in_attention = (c + (2 * scores).max(q + 2 * kv)).saturating_sub(mlp + 2 * c);
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

/// New gradients; where earlier ones come back from the host to be added to, those as well.
fn with_earlier(gradients: u64, placement: Placement, any: bool) -> u64 {
    if placement == Placement::Host && any { 2 * gradients } else { gradients }
}

/// The pool's page: the largest tensor and at most 2 MiB more (cubecl-server 0.11.3).
fn page(model: &TransformerConfig, time: usize, cut: &Cut, limits: &Limits) -> u64 {
    let (_, largest) = limits.largest_tensor(model, time, cut);
    (largest + MIB).next_multiple_of(MIB)
}

/// Buffers for transfers to the host, which stay reserved: for two boundaries, and for one pack of gradients at a time, of
/// the head, the blocks and the embedding in turn. A smaller pack uses a larger one's.
fn transfers(model: &TransformerConfig, policy: &Policy, block: &BlockSizes) -> u64 {
    let offloads = policy.segments.iter().any(|segment| segment.activations == Activations::Offload);
    let blocks = policy.segments.iter().any(|segment| segment.parameters == Placement::Host);
    let matrix = policy.embedding == Placement::Host || (!model.tied && policy.head == Placement::Host);
    let shard = (model.vocab_shards()[0] * model.width) as u64 * F32;
    let packs = [if matrix { shard } else { 0 }, if blocks { block.parameters } else { 0 }];
    let boundaries = if offloads { 2 * block.stream } else { 0 };
    boundaries + if packs[1] > packs[0] { packs[0] + packs[1] } else { packs[0] }
}

/// Logits and their gradient, exponentials where plain operations make them, and the products that a chunk adds to sums.
fn logits(model: &TransformerConfig, time: usize, cut: &Cut, limits: &Limits) -> u64 {
    let positions = cut.micro_batch * time;
    let shard = (model.vocab_shards()[0] * model.width) as u64 * F32;
    let sums = if cut.logits_chunk < positions || cut.accumulation > 1 { shard } else { 0 };
    let tensors = if limits.kernels && Kernel::CrossEntropy.is_on() { 2 } else { 3 };
    tensors * (cut.logits_chunk.clamp(1, positions) * model.vocab_size) as u64 * F32 + sums
}

fn constants(model: &TransformerConfig, time: usize, rows: usize) -> u64 {
    let rope = match model.positions {
        Positions::Rope => time * model.head_width(),
        Positions::Learned => 0,
    };
    (rope + 2 * rows * time) as u64 * F32
}

/// New moments and weights of the largest parameter on the device, before the old ones go.
fn largest_update(model: &TransformerConfig, cut: &Cut) -> u64 {
    let shard = model.vocab_shards()[0] * model.width;
    let matrix = model.width * model.ffn_width();
    let on_device = |placement: Placement, elements: usize| if placement == Placement::Device { elements } else { 0 };
    let blocks = cut.policy.segments.iter().map(|segment| on_device(segment.parameters, matrix));
    let head = if model.tied { 0 } else { on_device(cut.policy.head, shard) };
    let largest = blocks.chain([on_device(cut.policy.embedding, shard), head]).max().unwrap_or(0);
    3 * largest as u64 * F32
}
