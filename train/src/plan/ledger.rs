//! Device memory over a step, by taking the walk with sizes in place of tensors.

use super::{
    Cut, Extent, Phase, PhaseUsage, Planner, Subject, Usage,
    step_sizes::{BlockSizes, StepSizes, on_device},
};
use crate::walk::{Activations, Placement, Segment};

/// The memory of a step, phase by phase.
#[derive(Clone, Debug)]
pub struct Ledger {
    /// The phases in the order of the walk.
    pub phases: Vec<PhaseUsage>,
}

impl Planner<'_> {
    /// The memory of a step (not the first, for which the optimizer keeps nothing yet), phase by phase.
    pub fn ledger(&self, cut: &Cut) -> Ledger {
        Ledger::of(&self.subject, StepSizes::of(self, cut), cut)
    }
}

impl Ledger {
    /// Takes the walk of one step.
    fn of(subject: &Subject<'_>, sizes: StepSizes, cut: &Cut) -> Self {
        let extent = &subject.extent;
        let step = Step { sizes, cut, extent, tied: subject.model.tied };
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
        let sink = if accumulating { sizes.gradients } else { 0 };
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
        let sizes = &self.step.sizes;
        for segment in &self.step.cut.policy.segments {
            match segment.activations {
                _ if sizes.on_the_way_back(segment).is_empty() => {}
                Activations::Keep => {
                    self.tapes += others * sizes.on_the_way_back(segment).iter().map(BlockSizes::held).sum::<u64>()
                }
                Activations::Recompute => self.boundaries += others * sizes.stream,
                Activations::Offload => {}
            }
        }
    }

    fn forward(&mut self, segment: &Segment) {
        let sizes = &self.step.sizes;
        let mut usage = self.held();
        usage.parameters += sizes.of_segment(segment).map(|block| block.copied(segment)).max().unwrap_or(0);
        usage.live = sizes.of_segment(segment).map(|block| block.forward + sizes.stream).max().unwrap_or(0);
        self.push(Phase::Forward(segment.blocks.start, segment.blocks.end), usage);
        let back = sizes.on_the_way_back(segment);
        match segment.activations {
            _ if back.is_empty() => {}
            Activations::Keep => {
                self.tapes += back.iter().map(|block| block.held() + block.copied(segment)).sum::<u64>();
            }
            Activations::Recompute => self.boundaries += sizes.stream,
            Activations::Offload => {}
        }
    }

    fn loss(&mut self) {
        let Step { sizes, cut, tied, .. } = self.step;
        let StepSizes { matrix, matrix_gradient, head, .. } = *sizes;
        let place = if *tied { cut.policy.embedding } else { cut.policy.head };
        let mut usage = self.held();
        usage.parameters += matrix - on_device(place, matrix);
        usage.gradients += if self.accumulating { 0 } else { matrix_gradient };
        usage.live = 3 * sizes.stream;
        usage.logits = sizes.logits;
        self.push(Phase::Loss, usage);
        let gradient = on_device(place, matrix_gradient);
        if !self.accumulating {
            let beside_matrix = head.trained.saturating_sub(if *tied { 0 } else { matrix_gradient });
            self.sink += gradient + on_device(cut.policy.head, beside_matrix);
        } else if *tied {
            // This micro-batch's half, which waits for the embedding's beside the sums of earlier ones.
            self.sink += gradient;
        }
    }

    fn backward(&mut self, segment: &Segment) {
        let sizes = &self.step.sizes;
        let is_kept = segment.activations == Activations::Keep;
        let back = sizes.on_the_way_back(segment);
        if back.is_empty() {
            return;
        }
        if segment.activations == Activations::Recompute {
            self.boundaries -= sizes.stream;
        }
        let (mut tapes, mut copies) = (0, 0);
        for block in back.iter().filter(|_| !is_kept) {
            (tapes, copies) = (tapes + block.held(), copies + block.copied(segment));
        }
        for at in (segment.blocks.end - back.len()..segment.blocks.end).rev() {
            let block = sizes.blocks[at];
            let (held, copied) = (block.held(), block.copied(segment));
            // The block's gradients are made beside what the sink already has of them; on their way to the host they are
            // laid end to end, and earlier ones come back to be added to.
            let packs = (block.gradients - on_device(segment.parameters, block.gradients))
                * if self.accumulating { 2 } else { 1 };
            let mut usage = self.held();
            usage.parameters += copies;
            usage.gradients += block.gradients;
            usage.live =
                if is_kept { packs.max(block.backward) } else { tapes - held + packs.max(held + block.backward) };
            self.push(Phase::Backward(at), usage);
            if is_kept {
                self.tapes -= held + copied;
            } else {
                (tapes, copies) = (tapes - held, copies - copied);
            }
            if !self.accumulating && !self.step.extent.all_reduces {
                self.sink += on_device(segment.parameters, block.gradients);
            }
        }
    }

    fn embedding(&mut self) {
        let Step { sizes, cut, tied, .. } = self.step;
        let (embedding, place) = (sizes.embedding, cut.policy.embedding);
        // Earlier gradients come back from the host to be added to.
        let comes_back = place == Placement::Host && (self.accumulating || *tied);
        let mut usage = self.held();
        usage.gradients += if comes_back { 2 * embedding.trained } else { embedding.trained };
        usage.parameters += embedding.parameters - on_device(place, embedding.parameters);
        usage.live = 2 * sizes.stream;
        self.push(Phase::Embedding, usage);
    }

    fn update(&mut self) {
        let sizes = &self.step.sizes;
        self.push(Phase::Update, Usage { gradients: sizes.gradients, live: sizes.update, ..self.everywhere });
    }
}
