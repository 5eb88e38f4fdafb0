//! One of several ranks that train a model, and the step that they take together.

use std::time::Duration;

use burn::tensor::Tensor;
use hearth_data::Batch;
use hearth_model::{Block, TransformerBlock};

use super::{
    CollectiveError, Exchange, OuterState, Pipe, Point, Probe, broadcast::broadcast_state, exchange::Started, host,
    outer::Outer, outer_state, pipeline::Walked, sharded, stage,
};
use crate::{
    TrainError,
    checkpoint::Elsewhere,
    config::ParallelConfig,
    guard::Ceiling,
    optim::OptimizerShard,
    readback::{self, Readback},
    step::{RankFigures, StepOutcome, Trainer},
    walk::{Sink, Walk},
};

/// A trainer on one of several devices. All ranks call the same methods in the same order.
pub struct Rank<B: TransformerBlock = Block> {
    trainer: Trainer<B>,
    /// To all ranks.
    line: Exchange,
    kind: Kind,
    probe: Option<Probe>,
}

/// What a rank has of the model, and when its gradients are added to the others'.
enum Kind {
    /// The whole model; in every step.
    Replica,
    /// The whole model; never, but parameters are averaged after many steps.
    Outer(Box<Outer>),
    /// Some blocks; in every step with the same stages of other pipelines.
    Stage(Box<Pipe>),
}

/// What connects a rank to the others.
pub struct Links {
    /// The line to all.
    pub line: Exchange,
    /// Its place, where the model is in stages.
    pub pipe: Option<Pipe>,
}

impl Links {
    /// Leaves the others, which do the same.
    pub fn finish(self) {
        if let Some(pipe) = self.pipe {
            pipe.finish();
        }
        self.line.finish();
    }
}

impl<B: TransformerBlock> Rank<B> {
    /// A rank that has the whole model. All begin with the parameters and optimizer state of rank 0's `trainer` and make the same
    /// updates, so that they stay equal. With `local_steps` each has state of its own: that which rank 0 has in `earlier`,
    /// where it is of as many ranks.
    ///
    /// # Errors
    /// A rank that is gone.
    pub fn replica(
        mut trainer: Trainer<B>,
        mut line: Exchange,
        settings: &ParallelConfig,
        earlier: OuterState,
    ) -> Result<Self, CollectiveError> {
        readback::restore_copies();
        let momentum = broadcast_state(&mut trainer, &mut line, earlier.momentum)?;
        if settings.shard_optimizer {
            trainer.shard(OptimizerShard { rank: line.rank(), world: line.world() });
        }
        let kind = match settings.local_steps {
            0 => Kind::Replica,
            _ => {
                outer_state::scatter(&mut trainer, &mut line, earlier.ranks)?;
                let total_steps = trainer.options().total_steps;
                let outer = Outer::new(trainer.model(), line.rank(), settings.clone(), total_steps, momentum)?;
                Kind::Outer(Box::new(outer))
            }
        };
        Ok(Self { trainer, line, kind, probe: None })
    }

    /// A rank that has the part of a model that `walk` is over ([`Walk::over`]), at the place `pipe`. `whole` has the model in
    /// host memory; all take rank 0's parameters and optimizer state.
    ///
    /// To be called by the thread that takes the steps: a device has a memory pool for each thread that makes tensors.
    ///
    /// # Errors
    /// A rank that is gone.
    ///
    /// # Panics
    /// Without a place in a pipeline.
    pub fn stage(
        mut whole: Trainer<B>,
        walk: Walk,
        Links { mut line, pipe }: Links,
        settings: &ParallelConfig,
    ) -> Result<Self, CollectiveError> {
        let mut pipe = pipe.expect("a stage has a place in a pipeline");
        readback::restore_copies();
        broadcast_state(&mut whole, &mut line, None)?;
        let trainer = stage::part(&whole, walk, &mut pipe, settings.shard_optimizer);
        Ok(Self { trainer, line, kind: Kind::Stage(Box::new(pipe)), probe: None })
    }

    /// The same rank, which calls `probe` at the points of its steps.
    pub fn with_probe(mut self, probe: Option<Probe>) -> Self {
        if let Kind::Stage(pipe) = &mut self.kind {
            pipe.probe.clone_from(&probe);
        }
        Self { probe, ..self }
    }

    /// Its model and optimizer: of a stage, its part.
    pub fn trainer(&self) -> &Trainer<B> {
        &self.trainer
    }

    /// As [`Rank::trainer`], to set its loss factor or how its steps are cut.
    pub fn trainer_mut(&mut self) -> &mut Trainer<B> {
        &mut self.trainer
    }

    /// Its place, where it has a stage.
    pub fn pipe(&self) -> Option<&Pipe> {
        match &self.kind {
            Kind::Stage(pipe) => Some(pipe),
            _ => None,
        }
    }

    /// The line to all ranks.
    pub(crate) fn line(&mut self) -> &mut Exchange {
        &mut self.line
    }

    /// Lets go of the model and keeps the connections, for another one.
    pub fn into_links(self) -> Links {
        let pipe = match self.kind {
            Kind::Stage(pipe) => Some(*pipe),
            _ => None,
        };
        Links { line: self.line, pipe }
    }

    /// Leaves the others, which do the same.
    pub fn finish(self) {
        self.into_links().finish();
    }

    /// Does step number `step` with this rank's share of the global batch, whose first micro-batch is number `first` of
    /// it. The stages of a pipeline have the same share.
    ///
    /// The outcome is that of the whole batch, and every rank's figures come with it; but with `local_steps` it is that of
    /// this rank's share, and there are no figures. After the last of `local_steps` all ranks come to the same parameters.
    ///
    /// Losses and gradients are added in the order of the ranks: where each rank has one micro-batch, to the same bits as
    /// on one device that takes all of them.
    ///
    /// # Errors
    /// A rank that is gone, or whose device failed; the parameters are then those before the step, if the optimizer is not
    /// sharded.
    pub fn step(
        &mut self,
        step: u64,
        first: usize,
        micro_batches: &[Batch],
        ceiling: &Ceiling,
    ) -> Result<(StepOutcome, Vec<RankFigures>), CollectiveError> {
        self.reached(step, Point::Begin);
        let own = micro_batches.iter().map(Batch::counted).sum();
        let counted = self.sum_over_replicas(own)?;
        let started = self.line.begin();
        let mut sink = match self.kind.replicas(&mut self.line) {
            Some(line) => Sink::with_outlet(line.jobs()),
            None => Sink::default(),
        };
        let (loss, idle) = self.walk(&Walked { step, first, micro_batches, counted }, &mut sink)?;
        self.reached(step, Point::Walked);
        let (sink, loss, figures) = self.reduce(sink, loss, (started, idle))?;
        self.reached(step, Point::Reduced);
        let loss = loss * self.trainer.scale(counted);
        let outcome = self.update(step, loss, sink, ceiling)?;
        self.follow_up(step, own)?;
        self.reached(step, Point::Updated);
        Ok((outcome, figures))
    }

    fn reached(&self, step: u64, point: Point) {
        if let Some(probe) = &self.probe {
            probe.at(step, point);
        }
    }

    /// The sum of a number over the ranks whose gradients are added up.
    fn sum_over_replicas(&mut self, own: usize) -> Result<usize, CollectiveError> {
        let sum = self.kind.replicas(&mut self.line).map_or(Ok(own), |line| line.sum(own));
        sum.map_err(|error| self.kind.among_replicas(error))
    }

    /// Takes all micro-batches forward and back. Returns their summed loss `[1]`, nats, 0 at stages before the last; and how
    /// long this rank waited for other stages meanwhile.
    fn walk(&mut self, work: &Walked<'_>, sink: &mut Sink) -> Result<(Tensor<1>, Duration), CollectiveError> {
        let Walked { step, first, micro_batches, counted } = *work;
        match &mut self.kind {
            Kind::Stage(pipe) => {
                let (loss, idle) = pipe.walk(&self.trainer, work, sink)?;
                Ok((loss.unwrap_or_else(|| Tensor::zeros([1], &self.trainer.walk().device)), idle))
            }
            _ => Ok((self.trainer.walk_all(step, first, micro_batches, counted, sink), Duration::ZERO)),
        }
    }

    /// The sums of gradients and losses over all ranks, and every rank's figures.
    fn reduce(
        &mut self,
        sink: Sink,
        loss: Tensor<1>,
        (started, idle): (Started, Duration),
    ) -> Result<(Sink, Tensor<1>, Vec<RankFigures>), CollectiveError> {
        if let Kind::Outer(_) = self.kind {
            return Ok((sink, loss, Vec::new()));
        }
        let device = self.trainer.walk().device.clone();
        self.line.send_loss(loss, started, idle);
        let sink = match self.kind.replicas(&mut self.line) {
            Some(line) => sink.with_sums(&device, || line.receive()),
            None => Ok(sink),
        };
        let sink = sink.map_err(|error| self.kind.among_replicas(error))?;
        let (loss, figures) = self.line.receive_loss()?;
        Ok((sink, Tensor::from_floats([loss], &device), figures))
    }

    /// Updates the parameters by the summed gradients, unless the mean `loss` or their norm is above `ceiling`.
    fn update(
        &mut self,
        step: u64,
        loss: Tensor<1>,
        gradients: Sink,
        ceiling: &Ceiling,
    ) -> Result<StepOutcome, CollectiveError> {
        let Self { trainer, line, kind, .. } = self;
        let norm = match kind {
            Kind::Stage(pipe) => pipe.norm(trainer, &gradients)?,
            _ => gradients.norm(trainer.model()),
        };
        if !trainer.optimizer().is_sharded() {
            return Ok(trainer.update_by(step, [loss, norm], gradients, ceiling));
        }
        let line = kind.replicas(line).expect("an optimizer is sharded over replicas");
        let outcome = sharded::update(trainer, line, step, [loss, norm], gradients, ceiling);
        outcome.map_err(|error| kind.among_replicas(error))
    }

    /// What an update, on so many targets, makes others wait for: the first stage's half of a tied matrix, or an average.
    fn follow_up(&mut self, step: u64, counted: usize) -> Result<(), CollectiveError> {
        match &mut self.kind {
            Kind::Replica => Ok(()),
            Kind::Outer(outer) => outer.stepped(step, counted, &mut self.trainer, &mut self.line),
            Kind::Stage(pipe) => pipe.update_tied(&mut self.trainer),
        }
    }

    /// Steps from `step` on that this rank does alone, until all average; `None` where gradients are added in every step.
    pub fn local_steps(&self, step: u64) -> Option<u64> {
        match &self.kind {
            Kind::Outer(outer) => Some(outer.steps_until_average(step)),
            _ => None,
        }
    }

    /// Gives all ranks the first one's parameters and optimizer state again, and all pipelines the first one's: those of unlike devices
    /// drift apart by their rounding. Does nothing where each rank has state of its own.
    ///
    /// # Errors
    /// A rank that is gone.
    pub fn synchronize(&mut self) -> Result<(), CollectiveError> {
        let Self { trainer, line, kind, .. } = self;
        if trainer.optimizer().is_sharded() {
            return Ok(());
        }
        let done = kind.replicas(line).map_or(Ok(None), |line| broadcast_state(trainer, line, None));
        done.map(drop).map_err(|error| kind.among_replicas(error))
    }

    /// Whether a checkpoint has to have more than rank 0 has itself: see [`Rank::gather_elsewhere`].
    pub fn has_elsewhere(&self) -> bool {
        match &self.kind {
            Kind::Replica => self.trainer.optimizer().is_sharded(),
            Kind::Outer(_) => true,
            Kind::Stage(_) => false,
        }
    }

    /// What a checkpoint has of replicas that rank 0 does not have itself: the whole optimizer state where each has a part, that of
    /// the others where each has its own.
    ///
    /// # Errors
    /// A rank that is gone, or whose device failed.
    pub fn gather_elsewhere(&mut self) -> Result<Elsewhere, CollectiveError> {
        let Self { trainer, line, kind, .. } = self;
        match kind {
            Kind::Outer(outer) => Ok(Elsewhere {
                momentum: Some(outer.momentum().to_vec()),
                ranks: outer_state::gather(trainer, line)?,
                ..Elsewhere::default()
            }),
            _ => Ok(Elsewhere { state: sharded::all_gather_state(trainer, line)?, ..Elsewhere::default() }),
        }
    }

    /// The model in stages put together in host memory, with its optimizer state, into what `make` gives: on rank 0. `None` where each
    /// rank has the whole model.
    ///
    /// # Errors
    /// Those of `make`; a rank that is gone.
    pub fn gather(
        &mut self,
        make: impl FnOnce() -> Result<Trainer<B>, TrainError>,
    ) -> Result<Option<Trainer<B>>, TrainError> {
        match &mut self.kind {
            Kind::Stage(pipe) => stage::gather(&self.trainer, pipe, &mut self.line, make),
            _ => Ok(None),
        }
    }

    /// The summed loss over `batches`, in parts of `rows` rows, nats, without z-loss or dropout. All stages call it; a rank with
    /// the whole model by itself.
    ///
    /// # Errors
    /// A rank that is gone, or whose device failed.
    pub fn evaluate(&mut self, batches: &[Batch], rows: usize) -> Result<f64, CollectiveError> {
        let Self { trainer, line, kind, .. } = self;
        let model = trainer.evaluated();
        let mut total: Option<Tensor<1>> = None;
        for batch in batches.iter().flat_map(|batch| batch.split(rows)) {
            let loss = match kind {
                Kind::Stage(pipe) => pipe.evaluate(trainer, &model, &batch)?,
                _ => Some(trainer.evaluate(&model, &batch)),
            };
            total = match (total, loss) {
                (Some(total), Some(loss)) => Some(total + loss),
                (total, loss) => total.or(loss),
            };
        }
        let own = total.map(|total| host::values(Readback::new(total), line.rank())).transpose()?;
        let own = own.map_or(Vec::new(), |values| values[0].to_le_bytes().to_vec());
        let all = match kind {
            Kind::Stage(_) => line.all_gather(own)?,
            _ => vec![own],
        };
        // The last stages have it: that of the first pipeline comes first, and the others found the same.
        let found = all.iter().find_map(|bytes| Some(f32::from_le_bytes(bytes.as_slice().try_into().ok()?)));
        Ok(f64::from(found.expect("some rank has the loss")))
    }
}

impl Kind {
    /// The line to the ranks that have the same of the model, where gradients are added up; `line` is that to all.
    fn replicas<'a>(&'a mut self, line: &'a mut Exchange) -> Option<&'a mut Exchange> {
        match self {
            Self::Replica => Some(line),
            Self::Outer(_) => None,
            Self::Stage(pipe) => pipe.replicas(),
        }
    }

    /// What went wrong among these, by the ranks of all.
    fn among_replicas(&self, error: CollectiveError) -> CollectiveError {
        match self {
            Self::Stage(pipe) => pipe.among_replicas(error),
            _ => error,
        }
    }
}
