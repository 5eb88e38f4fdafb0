//! AdamW with its state in the open, so that a checkpoint can hold it and a guard can leave it as it was.

use std::ops::Range;

use burn::{
    module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId},
    optim::GradientsParams,
    tensor::{Bool, Device, Tensor},
};
use hearth_wgsl::{AdamWNumbers, adamw};

use super::OptimizerConfig;

/// AdamW (Loshchilov and Hutter 2019, arXiv 1711.05101, algorithm 2). Matrices decay, embeddings included, as in
/// nanoGPT; vectors do not. The moments of a parameter live where it lives. A parameter without a gradient, as one that is
/// frozen, stays as it is.
///
/// Burn's own keeps its state where no one else can reach it one tensor at a time, and cannot leave out an update that
/// the device finds to be bad.
#[derive(Debug)]
pub struct AdamW {
    config: OptimizerConfig,
    first: GradientsParams,
    second: GradientsParams,
    shard: Option<OptimizerShard>,
}

/// One of `world` ranks, each of which keeps the moments of its own part of every parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OptimizerShard {
    /// Number of the rank, from 0.
    pub rank: usize,
    /// Number of ranks.
    pub world: usize,
}

impl OptimizerShard {
    /// The consecutive elements of a tensor of `length` that are the rank's own; parts differ by at most one element.
    pub fn part(&self, length: usize) -> Range<usize> {
        let boundary = |rank: usize| (rank as u128 * length as u128 / self.world as u128) as usize;
        boundary(self.rank)..boundary(self.rank + 1)
    }

    /// The rank's part of a tensor, `[n]`, in a buffer of its own: a view would hold on to the whole, and so would what an
    /// operation puts in its place.
    pub fn of<const D: usize>(&self, tensor: Tensor<D>) -> Tensor<1> {
        let length = tensor.shape().num_elements();
        let part = self.part(length);
        let own = Tensor::zeros([part.len()], &tensor.device());
        match part.is_empty() {
            true => own,
            false => own.slice_assign(.., tensor.reshape([length]).slice([part])),
        }
    }
}

/// What an update is besides its gradients.
#[derive(Clone, Debug)]
pub struct Update {
    /// Learning rate of this update.
    pub learning_rate: f64,
    /// Number of updates until now, those that were left out included (as in llm.c): the moments' bias is corrected by it.
    pub number: u64,
    /// Factor of all gradients, `[1]`, on any device; 1 without.
    pub factor: Option<Tensor<1>>,
    /// Whether the update is made, `[1]`, on any device: where false, every parameter and moment stays as it is.
    pub wanted: Tensor<1, Bool>,
}

impl AdamW {
    /// An optimizer without moments: they are 0 until the first update.
    pub fn new(config: OptimizerConfig) -> Self {
        Self { config, first: GradientsParams::new(), second: GradientsParams::new(), shard: None }
    }

    /// Keeps the moments of `shard`'s parts of `model`'s parameters alone from here on, `[n]` each, and drops the others.
    /// Those that are not there yet are made, as zeros: beside one another now, and not among what a step makes.
    pub fn shard<M: Module>(&mut self, model: &M, shard: OptimizerShard) {
        self.shard = Some(shard);
        model.visit(&mut Cut { adamw: self, shard });
    }

    /// The shard whose moments it keeps, if not all.
    pub fn is_sharded(&self) -> Option<OptimizerShard> {
        self.shard
    }

    /// The mean and the uncentred variance of a parameter's gradients; `None` before its first update.
    pub fn moments<const D: usize>(&self, id: ParamId) -> Option<[Tensor<D>; 2]> {
        Some([self.first.get(id)?, self.second.get(id)?])
    }

    /// Sets the moments of a parameter, which must be where it is.
    pub fn set_moments<const D: usize>(&mut self, id: ParamId, [first, second]: [Tensor<D>; 2]) {
        self.first.register(id, first);
        self.second.register(id, second);
    }

    /// Updates each parameter of `model` that has a gradient, which must be where it is.
    pub fn step<M: Module>(&mut self, model: M, gradients: GradientsParams, update: Update) -> M {
        model.map(&mut Whole { step: self.begin(update), gradients })
    }

    /// An update, parameter by parameter.
    pub(crate) fn begin(&mut self, update: Update) -> Step<'_> {
        let t = i32::try_from(update.number + 1).unwrap_or(i32::MAX);
        let OptimizerConfig { beta1, beta2, eps, weight_decay, .. } = self.config;
        let corrections = [beta1, beta2].map(|beta| 1.0 - beta.powi(t));
        let Update { learning_rate, factor, wanted, .. } = update;
        let wanted = wanted.float();
        let factor = factor.unwrap_or_else(|| wanted.ones_like());
        let scalars = Tensor::cat(vec![factor, wanted], 0);
        let numbers = AdamWNumbers { learning_rate, beta1, beta2, eps, weight_decay, corrections };
        Step { adamw: self, scalars, numbers, elsewhere: None }
    }
}

/// Cuts moments down to a shard's.
struct Cut<'a> {
    adamw: &'a mut AdamW,
    shard: OptimizerShard,
}

impl ModuleVisitor for Cut<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let AdamW { first, second, .. } = &mut *self.adamw;
        let part = self.shard.part(param.shape().num_elements());
        for moments in [first, second] {
            let own: Tensor<1> = match moments.remove::<D>(param.id) {
                _ if part.is_empty() => continue,
                Some(whole) => self.shard.of(whole),
                None => Tensor::zeros([part.len()], &param.val().without_autodiff().device()),
            };
            moments.register(param.id, own);
        }
    }
}

pub(crate) struct Step<'a> {
    adamw: &'a mut AdamW,
    /// [`Update::factor`] and [`Update::wanted`], `[2]`.
    scalars: Tensor<1>,
    numbers: AdamWNumbers,
    /// `scalars` where the parameters are that live elsewhere.
    elsewhere: Option<Tensor<1>>,
}

impl Step<'_> {
    fn scalars(&mut self, device: &Device) -> Tensor<1> {
        if self.scalars.device() == *device {
            return self.scalars.clone();
        }
        self.elsewhere.get_or_insert_with(|| self.scalars.clone().to_device(device)).clone()
    }

    /// The new values of a parameter, or of a part of it. Those of a matrix decay.
    pub fn updated<const D: usize>(
        &mut self,
        id: ParamId,
        old: Tensor<D>,
        gradient: Tensor<D>,
        is_matrix: bool,
    ) -> Tensor<D> {
        let weight_decay = if is_matrix { self.numbers.weight_decay } else { 0.0 };
        let numbers = AdamWNumbers { weight_decay, ..self.numbers };
        let moments = self.adamw.first.remove(id).zip(self.adamw.second.remove(id));
        let scalars = self.scalars(&old.device());
        let (new, moments) = adamw(old, moments.map(Into::into), gradient, scalars, numbers);
        self.adamw.set_moments(id, moments);
        new
    }
}

/// Updates whole parameters.
struct Whole<'a> {
    step: Step<'a>,
    gradients: GradientsParams,
}

impl ModuleMapper for Whole<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let (id, value, mapper) = param.consume();
        let value = match self.gradients.remove::<D>(id) {
            None => value,
            Some(gradient) => {
                let tracked = value.is_require_grad();
                let new = Tensor::from_inner(self.step.updated(id, value.inner(), gradient, D > 1));
                if tracked { new.require_grad() } else { new }
            }
        };
        Param::from_mapped_value(id, value, mapper)
    }
}

#[cfg(test)]
mod tests {
    use burn::module::Param;
    use hearth_wgsl::each_device;

    use super::*;

    #[derive(Module, Debug)]
    struct Two {
        matrix: Param<Tensor<2>>,
        vector: Param<Tensor<1>>,
    }

    fn two(device: &Device) -> Two {
        let device = device.clone().autodiff();
        Two {
            matrix: Param::from_tensor(Tensor::from_floats([[1.0, -2.0], [0.5, 3.0]], &device)),
            vector: Param::from_tensor(Tensor::from_floats([0.25, -0.75], &device)),
        }
    }

    fn gradients(model: &Two, scale: f32) -> GradientsParams {
        let device = model.matrix.device().without_autodiff();
        let mut gradients = GradientsParams::new();
        gradients.register(model.matrix.id, Tensor::<2>::from_floats([[0.1, -0.2], [0.3, 0.0]], &device) * scale);
        gradients.register(model.vector.id, Tensor::<1>::from_floats([-0.5, 1.5], &device) * scale);
        gradients
    }

    fn values<const D: usize>(x: Tensor<D>) -> Vec<f32> {
        x.into_data().iter().collect()
    }

    fn update(number: u64, wanted: bool, device: &Device) -> Update {
        Update { learning_rate: 0.01, number, factor: None, wanted: Tensor::from_data([wanted], device) }
    }

    each_device! {
        /// Not even a gradient that is no number gets through, before the first update and after it.
        fn an_unwanted_update_changes_no_bit(device) {
            let mut adamw = AdamW::new(OptimizerConfig::default());
            let mut model = two(&device);
            let all = |model: &Two, adamw: &AdamW| {
                let moments = adamw.moments::<2>(model.matrix.id).expect("after an update");
                let vector = adamw.moments::<1>(model.vector.id).expect("after an update");
                let [matrices, vectors] = [moments.map(values).concat(), vector.map(values).concat()];
                [values(model.matrix.val()), values(model.vector.val()), matrices, vectors]
            };
            let before = [values(model.matrix.val()), values(model.vector.val())];
            let bad = gradients(&model, f32::NAN);
            model = adamw.step(model, bad, update(0, false, &device));
            assert_eq!(all(&model, &adamw)[..2], before);
            assert_eq!(all(&model, &adamw)[2], [0.0; 8]);

            let good = gradients(&model, 1.0);
            model = adamw.step(model, good, update(1, true, &device));
            let good = all(&model, &adamw);
            assert_ne!(good[..2], before);
            for scale in [f32::NAN, f32::INFINITY, 1e30] {
                let bad = gradients(&model, scale);
                model = adamw.step(model, bad, update(2, false, &device));
                assert_eq!(all(&model, &adamw), good);
            }
            assert!(model.matrix.val().is_require_grad());
        }
    }
}
