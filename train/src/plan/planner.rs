//! What steps take on one device: the peak of their memory, and their time.

use std::{cell::RefCell, collections::HashMap, rc::Rc};

use hearth_model::{ModelShape, Site, elements};

use super::{
    Cut, DeviceLimits, Plan, Rates, Subject,
    search::{cuts, frontier},
    size::F32,
    weights::Weights,
};

/// Predicts what a step takes that is cut one way or another, for one subject on one device.
pub struct Planner<'a> {
    pub(super) subject: Subject<'a>,
    pub(super) limits: &'a DeviceLimits,
    pub(super) rates: Rates,
    pub(super) weights: Weights,
    /// By the sequences of a micro-batch.
    shapes: RefCell<HashMap<usize, Rc<ModelShape>>>,
}

/// Longest time that a kernel may be predicted to take under a watchdog: a quarter of what Windows allows.
const LONGEST_KERNEL_SECONDS: f64 = 0.5;

impl<'a> Planner<'a> {
    /// A planner for `subject` on a device with these limits and rates.
    pub fn new(subject: Subject<'a>, limits: &'a DeviceLimits, rates: &Rates) -> Self {
        let weights = Weights::of(&subject, limits.kernels);
        Self { subject, limits, rates: *rates, weights, shapes: RefCell::default() }
    }

    /// What is planned for.
    pub fn subject(&self) -> &Subject<'a> {
        &self.subject
    }

    /// The layers at work on micro-batches of so many rows.
    pub(super) fn shape(&self, rows: usize) -> Rc<ModelShape> {
        let site = Site { rows, time: self.subject.time, kernels: self.limits.kernels };
        let mut shapes = self.shapes.borrow_mut();
        shapes.entry(rows).or_insert_with(|| Rc::new((self.subject.shape)(self.subject.model, &site))).clone()
    }

    /// What a step takes that is cut this way.
    pub fn plan(&self, cut: Cut) -> Plan {
        Plan { seconds: self.seconds(&cut), peak: *self.ledger(&cut).peak(), cut }
    }

    /// The plans for a step of `micro_batch * accumulation` sequences that nothing beats in both memory and time, from the
    /// smallest to the fastest.
    ///
    /// Micro-batches are at most `micro_batch` sequences. Plans whose tensors the device cannot bind are left out, so the
    /// list may be empty; `limits.memory` is not looked at.
    pub fn plans(&self, micro_batch: usize, accumulation: usize) -> Vec<Plan> {
        let fits = |cut: &Cut| self.limits.tensor.is_none_or(|most| self.largest_tensor(cut).1 <= most);
        let cuts = cuts(&self.subject, micro_batch, accumulation, self.limits.apart);
        frontier(cuts.into_iter().filter(fits).map(|cut| self.plan(cut)).collect())
    }

    /// The largest tensor of a step that is cut this way: its name and its bytes.
    pub fn largest_tensor(&self, cut: &Cut) -> (&'static str, u64) {
        let Subject { model, time, blocks, .. } = &self.subject;
        let shape = self.shape(cut.micro_batch);
        let positions = cut.micro_batch.saturating_mul(*time);
        let on_the_way =
            if cut.policy.uses_host() { self.weights.blocks.iter().map(|it| it.trained / F32).max() } else { None };
        let own = [
            ("a chunk of logits", elements([cut.logits_chunk.min(positions), model.vocab_shards()[0]])),
            ("the gradients of a block on their way to the host", on_the_way.unwrap_or(0)),
        ];
        let of_blocks = blocks.clone().flat_map(|at| shape.block(at).tensors.iter().copied());
        let all = of_blocks.chain(shape.embedding.tensors.iter().copied()).chain(own);
        let (name, most) = all.max_by_key(|(_, elements)| *elements).expect("the list is not empty");
        (name, most.saturating_mul(F32))
    }

    /// Whether the longest kernel of a step that is cut this way ends before a watchdog resets the device.
    pub fn satisfies_watchdog(&self, cut: &Cut) -> bool {
        let Subject { model, time, blocks, .. } = &self.subject;
        let shape = self.shape(cut.micro_batch);
        let chunk = cut.logits_chunk.min(cut.micro_batch.saturating_mul(*time));
        let of_head = 2.0 * elements([chunk, model.width, model.vocab_shards()[0]]) as f64;
        let longest = blocks.clone().map(|at| shape.block(at).longest).fold(of_head, f64::max);
        !self.limits.watchdog || longest / self.rates.flops <= LONGEST_KERNEL_SECONDS
    }
}
