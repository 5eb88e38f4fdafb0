//! A model in stages, each on a device of its own, through which micro-batches pass one behind the other.
//!
//! One forward, one backward (PipeDream-Flush, Narayanan et al. 2021, arXiv 2104.04473, section 2.2): stage `s` of `S` runs
//! `S - 1 - s` micro-batches forward and then takes one back for each that it takes on, so that it never holds more than
//! `S - s` of them, however many there are. Each stage adds up its gradients in the order of the micro-batches, and the
//! global norm is one sum that is passed from stage to stage in the order of the parameters: a step has the bits that it has
//! on one device.
//!
//! Tensors go from device to device through host memory. Their copies are queued where they are made, and waited for where
//! they are needed: the device has other micro-batches meanwhile.

use std::{
    collections::VecDeque,
    ops::Range,
    sync::mpsc::{Receiver, Sender, channel},
    time::Instant,
};

use burn::{
    module::{Module, Param},
    tensor::{Device, Int, Tensor, TensorData},
};
use hearth_data::Batch;
use hearth_model::Transformer;
use hearth_wgsl::squares_from;

use super::{CollectiveError, Exchange, Kind, Span, Timeline, share};
use crate::{
    TrainError,
    guard::Ceiling,
    optim::AdamW,
    readback::Readback,
    step::{StepOptions, StepOutcome, Trainer},
    walk::{MicroBatch, Passage, Sink, Top, Walk, norm_of},
};

/// Consecutive blocks of a model on a device; the first stage has the embedding too, and the last the head.
pub struct Stage {
    trainer: Trainer,
    pipe: Pipe,
}

/// A stage's place in its pipeline, with lines to the stages beside it.
pub struct Pipe {
    number: usize,
    count: usize,
    /// To the stage before: gradients go down, activations come.
    before: Option<Line>,
    /// To the stage behind: activations go up, gradients come.
    behind: Option<Line>,
    /// Between the first and the last, which share a tied matrix: half its gradient goes down, its new values up.
    tie: Option<Line>,
    /// To the same stage of other pipelines.
    replicas: Option<Exchange>,
    timeline: Option<Timeline>,
    /// Most micro-batches that it has held at once.
    most_held: usize,
}

/// To another stage.
struct Line {
    other: usize,
    send: Sender<Readback>,
    receive: Receiver<Readback>,
}

/// A micro-batch that is held until it comes back.
struct Held {
    passage: Passage,
    /// At the last stage, where it turns.
    turned: Option<Tensor<3>>,
}

impl Line {
    fn pair(one: usize, other: usize) -> (Self, Self) {
        let (to_other, from_one) = channel();
        let (to_one, from_other) = channel();
        (Self { other, send: to_other, receive: from_other }, Self { other: one, send: to_one, receive: from_one })
    }

    fn send<const D: usize>(&self, tensor: Tensor<D>) {
        // A stage that is gone is missed where its answer is.
        let _ = self.send.send(Readback::new(tensor));
    }

    fn receive(&self, stages: usize) -> Result<TensorData, CollectiveError> {
        let gone = CollectiveError::Lost { rank: self.other, world: stages };
        let copy = self.receive.recv().map_err(|_| gone)?;
        copy.wait().map_err(|error| CollectiveError::Device(TrainError::of_device(error).to_string()))
    }
}

impl Stage {
    /// The part of `model` that `walk` is over ([`Walk::over`]), at the place `pipe`.
    ///
    /// To be called by the thread that takes the steps: a device has a memory pool for each thread that makes tensors.
    ///
    /// # Panics
    /// If the walk keeps parameters in host memory.
    pub fn new(model: &Transformer, walk: Walk, options: &StepOptions, pipe: Pipe) -> Self {
        assert!(!walk.policy.uses_host(), "a stage keeps its parameters on its device");
        let mut trainer = Trainer::new(model.part(blocks(&walk)), walk, options.clone());
        trainer.take_moments(&pipe, &AdamW::new(options.optimizer.clone()));
        Self { trainer, pipe }
    }

    /// The same stage of several pipelines, each of which takes a share of every global batch.
    pub fn with_replicas(self, replicas: Exchange) -> Self {
        Self { pipe: self.pipe.with_replicas(replicas), ..self }
    }

    /// Records what it does when.
    pub fn recorded(mut self, timeline: Timeline) -> Self {
        self.pipe.timeline = Some(timeline);
        self
    }

    /// Its part of the model, and of the optimizer.
    pub fn trainer(&self) -> &Trainer {
        &self.trainer
    }

    /// Most micro-batches that it has held for their way back at once.
    pub fn most_held(&self) -> usize {
        self.pipe.most_held
    }

    /// Does step number `step` with all micro-batches of this pipeline, of which the first is number `first` of the global
    /// batch. Every stage is called with the same.
    ///
    /// # Errors
    /// A stage or a rank that is gone.
    pub fn step(
        &mut self,
        step: u64,
        first: usize,
        micro_batches: &[Batch],
        ceiling: &Ceiling,
    ) -> Result<StepOutcome, CollectiveError> {
        self.pipe.step(&mut self.trainer, step, first, micro_batches, ceiling)
    }

    /// The summed loss `[1]` of a batch, without dropout or gradients, in nats: at the last stage. All are called.
    ///
    /// # Errors
    /// A stage that is gone.
    pub fn evaluate(&self, batch: &Batch) -> Result<Option<Tensor<1>>, CollectiveError> {
        self.pipe.evaluate(&self.trainer, &self.trainer.model().valid(), batch)
    }
}

impl Pipe {
    /// The places of a pipeline of `count` stages; the first and the last share the matrix of a `tied` model.
    pub fn line(count: usize, tied: bool) -> Vec<Self> {
        let (mut low, mut high) = match tied && count > 1 {
            true => {
                let (first, last) = Line::pair(0, count - 1);
                (Some(first), Some(last))
            }
            false => (None, None),
        };
        let mut before = None;
        let places = (0..count).map(|number| {
            let last = number + 1 == count;
            let (up, down) = Line::pair(number, number + 1);
            Self {
                number,
                count,
                before: before.replace(down),
                behind: (!last).then_some(up),
                tie: if number == 0 { low.take() } else { high.take_if(|_| last) },
                replicas: None,
                timeline: None,
                most_held: 0,
            }
        });
        places.collect()
    }

    pub(crate) fn with_replicas(self, replicas: Exchange) -> Self {
        Self { replicas: Some(replicas), ..self }
    }

    /// Takes the state that this stage has in the first pipeline.
    pub(crate) fn level(&mut self, trainer: &mut Trainer) -> Result<(), CollectiveError> {
        match &mut self.replicas {
            Some(replicas) => share(trainer, replicas, None).map(drop),
            None => Ok(()),
        }
    }

    pub(crate) fn is_first(&self) -> bool {
        self.before.is_none()
    }

    pub(crate) fn is_last(&self) -> bool {
        self.behind.is_none()
    }

    /// See [`Stage::step`].
    pub(crate) fn step(
        &mut self,
        trainer: &mut Trainer,
        step: u64,
        first: usize,
        micro_batches: &[Batch],
        ceiling: &Ceiling,
    ) -> Result<StepOutcome, CollectiveError> {
        let counted = micro_batches.iter().map(Batch::counted).sum();
        let counted = match &mut self.replicas {
            Some(replicas) => replicas.sum(counted)?,
            None => counted,
        };
        let mut sink = match &self.replicas {
            Some(replicas) => Sink::with_outlet(replicas.jobs()),
            None => Sink::default(),
        };
        let count = micro_batches.len();
        let ahead = (self.count - 1 - self.number).min(count);
        let scale = trainer.scale(counted);
        let key = trainer.key(step);
        let mut held = VecDeque::new();
        let mut loss: Option<Tensor<1>> = None;
        for turn in 0..count + ahead {
            if turn + 1 == count + ahead {
                sink.expect_last();
            }
            if let Some(batch) = micro_batches.get(turn) {
                let key = key.map(|key| key.fold_in((first + turn) as u64));
                let device = &trainer.walk().device;
                let (passage, targets) = trainer.walk().passage(MicroBatch::new(batch, device), key);
                let (passage, top) = self.up(trainer, passage, targets, scale, &mut sink)?;
                let turned = top.map(|(own, gradient)| {
                    loss = Some(loss.take().map_or(own.clone(), |loss| loss + own));
                    gradient
                });
                held.push_back(Held { passage, turned });
                self.most_held = self.most_held.max(held.len());
            }
            if turn >= ahead {
                let oldest = held.pop_front().expect("as many went up as come down");
                self.down(trainer, oldest, &mut sink)?;
            }
        }
        let start = Instant::now();
        let device = trainer.walk().device.clone();
        let (sink, loss) = self.over_replicas(sink, loss, &device)?;
        let figures = self.figures(trainer, &sink, loss.map(|loss| loss * scale))?;
        let outcome = trainer.update_by(step, figures, sink, ceiling);
        self.tie(trainer)?;
        self.note(Kind::Update, start);
        Ok(outcome)
    }

    /// A micro-batch forward. At the last stage also its loss, and the gradient with which it turns.
    fn up(
        &self,
        trainer: &Trainer,
        mut passage: Passage,
        targets: Tensor<1, Int>,
        scale: f64,
        sink: &mut Sink,
    ) -> Result<(Passage, Option<(Tensor<1>, Tensor<3>)>), CollectiveError> {
        let (walk, model) = (trainer.walk(), trainer.model());
        let x_btc = match &self.before {
            Some(before) => self.wait(|| before.receive(self.count))?,
            None => None,
        };
        let start = Instant::now();
        let x_btc = match x_btc {
            Some(data) => Tensor::from_data(data, &walk.device),
            None => walk.embed(model, &passage),
        };
        let x_btc = walk.up(model, &mut passage, x_btc);
        let Some(behind) = &self.behind else {
            let Top { loss, gradient_btc, tied } = walk.head(model, x_btc, targets, scale, sink);
            for (id, half) in tied {
                match &self.tie {
                    Some(first) => first.send(half),
                    None => sink.keep_tied_half(id, half, walk.policy.embedding),
                }
            }
            self.note(Kind::Walk, start);
            return Ok((passage, Some((loss, gradient_btc))));
        };
        behind.send(x_btc);
        self.note(Kind::Walk, start);
        Ok((passage, None))
    }

    /// A micro-batch backward.
    fn down(&self, trainer: &Trainer, held: Held, sink: &mut Sink) -> Result<(), CollectiveError> {
        let (walk, model) = (trainer.walk(), trainer.model());
        let Held { mut passage, turned } = held;
        let gradient_btc = match (turned, &self.behind) {
            (Some(gradient_btc), _) => gradient_btc,
            (None, Some(behind)) => {
                let data = self.wait(|| behind.receive(self.count))?.expect("waited for");
                Tensor::from_data(data, &walk.device)
            }
            (None, None) => unreachable!("at the last stage micro-batches turn"),
        };
        let start = Instant::now();
        let gradient_btc = walk.down(model, &mut passage, gradient_btc, sink);
        match &self.before {
            Some(before) => before.send(gradient_btc),
            None => {
                if let Some(last) = &self.tie {
                    for shard in model.embedding.tokens.shards.iter().filter(|shard| shard.is_require_grad()) {
                        let half = last.receive(self.count)?;
                        sink.keep_tied_half::<2>(
                            shard.id,
                            Tensor::from_data(half, &walk.device),
                            walk.policy.embedding,
                        );
                    }
                }
                walk.embedding_down(model, passage, gradient_btc, sink);
            }
        }
        self.note(Kind::Walk, start);
        Ok(())
    }

    /// The gradients and the loss summed over all pipelines.
    fn over_replicas(
        &mut self,
        sink: Sink,
        loss: Option<Tensor<1>>,
        device: &Device,
    ) -> Result<(Sink, Option<Tensor<1>>), CollectiveError> {
        let Some(replicas) = &mut self.replicas else { return Ok((sink, loss)) };
        let has_loss = loss.is_some();
        if let Some(loss) = loss {
            replicas.jobs().reduce(loss);
        }
        let sink = sink.with_sums(device, || replicas.receive())?;
        let loss = has_loss.then(|| replicas.receive()).transpose()?;
        Ok((sink, loss.map(|loss| Tensor::from_floats(loss.as_slice(), device))))
    }

    /// The loss and the norm of all gradients, everywhere: squares go up, stage by stage, and what they come to down.
    fn figures(
        &self,
        trainer: &Trainer,
        sink: &Sink,
        loss: Option<Tensor<1>>,
    ) -> Result<[Tensor<1>; 2], CollectiveError> {
        let device = &trainer.walk().device;
        let floats = |line: &Line| -> Result<Vec<f32>, CollectiveError> {
            Ok(line.receive(self.count)?.try_into_vec().expect("figures are f32"))
        };
        let before = self.before.as_ref().map(floats).transpose()?;
        let before = before.map(|sums| squares_from(&sums, device));
        let squares = sink.add_squares(trainer.model(), before).expect("a stage has parameters with gradients");
        let (loss, norm) = match (&self.behind, loss) {
            (Some(behind), _) => {
                behind.send(squares);
                let figures = floats(behind)?;
                let [loss, norm] = [figures[0], figures[1]].map(|it| Tensor::from_floats([it], device));
                (loss, norm)
            }
            (None, Some(loss)) => (loss, norm_of(squares)),
            (None, None) => unreachable!("the last stage has the loss"),
        };
        if let Some(before) = &self.before {
            before.send(Tensor::cat(vec![loss.clone(), norm.clone()], 0));
        }
        Ok([loss, norm])
    }

    /// The first stage's new values of a tied matrix for the last.
    fn tie(&self, trainer: &mut Trainer) -> Result<(), CollectiveError> {
        let Some(line) = &self.tie else { return Ok(()) };
        if self.number == 0 {
            for shard in &trainer.model().embedding.tokens.shards {
                line.send(shard.val().without_autodiff());
            }
            return Ok(());
        }
        let device = trainer.walk().device.clone();
        let shards = trainer.model().embedding.tokens.shards.len();
        let new = (0..shards).map(|_| line.receive(self.count)).collect::<Result<Vec<_>, _>>()?;
        trainer.replace(|mut model, _| {
            let matrix = &mut model.embedding.tokens;
            let shards = std::mem::take(&mut matrix.shards).into_iter().zip(new);
            matrix.shards = shards.map(|(shard, values)| exchanged(shard, values, &device)).collect();
            model
        });
        Ok(())
    }

    /// See [`Stage::evaluate`]; `model` is the trainer's without autodiff.
    pub(crate) fn evaluate(
        &self,
        trainer: &Trainer,
        model: &Transformer,
        batch: &Batch,
    ) -> Result<Option<Tensor<1>>, CollectiveError> {
        let walk = trainer.walk();
        let (passage, targets) = walk.passage(MicroBatch::new(batch, &walk.device), None);
        let x_btc = match &self.before {
            Some(before) => Tensor::from_data(before.receive(self.count)?, &walk.device),
            None => walk.embed(trainer.model(), &passage),
        };
        let x_btc = walk.blocks(model, x_btc, passage.frame());
        match &self.behind {
            Some(behind) => {
                behind.send(x_btc);
                Ok(None)
            }
            None => Ok(Some(walk.head_loss(model, x_btc, targets))),
        }
    }

    fn wait<R>(&self, work: impl FnOnce() -> Result<R, CollectiveError>) -> Result<Option<R>, CollectiveError> {
        let start = Instant::now();
        let result = work();
        self.note(Kind::Wait, start);
        result.map(Some)
    }

    fn note(&self, kind: Kind, start: Instant) {
        if let Some(timeline) = &self.timeline {
            timeline.note(Span { rank: self.number, kind, start, end: Instant::now() });
        }
    }
}

/// The blocks that a walk is over, by their numbers in the whole model.
fn blocks(walk: &Walk) -> Range<usize> {
    let count = walk.policy.segments.last().map_or(0, |segment| segment.blocks.end);
    walk.first_layer..walk.first_layer + count
}

fn exchanged(param: Param<Tensor<2>>, values: TensorData, device: &Device) -> Param<Tensor<2>> {
    let values = values.try_into_vec().expect("parameters are f32");
    super::sharded::with_values(param, values, device)
}
