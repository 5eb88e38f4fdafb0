//! Device memory over a step, by taking the walk with sizes in place of tensors.

use hearth_model::TransformerConfig;

use super::{
    Cut, DeviceLimits, Extent, Phase, PhaseUsage, Usage,
    step_sizes::{StepSizes, on_device},
};
use crate::walk::{Activations, Placement, Segment};

/// The memory of a step, phase by phase.
#[derive(Clone, Debug)]
pub struct Ledger {
    /// The phases in the order of the walk.
    pub phases: Vec<PhaseUsage>,
}

impl Ledger {
    /// Takes the walk of one step (not the first, which has no moments yet) for windows of `time` tokens.
    pub fn of(model: &TransformerConfig, time: usize, cut: &Cut, limits: &DeviceLimits) -> Self {
        Self::of_extent(model, time, cut, limits, &Extent::WHOLE)
    }

    /// As [`Ledger::of`], on a device that has `extent` of a model; `model` has the blocks that it has.
    pub fn of_extent(
        model: &TransformerConfig,
        time: usize,
        cut: &Cut,
        limits: &DeviceLimits,
        extent: &Extent,
    ) -> Self {
        let step = Step { sizes: StepSizes::of(model, time, cut, limits, extent), cut, extent, tied: model.tied };
        let others = extent.in_flight - 1;
        let first = step.micro_batch(others, false);
        if cut.accumulation == 1 {
            return first;
        }
        // The sink is full once the first micro-batch is back; where no other is to come, one fewer waits by then.
        let others = if cut.accumulation > extent.in_flight { others } else { others.saturating_sub(1) };
        let later = step.micro_batch(others, true);
        if first.peak().usage.total() > later.peak().usage.total() { first } else { later }
    }

    /// The phase that takes most.
    pub fn peak(&self) -> &PhaseUsage {
        let size = |phase: &&PhaseUsage| (phase.usage.total(), phase.usage.total() - phase.usage.workspace);
        self.phases.iter().max_by_key(size).expect("a walk has phases")
    }
}

/// A step whose memory is counted.
struct Step<'a> {
    sizes: StepSizes,
    cut: &'a Cut,
    extent: &'a Extent,
    /// Whether embedding and head have one matrix.
    tied: bool,
}

impl Step<'_> {
    /// The walk of one micro-batch while `others` wait for their way back, with gradients of earlier ones in the sink if it is
    /// `accumulating`.
    fn micro_batch(&self, others: usize, accumulating: bool) -> Ledger {
        let sizes = &self.sizes;
        let everywhere = Usage {
            parameters: sizes.resident + sizes.tied_copy,
            optimizer: sizes.optimizer,
            constants: sizes.constants,
            workspace: sizes.workspace,
            ..Usage::default()
        };
        let sink = if accumulating { sizes.resident } else { 0 };
        let mut walk =
            MicroBatch { step: self, accumulating, everywhere, tapes: 0, boundaries: 0, sink, phases: Vec::new() };
        walk.hold_others(others as u64);
        self.cut.policy.segments.iter().for_each(|segment| walk.forward(segment));
        if self.extent.head {
            walk.loss();
        }
        self.cut.policy.segments.iter().rev().for_each(|segment| walk.backward(segment));
        if self.extent.embedding {
            walk.embedding();
        }
        walk.update();
        Ledger { phases: walk.phases }
    }
}

/// A micro-batch on its walk, with what is in memory at the phase that it has reached.
struct MicroBatch<'a> {
    step: &'a Step<'a>,
    /// Whether the sink has gradients of earlier micro-batches.
    accumulating: bool,
    /// What is there in every phase.
    everywhere: Usage,
    /// Tapes that are kept, those of waiting micro-batches among them.
    tapes: u64,
    /// Inputs of segments that are recomputed, those of waiting micro-batches among them.
    boundaries: u64,
    /// Gradients in the sink.
    sink: u64,
    phases: Vec<PhaseUsage>,
}

impl MicroBatch<'_> {
    /// What is in memory between two phases.
    fn held(&self) -> Usage {
        Usage { boundaries: self.boundaries, tapes: self.tapes, gradients: self.sink, ..self.everywhere }
    }

    fn push(&mut self, phase: Phase, mut usage: Usage) {
        let tensors = usage.total() - usage.workspace;
        usage.workspace += tensors.next_multiple_of(self.step.sizes.page) - tensors;
        self.phases.push(PhaseUsage { phase, usage });
    }

    /// What micro-batches that wait for their way back hold.
    fn hold_others(&mut self, others: u64) {
        let block = self.step.sizes.block;
        for segment in &self.step.cut.policy.segments {
            match segment.activations {
                Activations::Keep => self.tapes += others * segment.blocks.len() as u64 * (block.stream + block.tape),
                Activations::Recompute => self.boundaries += others * block.stream,
                Activations::Offload => {}
            }
        }
    }

    /// A block's parameters that are copied to the device when the walk reaches the segment, and its gradients that stay there.
    fn copied_and_resident(&self, segment: &Segment) -> (u64, u64) {
        let parameters = self.step.sizes.block.parameters;
        let resident = on_device(segment.parameters, parameters);
        (parameters - resident, resident)
    }

    fn forward(&mut self, segment: &Segment) {
        let block = self.step.sizes.block;
        let (copied, _) = self.copied_and_resident(segment);
        let mut usage = self.held();
        usage.parameters += copied;
        usage.live = block.forward + block.stream;
        self.push(Phase::Forward(segment.blocks.start, segment.blocks.end), usage);
        let blocks = segment.blocks.len() as u64;
        match segment.activations {
            Activations::Keep => self.tapes += blocks * (block.stream + block.tape) + blocks * copied,
            Activations::Recompute => self.boundaries += block.stream,
            Activations::Offload => {}
        }
    }

    fn loss(&mut self) {
        let Step { sizes, cut, tied, .. } = self.step;
        let StepSizes { matrix, head, .. } = *sizes;
        let place = if *tied { cut.policy.embedding } else { cut.policy.head };
        let resident = on_device(place, matrix);
        let mut usage = self.held();
        usage.parameters += matrix - resident;
        usage.gradients += if self.accumulating { 0 } else { matrix };
        usage.live = 3 * sizes.block.stream;
        usage.logits = sizes.logits;
        self.push(Phase::Loss, usage);
        if !self.accumulating {
            let beside_matrix = head.saturating_sub(if *tied { 0 } else { matrix });
            self.sink += resident + on_device(cut.policy.head, beside_matrix);
        } else if *tied {
            // This micro-batch's half, which waits for the embedding's beside the sums of earlier ones.
            self.sink += on_device(cut.policy.embedding, matrix);
        }
    }

    fn backward(&mut self, segment: &Segment) {
        let block = self.step.sizes.block;
        let blocks = segment.blocks.len() as u64;
        let (copied, resident) = self.copied_and_resident(segment);
        let is_kept = segment.activations == Activations::Keep;
        if segment.activations == Activations::Recompute {
            self.boundaries -= block.stream;
        }
        // Of each block that is still to come.
        let (tape, copies) = if is_kept { (0, 0) } else { (block.stream + block.tape, copied) };
        let packs = copied * if self.accumulating { 2 } else { 1 };
        for left in (0..blocks).rev() {
            let mut usage = self.held();
            usage.parameters += copies * (left + 1);
            // The block's gradients are made beside what the sink already has of them; on their way to the host they are
            // laid end to end, and earlier ones come back to be added to.
            usage.gradients += block.parameters;
            usage.live = tape * left + packs.max(tape + block.backward);
            self.push(Phase::Backward(segment.blocks.start + left as usize), usage);
            if is_kept {
                self.tapes -= block.stream + block.tape + copied;
            }
            if !self.accumulating && !self.step.extent.all_reduces {
                self.sink += resident;
            }
        }
    }

    fn embedding(&mut self) {
        let Step { sizes, cut, tied, .. } = self.step;
        let (embedding, place) = (sizes.embedding, cut.policy.embedding);
        // Earlier gradients come back from the host to be added to.
        let comes_back = place == Placement::Host && (self.accumulating || *tied);
        let mut usage = self.held();
        usage.gradients += if comes_back { 2 * embedding } else { embedding };
        usage.parameters += embedding - on_device(place, embedding);
        usage.live = 2 * sizes.block.stream;
        self.push(Phase::Embedding, usage);
    }

    fn update(&mut self) {
        let sizes = &self.step.sizes;
        self.push(Phase::Update, Usage { gradients: sizes.resident, live: sizes.update, ..self.everywhere });
    }
}
