//! Copies of a trainer's tensors are queued.

use std::collections::HashMap;

use burn::{
    module::{Module, ModuleVisitor, Param, ParamId},
    tensor::{Tensor, TensorData},
};

use super::{
    layout::{MOMENTS, ModulePath, OUTER, of_rank},
    pending::{PendingPart, PendingTensor, push},
};
use crate::{optim::AdamW, readback::Readback, step::Trainer};

/// What a trainer on one of several devices does not have itself.
#[derive(Default)]
pub struct Elsewhere {
    /// The whole moments, where each rank has a part.
    pub moments: HashMap<ParamId, [TensorData; 2]>,
    /// The momentum of outer steps, parameter by parameter, end to end.
    pub momentum: Option<Vec<f32>>,
    /// The first and second moments of rank 1 and those after it, where each has its own, in the same order.
    pub ranks: Vec<[Vec<f32>; 2]>,
}

/// The tensors of both files, in the order that they are written in.
pub(super) struct Captured {
    pub parameters: Vec<PendingTensor>,
    pub moments: Vec<PendingTensor>,
}

impl Captured {
    /// The copies that are not in host memory already.
    pub fn copies(&mut self) -> impl Iterator<Item = &mut Readback> {
        let parts = self.parameters.iter_mut().chain(&mut self.moments).flat_map(|tensor| &mut tensor.parts);
        parts.filter_map(|part| match part {
            PendingPart::OnDevice(copy) => Some(copy),
            PendingPart::OnHost(_) => None,
        })
    }
}

/// Queues copies of all that a checkpoint has of a trainer.
pub(super) fn capture(trainer: &Trainer, elsewhere: Elsewhere) -> Captured {
    let mut capture = Capture {
        optimizer: trainer.optimizer(),
        elsewhere,
        passed: 0,
        path: ModulePath::default(),
        captured: Captured { parameters: Vec::new(), moments: Vec::new() },
    };
    trainer.model().visit(&mut capture);
    capture.captured
}

struct Capture<'a> {
    optimizer: &'a AdamW,
    elsewhere: Elsewhere,
    /// Elements of the parameters before.
    passed: usize,
    path: ModulePath,
    captured: Captured,
}

impl Capture<'_> {
    fn push_moment(&mut self, prefix: &str, shape: &[usize], part: PendingPart) {
        push(&mut self.captured.moments, format!("{prefix}{}", self.path.file_name()), shape, part);
    }

    fn push_data(&mut self, prefix: &str, data: TensorData) {
        let shape = data.shape().to_vec();
        self.push_moment(prefix, &shape, PendingPart::OnHost(Box::new(move || data)));
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
        if self.optimizer.is_sharded().is_some() {
            let moments = self.elsewhere.moments.remove(&param.id).into_iter().flatten();
            for (prefix, moment) in MOMENTS.into_iter().zip(moments) {
                self.push_data(prefix, moment);
            }
        } else if let Some(moments) = self.optimizer.moments::<D>(param.id) {
            for (prefix, moment) in MOMENTS.into_iter().zip(moments) {
                self.push_moment(prefix, &moment.dims(), PendingPart::of(moment));
            }
        }
        let own = self.passed..self.passed + param.shape().num_elements();
        self.passed = own.end;
        let part = |values: &Vec<f32>| TensorData::new(values[own.clone()].to_vec(), param.shape());
        let mut flat = Vec::new();
        flat.extend(self.elsewhere.momentum.iter().map(|momentum| (OUTER.to_string(), part(momentum))));
        for (at, both) in self.elsewhere.ranks.iter().enumerate() {
            flat.extend(MOMENTS.into_iter().zip(both).map(|(name, values)| (of_rank(at + 1, name), part(values))));
        }
        flat.into_iter().for_each(|(prefix, data)| self.push_data(&prefix, data));
        let value = param.val().without_autodiff();
        push(&mut self.captured.parameters, self.path.file_name(), &value.dims(), PendingPart::of(value));
    }
}
