//! A stage's part of a model: taken from the whole, and put together again for checkpoints, samples and the end of a run.

use std::collections::{HashMap, VecDeque};

use burn::{
    module::{Module, ModuleVisitor, Param, ParamId},
    tensor::Tensor,
};
use hearth_model::{Transformer, TransformerBlock};

use super::{
    CollectiveError, Exchange, Pipe,
    host::{self, ParameterState},
    sharded,
};
use crate::{
    TrainError,
    optim::{Optimizer, OptimizerShard},
    readback::Readback,
    step::Trainer,
    walk::Walk,
};

/// The stage that `walk` is over, of a trainer that has the whole model in host memory: its parameters with what is
/// kept of them, on the walk's device. Where its optimizer is `sharded`, the same stages of all pipelines have a part of the state
/// each.
pub(super) fn part<B: TransformerBlock>(whole: &Trainer<B>, walk: Walk, pipe: &mut Pipe, sharded: bool) -> Trainer<B> {
    let blocks = walk.first_layer..walk.first_layer + walk.policy.segments.last().map_or(0, |it| it.blocks.end);
    // Names are those of the whole model.
    let (options, optimizer) = (whole.options().clone(), whole.optimizer().fresh());
    let mut stage = Trainer::with(whole.model().stage(blocks), walk, options, optimizer);
    let shard =
        pipe.replicas().filter(|_| sharded).map(|line| OptimizerShard { rank: line.rank(), world: line.world() });
    stage.replace(|model, optimizer| {
        for_own(&model, pipe, &mut CopyState { from: whole.optimizer(), to: optimizer });
        if let Some(shard) = shard {
            shard_own(&model, pipe, optimizer, shard);
        }
        model
    });
    stage
}

/// Visits the parameters that a stage updates: those that no other has.
fn for_own<B: TransformerBlock>(model: &Transformer<B>, pipe: &Pipe, visitor: &mut impl ModuleVisitor) {
    if pipe.is_first() {
        model.embedding.visit(visitor);
    }
    model.blocks.visit(visitor);
    if pipe.is_last() {
        model.head.visit(visitor);
    }
}

/// From here on `optimizer` keeps the state of this shard's parts of those parameters alone.
fn shard_own<B: TransformerBlock>(
    model: &Transformer<B>,
    pipe: &Pipe,
    optimizer: &mut Optimizer,
    shard: OptimizerShard,
) {
    if pipe.is_first() {
        optimizer.shard(&model.embedding, shard);
    }
    optimizer.shard(&model.blocks, shard);
    if pipe.is_last() {
        optimizer.shard(&model.head, shard);
    }
}

/// Copies what is kept of a stage's parameters, or makes zeros where there is nothing yet: beside one another now, and not among
/// what a step makes.
struct CopyState<'a> {
    from: &'a Optimizer,
    to: &'a mut Optimizer,
}

impl ModuleVisitor for CopyState<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if !param.val().is_require_grad() {
            return;
        }
        let device = param.val().without_autodiff().device();
        let state = match self.from.state(param.id) {
            Some(state) => state.iter().map(|tensor| tensor.clone().to_device(&device)).collect(),
            None => {
                let shapes = self.from.state_shapes(param.id, &param.dims());
                shapes.iter().map(|it| Tensor::zeros([it.elements()], &device)).collect()
            }
        };
        self.to.set_state(param.id, state);
    }
}

/// The parameters and optimizer state of a stage, as the ranks of a pipeline send them to rank 0.
struct Own {
    copies: VecDeque<(ParamId, Vec<Readback>)>,
    /// State that was put together from several ranks.
    state: HashMap<ParamId, Vec<Vec<f32>>>,
}

impl Own {
    fn new<B: TransformerBlock>(trainer: &Trainer<B>, pipe: &Pipe, state: HashMap<ParamId, Vec<Vec<f32>>>) -> Self {
        let mut copies = VecDeque::new();
        let optimizer = Some(trainer.optimizer()).filter(|it| !it.is_sharded());
        let mut visitor = host::CopyEach::new(optimizer, |id, copy| copies.push_back((id, copy)));
        for_own(trainer.model(), pipe, &mut visitor);
        Self { copies, state }
    }

    /// The next parameter's values, then what is kept of it, if there is anything, end to end.
    fn next(&mut self, rank: usize) -> Result<Vec<f32>, CollectiveError> {
        let (id, copies) = self.copies.pop_front().expect("so many were counted");
        let mut values = Vec::new();
        for copy in copies {
            values.extend(host::wait(copy, rank)?.iter::<f32>());
        }
        self.state.remove(&id).into_iter().flatten().for_each(|tensor| values.extend(tensor));
        Ok(values)
    }
}

/// Puts the stages of the first pipeline together, in host memory: into what `make` gives, on rank 0. All ranks call it.
pub(super) fn gather<B: TransformerBlock>(
    trainer: &Trainer<B>,
    pipe: &mut Pipe,
    line: &mut Exchange,
    make: impl FnOnce() -> Result<Trainer<B>, TrainError>,
) -> Result<Option<Trainer<B>>, TrainError> {
    let state = match pipe.replicas() {
        Some(replicas) => sharded::all_gather_state(trainer, replicas).map_err(|error| pipe.among_replicas(error))?,
        None => HashMap::new(),
    };
    let rank = line.rank();
    let mut own = Own::new(trainer, pipe, state);
    let mut found = VecDeque::new();
    for stage in 0..pipe.stages() {
        let count = line.broadcast((own.copies.len() as u64).to_le_bytes().to_vec(), stage)?;
        for _ in 0..count.as_slice().try_into().map_or(0, u64::from_le_bytes) {
            let values = if rank == stage { own.next(rank)? } else { Vec::new() };
            let bytes = line.broadcast(bytemuck::cast_slice(&values).to_vec(), stage)?;
            if rank == 0 {
                found.push_back(bytemuck::pod_collect_to_vec::<u8, f32>(&bytes));
            }
        }
    }
    if rank > 0 {
        return Ok(None);
    }
    let mut whole = make()?;
    host::load(&mut whole, |_, count, lengths| {
        let mut values = found.pop_front().expect("the stages have all parameters");
        let mut rest = values.split_off(count.min(values.len()));
        let is_complete = rest.len() == lengths.iter().sum::<usize>();
        let state = is_complete.then(|| lengths.iter().map(|length| rest.drain(..length).collect()).collect());
        Ok::<_, TrainError>(Some(ParameterState { values: Some(values), state }))
    })?;
    Ok(Some(whole))
}
