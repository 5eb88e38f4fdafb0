//! The optimizer of a model: a rule and a rate for each parameter, and their state in the open, so that a checkpoint can hold it
//! and a guard can leave it as it was.

use std::collections::HashMap;

use burn::{
    module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId},
    optim::GradientsParams,
    tensor::{Bool, Device, Tensor},
};

use super::{
    OptimizerConfig, OptimizerShard, ParameterUpdate, Rule, Setting, StateShape,
    shard::{Part, Sharding},
};
use crate::names::ModulePath;

/// Updates the parameters of one model. The state of a parameter lives where it lives, flat. A parameter without a gradient,
/// as one that is frozen, stays as it is, and nothing is kept of it.
///
/// Burn's optimizers keep their state where no one else can reach it one tensor at a time, and cannot leave out an update that
/// the device finds to be bad.
#[derive(Debug)]
pub struct Optimizer {
    settings: HashMap<ParamId, Setting>,
    state: HashMap<ParamId, Vec<Tensor<1>>>,
    sharding: Option<Sharding>,
}

/// What an update is besides its gradients.
#[derive(Clone, Debug)]
pub struct Update {
    /// Learning rate of this update.
    pub learning_rate: f64,
    /// Number of updates until now, those that were left out included (as in llm.c): what depends on time goes by it.
    pub number: u64,
    /// Factor of all gradients, `[1]`, on any device; 1 without.
    pub factor: Option<Tensor<1>>,
    /// Whether the update is made, `[1]`, on any device: where false, every parameter and all state stay as they are.
    pub wanted: Tensor<1, Bool>,
}

impl Optimizer {
    /// The optimizer that `config` describes, for `model`, which is `width` channels wide.
    pub fn new<M: Module>(config: &OptimizerConfig, model: &M, width: usize) -> Self {
        Self::by(model, |name, shape| config.setting(name, shape, width))
    }

    /// An optimizer for `model` whose parameters have what `setting` gives by name and shape: rules of one's own, say.
    pub fn by<M: Module>(model: &M, setting: impl FnMut(&str, &[usize]) -> Setting) -> Self {
        let mut settings = Settings { path: ModulePath::default(), setting, found: HashMap::new() };
        model.visit(&mut settings);
        Self { settings: settings.found, state: HashMap::new(), sharding: None }
    }

    /// The same rules and rates, without state: for a part of the model.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn fresh(&self) -> Self {
        Self { settings: self.settings.clone(), state: HashMap::new(), sharding: None }
    }

    /// Keeps the state of `shard`'s parts of `model`'s parameters alone from here on, and drops the rest. Where there is none yet
    /// it is made, as zeros: beside one another now, and not among what a step makes.
    pub fn shard<M: Module>(&mut self, model: &M, shard: OptimizerShard) {
        self.sharding.get_or_insert_with(|| Sharding::new(shard));
        model.visit(&mut Divide { optimizer: self });
    }

    /// Whether other ranks have a part of the state.
    pub fn is_sharded(&self) -> bool {
        self.sharding.is_some()
    }

    /// Whether other ranks have a part of this parameter's state.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn shares(&self, id: ParamId) -> bool {
        self.sharding.as_ref().is_some_and(|sharding| sharding.has(id))
    }

    /// This rank's part of a parameter of `length` elements.
    pub(crate) fn part(&self, id: ParamId, length: usize) -> Part {
        self.sharding.as_ref().map_or(Part::Whole, |sharding| sharding.part(id, length))
    }

    /// What is kept of a parameter of this shape.
    pub fn state_shapes(&self, id: ParamId, shape: &[usize]) -> Vec<StateShape> {
        self.settings.get(&id).map_or(Vec::new(), |setting| setting.rule.state(shape))
    }

    /// The state of a parameter, or of this rank's part of it: flat, in the order of [`Optimizer::state_shapes`]. `None` before its
    /// first update.
    pub fn state(&self, id: ParamId) -> Option<&[Tensor<1>]> {
        self.state.get(&id).map(Vec::as_slice)
    }

    /// Sets the state of a parameter, which must be where it is.
    pub fn set_state(&mut self, id: ParamId, state: Vec<Tensor<1>>) {
        self.state.insert(id, state);
    }

    /// Updates each parameter of `model` that has a gradient, which must be where it is.
    pub fn step<M: Module>(&mut self, model: M, gradients: GradientsParams, update: Update) -> M {
        model.map(&mut Whole { step: self.begin(update), gradients })
    }

    /// `model`, with autodiff as in [`Optimizer::step`], with the values that it is measured and used with: see [`Rule::evaluated`].
    /// The optimizer must have all of their state.
    pub fn evaluated<M: Module>(&self, model: M) -> M {
        model.map(&mut Evaluated { optimizer: self })
    }

    /// An update, parameter by parameter.
    pub(crate) fn begin(&mut self, update: Update) -> Step<'_> {
        let Update { learning_rate, number, factor, wanted } = update;
        let wanted = wanted.float();
        let factor = factor.unwrap_or_else(|| wanted.ones_like());
        let scalars = Tensor::cat(vec![factor, wanted], 0);
        Step { optimizer: self, learning_rate, number: number + 1, scalars, elsewhere: Vec::new() }
    }
}

/// Finds what each parameter has.
struct Settings<F> {
    path: ModulePath,
    setting: F,
    found: HashMap<ParamId, Setting>,
}

impl<F: FnMut(&str, &[usize]) -> Setting> ModuleVisitor for Settings<F> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.enter(name);
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let setting = (self.setting)(&self.path.name(), &param.dims());
        self.found.insert(param.id, setting);
    }
}

/// Cuts state down to a rank's own.
struct Divide<'a> {
    optimizer: &'a mut Optimizer,
}

impl ModuleVisitor for Divide<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let (id, shape) = (param.id, param.dims());
        let Optimizer { settings, state, sharding: Some(sharding) } = &mut *self.optimizer else { return };
        let Some(Setting { rule, .. }) = settings.get(&id).filter(|_| param.val().is_require_grad()) else { return };
        let length = shape.iter().product();
        sharding.divide(id, length, rule.is_elementwise());
        let part = sharding.part(id, length);
        let before = state.remove(&id);
        if part.elements(length) == 0 {
            return;
        }
        let own = match before {
            Some(whole) => whole.into_iter().map(|tensor| part.of(tensor)).collect(),
            None => zeros(rule.as_ref(), &shape, &part, &param.val().without_autodiff().device()),
        };
        state.insert(id, own);
    }
}

/// The state before the first update.
fn zeros(rule: &dyn Rule, shape: &[usize], part: &Part, device: &Device) -> Vec<Tensor<1>> {
    let shapes = rule.state(shape).into_iter();
    shapes.map(|it| Tensor::zeros([part.elements(it.elements())], device)).collect()
}

/// An update under way.
pub(crate) struct Step<'a> {
    optimizer: &'a mut Optimizer,
    learning_rate: f64,
    /// From 1.
    number: u64,
    /// [`Update::factor`] and [`Update::wanted`], `[2]`.
    scalars: Tensor<1>,
    /// `scalars` where the parameters are that live elsewhere.
    elsewhere: Vec<Tensor<1>>,
}

impl Step<'_> {
    /// The rank's part of a parameter.
    pub fn part(&self, id: ParamId, length: usize) -> Part {
        self.optimizer.part(id, length)
    }

    fn scalars(&mut self, device: &Device) -> Tensor<1> {
        if self.scalars.device() == *device {
            return self.scalars.clone();
        }
        let there = self.elsewhere.iter().find(|scalars| scalars.device() == *device).cloned();
        there.unwrap_or_else(|| {
            let scalars = self.scalars.clone().to_device(device);
            self.elsewhere.push(scalars.clone());
            scalars
        })
    }

    /// The new values of a parameter of this shape, or of the rank's part of it, flat as its `old` values and its `gradient`.
    pub fn updated(&mut self, id: ParamId, shape: &[usize], old: Tensor<1>, gradient: Tensor<1>) -> Tensor<1> {
        let length = shape.iter().product();
        let part = self.part(id, length);
        let scalars = self.scalars(&old.device());
        let Optimizer { settings, state, .. } = &mut *self.optimizer;
        let Setting { rule, learning_rate_factor, weight_decay } =
            settings.get(&id).expect("an optimizer updates the model that it was made for");
        let state_before = state.remove(&id).unwrap_or_else(|| zeros(rule.as_ref(), shape, &part, &old.device()));
        let piece = [part.elements(length)];
        let (new, state_after) = rule.update(ParameterUpdate {
            shape: if part == Part::Whole { shape } else { &piece },
            value: old,
            gradient,
            state: state_before,
            learning_rate: self.learning_rate * learning_rate_factor,
            weight_decay: *weight_decay,
            number: self.number,
            scalars,
        });
        state.insert(id, state_after);
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
                let (shape, tracked) = (value.dims(), value.is_require_grad());
                let flat = [shape.iter().product::<usize>()];
                let new = self.step.updated(id, &shape, value.inner().reshape(flat), gradient.reshape(flat));
                let new = Tensor::from_inner(new.reshape(shape));
                if tracked { new.require_grad() } else { new }
            }
        };
        Param::from_mapped_value(id, value, mapper)
    }
}

/// Sets the values that a model is measured and used with.
struct Evaluated<'a> {
    optimizer: &'a Optimizer,
}

impl ModuleMapper for Evaluated<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Optimizer { settings, state, .. } = self.optimizer;
        // What was never updated, as what is frozen, is as it is.
        let Some((setting, state)) = settings.get(&param.id).zip(state.get(&param.id)) else { return param };
        let (shape, value) = (param.dims(), param.val().inner());
        match setting.rule.evaluated(value.reshape([shape.iter().product::<usize>()]), state) {
            None => param,
            Some(new) => {
                let (id, _, mapper) = param.consume();
                Param::from_mapped_value(id, Tensor::from_inner(new.reshape(shape)), mapper)
            }
        }
    }
}
