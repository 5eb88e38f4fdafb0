//! A model in stages, each on a device of its own, through which micro-batches pass one behind the other.
//!
//! One forward, one backward (PipeDream-Flush, Narayanan et al. 2021, arXiv 2104.04473, section 2.2): stage `s` of `S` runs
//! `S - 1 - s` micro-batches forward and then takes one back for each that it takes on, so that it never has more than
//! `S - s` of them in flight, however many there are. Each stage adds up its gradients in the order of the micro-batches, and
//! the global norm is one sum that is passed from stage to stage in the order of the parameters: a step has the bits that it
//! has on one device.
//!
//! Tensors go from device to device through host memory. Their copies are queued where they are made, and waited for where
//! they are needed: the device has other micro-batches meanwhile.

use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, Instant},
};

use burn::tensor::{Int, Tensor, TensorData};
use hearth_data::Batch;
use hearth_model::{Transformer, TransformerBlock};
use hearth_wgsl::squares_from;

use super::{
    CollectiveError, Exchange, Point, Probe, host,
    lines::{Carries, Channel, Line},
};
use crate::{
    readback::Readback,
    step::Trainer,
    walk::{MicroBatch, Sink, Top, WalkState, norm_of},
};

/// A stage's place in its pipeline, with lines to the stages beside it.
pub struct Pipe {
    number: usize,
    count: usize,
    /// To the stage before: gradients go down, activations come.
    before: Option<Box<dyn Line>>,
    /// To the stage behind: activations go up, gradients come.
    behind: Option<Box<dyn Line>>,
    /// Between the first and the last, which share a tied matrix.
    tied: Option<Box<dyn Line>>,
    /// To the same stage of other pipelines.
    replicas: Option<Exchange>,
    pub(super) probe: Option<Probe>,
    /// Time spent waiting for other stages since a step began.
    idle: Duration,
    most_in_flight: usize,
}

/// A micro-batch in flight: it has gone up, and not come back.
struct InFlight<B: TransformerBlock> {
    state: WalkState<B>,
    /// Gradient of the residual stream with which it turned, at the last stage.
    turned: Option<Tensor<3>>,
}

/// Where a micro-batch turns, at the last stage: its loss, and the gradient with which it comes back.
type Turn = (Tensor<1>, Tensor<3>);

/// What all micro-batches of a step have in common.
pub(super) struct Walked<'a> {
    pub step: u64,
    /// Number of the first one in the global batch.
    pub first: usize,
    pub micro_batches: &'a [Batch],
    /// Targets of the global batch that count.
    pub counted: usize,
}

impl Pipe {
    /// The places of a pipeline of `count` stages that are threads of one process; the first and the last share the matrix of
    /// a `tied` model.
    pub fn pipeline(count: usize, tied: bool) -> Vec<Self> {
        let mut ends = HashMap::new();
        let mut connect = |one: usize, other: usize, carries| {
            let [of_one, of_other] = Channel::pair([one, other], count);
            ends.insert((one, other, carries), of_one);
            ends.insert((other, one, carries), of_other);
        };
        (1..count).for_each(|number| connect(number - 1, number, Carries::Stream));
        if tied && count > 1 {
            connect(0, count - 1, Carries::Tied);
        }
        let places = (0..count).map(|number| {
            Self::place(number, count, tied, |other, carries| {
                Box::new(ends.remove(&(number, other, carries)).expect("just connected"))
            })
        });
        places.collect()
    }

    /// The place of stage `number`, where `connect` gives its end of the connection to another stage.
    pub(super) fn place(
        number: usize,
        count: usize,
        tied: bool,
        mut connect: impl FnMut(usize, Carries) -> Box<dyn Line>,
    ) -> Self {
        let last = count - 1;
        let before = (number > 0).then(|| connect(number - 1, Carries::Stream));
        let behind = (number < last).then(|| connect(number + 1, Carries::Stream));
        let shares = tied && count > 1 && (number == 0 || number == last);
        let tied = shares.then(|| connect(last - number, Carries::Tied));
        let (replicas, probe, idle) = (None, None, Duration::ZERO);
        Self { number, count, before, behind, tied, replicas, probe, idle, most_in_flight: 0 }
    }

    /// The same place where several pipelines take a share of every global batch each; `replicas` is the line to the same
    /// stage of the others, whose ranks are the pipelines' numbers.
    pub fn with_replicas(self, replicas: Exchange) -> Self {
        Self { replicas: Some(replicas), ..self }
    }

    /// Leaves the other stages, which do the same.
    pub fn finish(self) {
        [self.before, self.behind, self.tied].into_iter().flatten().for_each(|line| line.finish());
        if let Some(replicas) = self.replicas {
            replicas.finish();
        }
    }

    /// Most micro-batches that have been in flight here at once.
    pub fn most_in_flight(&self) -> usize {
        self.most_in_flight
    }

    pub(super) fn is_first(&self) -> bool {
        self.before.is_none()
    }

    pub(super) fn is_last(&self) -> bool {
        self.behind.is_none()
    }

    /// Number of stages.
    pub(super) fn stages(&self) -> usize {
        self.count
    }

    /// The line to the same stage of other pipelines, if there are any.
    pub(super) fn replicas(&mut self) -> Option<&mut Exchange> {
        self.replicas.as_mut()
    }

    /// What went wrong among the same stages of several pipelines, by the ranks of all.
    pub(super) fn among_replicas(&self, error: CollectiveError) -> CollectiveError {
        let pipelines = self.replicas.as_ref().map_or(1, Exchange::world);
        error.widened(pipelines * self.count, |pipeline| pipeline * self.count + self.number)
    }

    /// What went wrong among the stages of this pipeline, by the ranks of all.
    fn among_stages(&self, error: CollectiveError) -> CollectiveError {
        let (pipeline, pipelines) = self.replicas.as_ref().map_or((0, 1), |line| (line.rank(), line.world()));
        error.widened(pipelines * self.count, |stage| pipeline * self.count + stage)
    }

    /// Takes all micro-batches of this pipeline up and back. Returns their summed loss `[1]`, nats, at the last stage, and how
    /// long this one waited for others.
    pub(super) fn walk<B: TransformerBlock>(
        &mut self,
        trainer: &Trainer<B>,
        work: &Walked<'_>,
        sink: &mut Sink,
    ) -> Result<(Option<Tensor<1>>, Duration), CollectiveError> {
        self.idle = Duration::ZERO;
        let count = work.micro_batches.len();
        let ahead = (self.count - 1 - self.number).min(count);
        let (scale, key) = (trainer.scale(work.counted), trainer.key(work.step));
        let mut in_flight = VecDeque::new();
        let mut loss: Option<Tensor<1>> = None;
        for turn in 0..count + ahead {
            if turn + 1 == count + ahead {
                sink.expect_last();
            }
            if let Some(batch) = work.micro_batches.get(turn) {
                let key = key.map(|key| key.fold_in((work.first + turn) as u64));
                let device = &trainer.walk().device;
                let (state, targets) = trainer.walk().begin(MicroBatch::new(batch, device), key, scale);
                let (state, top) = self.forward(trainer, state, targets, scale, sink)?;
                let turned = top.map(|(own, gradient)| {
                    loss = Some(loss.take().map_or(own.clone(), |loss| loss + own));
                    gradient
                });
                in_flight.push_back(InFlight { state, turned });
                self.most_in_flight = self.most_in_flight.max(in_flight.len());
            }
            if turn >= ahead {
                if let Some(probe) = self.probe.as_ref().filter(|_| turn == ahead) {
                    probe.at(work.step, Point::Forward);
                }
                let oldest = in_flight.pop_front().expect("as many went up as come down");
                self.backward(trainer, oldest, sink)?;
            }
        }
        Ok((loss, self.idle))
    }

    /// Takes a micro-batch forward. At the last stage also its loss, and the gradient with which it turns.
    fn forward<B: TransformerBlock>(
        &mut self,
        trainer: &Trainer<B>,
        mut state: WalkState<B>,
        targets: Tensor<1, Int>,
        scale: f64,
        sink: &mut Sink,
    ) -> Result<(WalkState<B>, Option<Turn>), CollectiveError> {
        let (walk, model) = (trainer.walk(), trainer.model());
        let x_btc = match self.receive(|pipe| &pipe.before)? {
            Some(data) => Tensor::from_data(data, &walk.device),
            None => walk.embed(model, &state),
        };
        let x_btc = walk.forward_blocks(model, &mut state, x_btc);
        let Some(behind) = &self.behind else {
            let Top { loss, gradient_btc, tied } = walk.head(model, x_btc, targets, scale, sink);
            for (id, half) in tied {
                match &self.tied {
                    Some(first) => first.send(Readback::new(half)),
                    None => sink.keep_tied_half(id, half, walk.policy.embedding),
                }
            }
            return Ok((state, Some((loss, gradient_btc))));
        };
        behind.send(Readback::new(x_btc));
        Ok((state, None))
    }

    /// Takes a micro-batch backward.
    fn backward<B: TransformerBlock>(
        &mut self,
        trainer: &Trainer<B>,
        oldest: InFlight<B>,
        sink: &mut Sink,
    ) -> Result<(), CollectiveError> {
        let (walk, model) = (trainer.walk(), trainer.model());
        let InFlight { mut state, turned } = oldest;
        let gradient_btc = match (turned, self.receive_unless_last()?) {
            (Some(gradient_btc), _) => gradient_btc,
            (None, Some(data)) => Tensor::from_data(data, &walk.device),
            (None, None) => unreachable!("at the last stage micro-batches turn"),
        };
        let gradient_btc = walk.backward_blocks(model, &mut state, gradient_btc, sink);
        if let Some(before) = &self.before {
            before.send(Readback::new(gradient_btc));
            return Ok(());
        }
        for shard in model.embedding.tokens.shards.iter().filter(|shard| shard.is_require_grad()) {
            if let Some(half) = self.receive(|pipe| &pipe.tied)? {
                sink.keep_tied_half::<2>(shard.id, Tensor::from_data(half, &walk.device), walk.policy.embedding);
            }
        }
        walk.backward_embedding(model, state, gradient_btc, sink);
        Ok(())
    }

    fn receive_unless_last(&mut self) -> Result<Option<TensorData>, CollectiveError> {
        self.receive(|pipe| &pipe.behind)
    }

    /// Waits for what comes over one of the lines; `None` where there is none.
    fn receive(
        &mut self,
        line: impl Fn(&Self) -> &Option<Box<dyn Line>>,
    ) -> Result<Option<TensorData>, CollectiveError> {
        let start = Instant::now();
        let data = line(self).as_ref().map(|line| line.receive()).transpose();
        self.idle += start.elapsed();
        data.map_err(|error| self.among_stages(error))
    }

    /// As [`Pipe::receive`], numbers.
    fn receive_floats(
        &mut self,
        line: impl Fn(&Self) -> &Option<Box<dyn Line>>,
    ) -> Result<Option<Vec<f32>>, CollectiveError> {
        Ok(self.receive(line)?.map(|data| data.try_into_vec().expect("stages send f32")))
    }

    /// The global L2 norm of all stages' gradients, `[1]`: partial sums of squares go up from stage to stage, and the norm
    /// comes down.
    pub(super) fn norm<B: TransformerBlock>(
        &mut self,
        trainer: &Trainer<B>,
        sink: &Sink,
    ) -> Result<Tensor<1>, CollectiveError> {
        let device = &trainer.walk().device;
        let before = self.receive_floats(|pipe| &pipe.before)?.map(|sums| squares_from(&sums, device));
        let squares = sink.add_squares(trainer.model(), before).expect("a stage has parameters with gradients");
        let norm = match &self.behind {
            None => norm_of(squares),
            Some(behind) => {
                behind.send(Readback::new(squares));
                let norm = self.receive_floats(|pipe| &pipe.behind)?.expect("there is a stage behind");
                Tensor::from_floats(norm.as_slice(), device)
            }
        };
        if let Some(before) = &self.before {
            before.send(Readback::new(norm.clone()));
        }
        Ok(norm)
    }

    /// Sends the first stage's new values of a tied matrix to the last.
    pub(super) fn update_tied<B: TransformerBlock>(&mut self, trainer: &mut Trainer<B>) -> Result<(), CollectiveError> {
        let Some(line) = &self.tied else { return Ok(()) };
        if self.number == 0 {
            for shard in &trainer.model().embedding.tokens.shards {
                line.send(Readback::new(shard.val().without_autodiff()));
            }
            return Ok(());
        }
        let shards = trainer.model().embedding.tokens.shards.len();
        let mut new = VecDeque::new();
        for _ in 0..shards {
            new.extend(self.receive_floats(|pipe| &pipe.tied)?);
        }
        let mut writer = host::Writer::default();
        trainer.replace(|mut model, _| {
            let matrix = &mut model.embedding.tokens;
            let shards = std::mem::take(&mut matrix.shards).into_iter().zip(new);
            matrix.shards = shards.map(|(shard, values)| writer.write(shard, values)).collect();
            model
        });
        Ok(())
    }

    /// The summed loss `[1]` of a batch, without dropout or gradients, in nats: at the last stage. `model` is the trainer's
    /// ([`Trainer::evaluated`]).
    pub(super) fn evaluate<B: TransformerBlock>(
        &mut self,
        trainer: &Trainer<B>,
        model: &Transformer<B>,
        batch: &Batch,
    ) -> Result<Option<Tensor<1>>, CollectiveError> {
        let walk = trainer.walk();
        let (state, targets) = walk.begin(MicroBatch::new(batch, &walk.device), None, 0.0);
        let x_btc = match self.receive(|pipe| &pipe.before)? {
            Some(data) => Tensor::from_data(data, &walk.device),
            None => walk.embed(model, &state),
        };
        let x_btc = walk.blocks(model, x_btc, state.frame());
        match &self.behind {
            Some(behind) => {
                behind.send(Readback::new(x_btc));
                Ok(None)
            }
            None => Ok(Some(walk.head_loss(model, x_btc, targets))),
        }
    }
}
