//! Copies of a trainer's tensors are queued.

use std::collections::HashMap;

use burn::{
    module::{Module, ModuleVisitor, Param, ParamId},
    tensor::{Tensor, TensorData},
};

use hearth_model::TransformerBlock;

use super::{
    layout::{OUTER, of_rank, of_state},
    pending::{PendingPart, PendingTensor, push},
};
use crate::{
    names::ModulePath,
    optim::{Optimizer, StateShape},
    readback::Readback,
    step::Trainer,
};

/// What a trainer on one of several devices does not have itself.
#[derive(Default)]
pub struct Elsewhere {
    /// What is kept of each parameter, whole and tensor by tensor, where each rank has a part.
    pub state: HashMap<ParamId, Vec<Vec<f32>>>,
    /// The momentum of outer steps, parameter by parameter, end to end.
    pub momentum: Option<Vec<f32>>,
    /// What rank 1 and those after it keep, where each has its own: parameter by parameter, tensor by tensor, end to end.
    pub ranks: Vec<Vec<f32>>,
}

/// The tensors of both files, in the order that they are written in.
pub(super) struct Captured {
    pub parameters: Vec<PendingTensor>,
    pub state: Vec<PendingTensor>,
}

impl Captured {
    /// The copies that are not in host memory already.
    pub fn copies(&mut self) -> impl Iterator<Item = &mut Readback> {
        let parts = self.parameters.iter_mut().chain(&mut self.state).flat_map(|tensor| &mut tensor.parts);
        parts.filter_map(|part| match part {
            PendingPart::OnDevice(copy) => Some(copy),
            PendingPart::OnHost(_) => None,
        })
    }
}

/// Queues copies of all that a checkpoint has of a trainer.
pub(super) fn capture<B: TransformerBlock>(trainer: &Trainer<B>, elsewhere: Elsewhere) -> Captured {
    let mut capture = Capture {
        optimizer: trainer.optimizer(),
        has_adapters: trainer.model().config().adapter.is_some(),
        elsewhere,
        passed: Passed::default(),
        path: ModulePath::default(),
        captured: Captured { parameters: Vec::new(), state: Vec::new() },
    };
    trainer.model().visit(&mut capture);
    capture.captured
}

struct Capture<'a> {
    optimizer: &'a Optimizer,
    /// What is frozen beside adapters is where it came from.
    has_adapters: bool,
    elsewhere: Elsewhere,
    passed: Passed,
    path: ModulePath,
    captured: Captured,
}

/// Elements of the parameters before the one at hand, and of what is kept of them.
#[derive(Default)]
struct Passed {
    parameters: usize,
    state: usize,
}

impl Capture<'_> {
    fn push(&mut self, name: String, shape: &[usize], part: PendingPart) {
        push(&mut self.captured.state, name, shape, part);
    }

    fn push_values(&mut self, name: String, shape: &[usize], values: Vec<f32>) {
        let data = TensorData::new(values, shape.to_vec());
        self.push(name, shape, PendingPart::OnHost(Box::new(move || data)));
    }

    /// What this trainer keeps of a parameter, or all ranks together.
    fn state(&mut self, id: ParamId, shapes: &[StateShape]) {
        let name = self.path.name();
        if self.optimizer.is_sharded() {
            let whole = self.elsewhere.state.remove(&id).into_iter().flatten();
            shapes.iter().zip(whole).for_each(|(it, values)| self.push_values(of_state(it, &name), &it.shape, values));
        } else if let Some(state) = self.optimizer.state(id) {
            for (it, tensor) in shapes.iter().zip(state) {
                self.push(of_state(it, &name), &it.shape, PendingPart::of(tensor.clone()));
            }
        }
    }

    /// What is kept beside it where ranks train alone.
    fn outer_state(&mut self, shape: &[usize], shapes: &[StateShape]) {
        let name = self.path.name();
        let part = |values: &Vec<f32>, start: &mut usize, count: usize| {
            *start += count;
            values[*start - count..*start].to_vec()
        };
        if let Some(momentum) = &self.elsewhere.momentum {
            let own = part(momentum, &mut self.passed.parameters, shape.iter().product());
            self.push_values(format!("{OUTER}{name}"), shape, own);
        }
        let start = self.passed.state;
        let mut tensors = Vec::new();
        for (at, values) in self.elsewhere.ranks.iter().enumerate() {
            self.passed.state = start;
            for it in shapes {
                let own = part(values, &mut self.passed.state, it.elements());
                tensors.push((format!("{}{}", of_rank(at + 1), of_state(it, &name)), it, own));
            }
        }
        tensors.into_iter().for_each(|(name, it, own)| self.push_values(name, &it.shape, own));
    }
}

impl ModuleVisitor for Capture<'_> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.enter(name);
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let shapes = self.optimizer.state_shapes(param.id, &param.dims());
        self.state(param.id, &shapes);
        self.outer_state(&param.dims(), &shapes);
        if self.has_adapters && !param.val().is_require_grad() {
            return;
        }
        let value = param.val().without_autodiff();
        push(&mut self.captured.parameters, self.path.name(), &value.dims(), PendingPart::of(value));
    }
}
