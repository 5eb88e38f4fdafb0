//! Bytes of parameters, of their gradients and of what is kept of them, by segment: asked of the layers and of the rules.

use std::ops::Range;

use hearth_model::{KernelSet, ParameterShape, Site, TransformerConfig};

use super::{Extent, Subject, size::F32};
use crate::optim::{OptimizerConfig, Setting};

/// The parameters of a subject.
#[derive(Clone, Debug)]
pub(super) struct Weights {
    /// Those of the embedding; none on a stage without it.
    pub embedding: Part,
    /// Those of each block that the device has.
    pub blocks: Vec<Part>,
    /// Those of the head; none on a stage without it.
    pub head: Part,
}

/// Bytes of what one segment has.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Part {
    pub parameters: u64,
    /// Those that are trained, and their gradients.
    pub trained: u64,
    /// What this device keeps of them: its share, where several do.
    pub state: u64,
    /// The most that the update of one makes beside what is there.
    pub update: u64,
    /// Floating-point operations of their updates.
    pub flops: f64,
}

impl Weights {
    /// How many blocks a walk does not go back through: on a device with the embedding, those below which nothing is trained.
    pub fn below_the_way_back(&self, extent: &Extent) -> usize {
        if !extent.embedding || self.embedding.trained > 0 {
            return 0;
        }
        self.blocks.iter().position(|part| part.trained > 0).unwrap_or(self.blocks.len())
    }

    pub fn of(subject: &Subject<'_>, kernels: KernelSet) -> Self {
        Self::with_experts(subject, kernels, subject.own_experts())
    }

    /// As [`Weights::of`], on a device that has these experts of each block.
    pub fn with_experts(subject: &Subject<'_>, kernels: KernelSet, experts: Range<usize>) -> Self {
        let Subject { model, optimizer, blocks, extent, .. } = subject;
        let shape = (subject.shape)(model, &Site::of_sequence(1));
        let shard = model.vocab_shards().first().copied().unwrap_or(0);
        let part = |segment: &str, parameters: &[ParameterShape]| {
            let name = |it: &ParameterShape| format!("{segment}.{}", it.name);
            let shard = |it: &ParameterShape| {
                let is_matrix = it.shape.first() == Some(&model.vocab_size) && !segment.starts_with("blocks");
                if is_matrix { [&[shard], &it.shape[1..]].concat() } else { it.shape.clone() }
            };
            let own = |it: &ParameterShape| match it.is_of_experts() {
                true => ParameterShape { shape: [&[experts.len()], &it.shape[1..]].concat(), ..it.clone() },
                false => it.clone(),
            };
            let parameters = parameters.iter().map(own);
            let all = parameters.map(|it| Part::of((optimizer, model), &name(&it), &it, &shard(&it), kernels));
            all.fold(Part::default(), Part::with)
        };
        let segment = |has: bool, name: &str, parameters: &[ParameterShape]| {
            if has { part(name, parameters) } else { Part::default() }
        };
        let mut weights = Self {
            embedding: segment(extent.embedding, "embedding", &shape.embedding.parameters),
            blocks: blocks.clone().map(|at| part(&format!("blocks.{at}"), &shape.block(at).parameters)).collect(),
            head: segment(extent.head, "head", &shape.head.parameters),
        };
        if extent.shards > 1 {
            weights.share(extent.shards as u64);
        }
        weights
    }

    /// Leaves this device its share of the state. What may not be cut is dealt out whole, to whoever has least: no device has more
    /// than the mean and one parameter's.
    fn share(&mut self, shards: u64) {
        let Self { embedding, blocks, head } = self;
        for part in blocks.iter_mut().chain([embedding, head]) {
            part.state = part.state.div_ceil(shards);
        }
    }
}

impl Part {
    /// Those of a parameter of `model`, the largest `shard` of which is updated at once.
    fn of(
        (optimizer, model): (&OptimizerConfig, &TransformerConfig),
        name: &str,
        parameter: &ParameterShape,
        shard: &[usize],
        kernels: KernelSet,
    ) -> Self {
        let bytes = |elements: u128| u64::try_from(elements).unwrap_or(u64::MAX / 8).saturating_mul(F32);
        let parameters = bytes(parameter.elements());
        if optimizer.is_frozen(name, model) {
            return Self { parameters, ..Self::default() };
        }
        let Setting { rule, .. } = optimizer.setting(name, &parameter.shape, model.width);
        let state = rule.state(&parameter.shape).iter().map(|it| bytes(it.elements() as u128)).sum();
        let (update, flops) = (rule.scratch(shard, kernels) * F32, rule.flops(&parameter.shape));
        Self { parameters, trained: parameters, state, update, flops }
    }

    /// Without what `other` has, which is some of this.
    pub fn less(self, other: Self) -> Self {
        Self {
            parameters: self.parameters - other.parameters,
            trained: self.trained - other.trained,
            state: self.state - other.state,
            update: self.update,
            flops: self.flops - other.flops,
        }
    }

    /// Both together.
    fn with(self, other: Self) -> Self {
        Self {
            parameters: self.parameters + other.parameters,
            trained: self.trained + other.trained,
            state: self.state + other.state,
            update: self.update.max(other.update),
            flops: self.flops + other.flops,
        }
    }
}
