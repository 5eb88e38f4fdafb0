//! The loop over steps, with evaluation, samples and checkpoints between them.

use std::{
    ops::{ControlFlow, Range},
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use burn::{
    module::Module,
    tensor::{Device, Tensor},
};
use hearth_data::{Batch, Batches, Loader, Share, Tokenizer};
use hearth_model::{Sampling, generate};

use super::{
    faults::{Fault, Faults},
    folder::RunFolder,
    order::StepOrder,
    resume::Origin,
    saver::{Job, Saver},
    state::RunState,
    team::{Crew, Team},
    throughput::Throughput,
};
use crate::{
    TrainConfig, TrainError,
    devices::OpenDevice,
    guard::{Figures, Verdict},
    parallel::RankFigures,
    plan::Plan,
    readback::Readback,
    report::{Event, Report},
    step::{StepOutcome, Trainer},
};

/// Steps until everything that a step allocates has been allocated once: the second has the optimizer's state as well.
const FIRST_STEPS: u64 = 2;

/// Longer than this for a first step deserves a word.
const SLOW_START: Duration = Duration::from_secs(2);

/// A step whose figures are still on the way from the device.
struct Pending {
    step: u64,
    /// Global batches that were drawn until after it.
    data: u64,
    learning_rate: f64,
    /// The loss, the norm of the gradient and whether the update was made, `[3]`.
    figures: Readback,
    /// What each of several ranks did.
    ranks: Vec<RankFigures>,
}

/// What one of the first steps came to, kept back until all of them have gone well.
struct First {
    validation_loss: Option<f64>,
    sample: Option<String>,
    pending: Pending,
    /// Since the start.
    done: Duration,
}

impl Pending {
    fn new(step: u64, data: u64, outcome: StepOutcome) -> Self {
        let figures = Tensor::cat(vec![outcome.loss, outcome.grad_norm, outcome.wanted.float()], 0);
        Self {
            step,
            data: data + 1,
            learning_rate: outcome.learning_rate,
            figures: Readback::new(figures),
            ranks: Vec::new(),
        }
    }
}

/// Why the loop ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Limit,
    Stopped,
    /// By `evaluation.patience`.
    NoBetter,
}

/// The loop's state.
pub(super) struct Loop {
    pub config: TrainConfig,
    /// How the batch is cut, and what it was predicted to take.
    pub plan: Plan,
    pub tokenizer: Tokenizer,
    pub train: Batches,
    /// The first device's micro-batches of each global batch.
    pub share: Share,
    pub loader: Loader,
    /// Of each global batch for each rank.
    pub rows: Vec<Range<usize>>,
    /// Of each stage, where the model is in stages.
    pub blocks: Vec<Range<usize>>,
    /// All ranks, where there are several.
    pub team: Option<Team>,
    pub crew: Crew,
    /// What each rank did in so many steps, summed.
    pub ranks: Vec<RankFigures>,
    pub rank_steps: u64,
    pub validation: Vec<Batch>,
    pub report: Report,
    pub throughput: Throughput,
    pub state: RunState,
    pub saver: Saver,
    pub faults: Option<Faults>,
    pub start: Instant,
    pub last_loss: f64,
    pub first_and_tenth: [Option<f64>; 2],
    /// The step from which a checkpoint let the run go on: what is due there was done before it was made.
    pub begun_at: Option<u64>,
    /// A checkpoint that waits for the loss of its own weights, so that none is written that is no number.
    pub taken: Option<Job>,
    /// The last step that has a checkpoint.
    pub saved: Option<u64>,
    /// The last evaluation: its step and loss.
    pub evaluated: Option<(u64, f64)>,
}

impl Loop {
    /// Prepares the batches of the first device, cut as planned.
    pub fn take_share(&mut self) {
        self.share = super::own_share(&self.rows, &self.plan);
        self.loader = Loader::new(self.train.clone(), self.share.clone(), Loader::DEPTH);
    }

    /// Trains from `origin` to the end, and writes the model. Returns why it ended, and the loss on the validation set.
    ///
    /// # Errors
    /// Some are not the end: see [`super::recover`].
    pub fn train(
        &mut self,
        device: &OpenDevice,
        origin: &Origin,
        folder: &RunFolder,
        stop: &AtomicBool,
    ) -> Result<(End, f64), TrainError> {
        self.start = Instant::now();
        self.taken = None;
        // One that was killed at its end has reported the last evaluation already.
        let here = self.report.events().iter().rev().find(|event| event.step == self.state.step);
        self.evaluated = here.and_then(|event| Some((event.step, event.val_loss?)));
        self.begun_at = matches!(origin, Origin::Checkpoint(..)).then_some(self.state.step);
        self.saved = self.begun_at;
        let total = self.config.total_steps();
        let mut trainer = self.begin(device, origin, total, stop).inspect_err(|_| {
            // What could not be made was said; here only memory is given back.
            let _ = device.device.sync();
            device.device.memory_cleanup();
        })?;
        let end = self.steps(&mut trainer, device, total, stop)?;
        Ok((end, self.end(&trainer, folder)?))
    }

    /// Makes the trainer and does the first steps, waiting for each.
    ///
    /// They are reported once all of them have gone well, so that a run that starts again with less memory leaves no
    /// trace in the metrics.
    fn begin(
        &mut self,
        device: &OpenDevice,
        origin: &Origin,
        total: u64,
        stop: &AtomicBool,
    ) -> Result<Trainer, TrainError> {
        let (trainer, first) = self.first_steps(device, origin, total, stop)?;
        for First { validation_loss, sample, pending, done } in first {
            self.state.step = pending.step;
            if let Some(loss) = validation_loss {
                self.report_validation(loss)?;
                self.state.evaluated(loss);
            }
            if let Some(text) = sample {
                self.report_sample(&text);
            }
            (self.state.step, self.state.data) = (pending.step + 1, pending.data);
            self.settle_at(pending, done)?;
        }
        self.throughput.start();
        Ok(trainer)
    }

    fn first_steps(
        &mut self,
        device: &OpenDevice,
        origin: &Origin,
        total: u64,
        stop: &AtomicBool,
    ) -> Result<(Trainer, Vec<First>), TrainError> {
        let mut trainer = match self.blocks.is_empty() {
            true => super::trainer(&self.config, &self.plan.cut, device, origin)?,
            false => super::stages::host_trainer(&self.config, origin)?,
        };
        self.gather(&mut trainer, device, origin)?;
        let mut first = Vec::new();
        let RunState { step: start, data, .. } = self.state;
        for number in 0..FIRST_STEPS.min(total.saturating_sub(start)) {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            let step = start + number;
            let evaluates = self.is_due(step, self.config.evaluation.every);
            let validation_loss = evaluates.then(|| self.validation_loss(&trainer)).transpose()?;
            let samples = self.is_due(step, self.config.sample.every);
            let sample = samples.then(|| self.draw(&trainer)).transpose()?;
            let pending = self.step(&mut trainer, step, data + number)?;
            scalars::<1>(Readback::new(trainer.witness()))?;
            first.push(First { validation_loss, sample, pending, done: self.elapsed() });
        }
        Ok((trainer, first))
    }

    /// Runs steps until the limit, a stop, or the end of patience.
    fn steps(
        &mut self,
        trainer: &mut Trainer,
        device: &OpenDevice,
        total: u64,
        stop: &AtomicBool,
    ) -> Result<End, TrainError> {
        let mut pending: Option<Pending> = None;
        let mut end = End::Limit;
        while self.state.step < total {
            let RunState { step, data, .. } = self.state;
            let together = self.is_together(step);
            if together && stop.load(Ordering::Relaxed) {
                end = End::Stopped;
                break;
            }
            let mut best = false;
            if self.is_due(step, self.config.evaluation.every) {
                self.settle(pending.take())?;
                let loss = self.evaluate(trainer)?;
                best = self.state.evaluated(loss);
            }
            if self.is_due(step, self.config.sample.every) {
                self.settle(pending.take())?;
                self.sample(trainer)?;
            }
            let kept = best && self.config.checkpoint.keep_best && step > 0;
            if together && (self.is_due(step, self.config.checkpoint.every) || kept) {
                if self.taken.is_some() {
                    // Of the step before, whose loss is what it waits for.
                    self.settle(pending.take())?;
                }
                self.take(trainer)?;
                if let Some(team) = &mut self.team {
                    team.level(trainer)?;
                }
            }
            if together && self.is_out_of_patience() {
                end = End::NoBetter;
                break;
            }
            if let Some(Fault::LoseDevice) = self.fault(trainer, step) {
                device.lose();
            }
            self.deal(trainer, device)?;
            let queued = self.step(trainer, step, data)?;
            (self.state.step, self.state.data) = (step + 1, data + 1);
            // The figures of a step are read once the next one is under way, so that the device never idles.
            self.settle(pending.take())?;
            pending = Some(queued);
        }
        self.settle(pending)?;
        Ok(end)
    }

    fn fault(&mut self, trainer: &mut Trainer, step: u64) -> Option<Fault> {
        let fault = self.faults.as_mut().and_then(|faults| faults(step));
        trainer.loss_factor = match fault {
            Some(Fault::Scale(factor)) => factor,
            _ => 1.0,
        };
        fault
    }

    fn is_due(&self, step: u64, every: u64) -> bool {
        every > 0 && step.is_multiple_of(every) && self.begun_at != Some(step)
    }

    fn is_out_of_patience(&self) -> bool {
        let patience = self.config.evaluation.patience;
        patience > 0 && self.state.evaluations_since_best >= patience
    }

    /// Does a step with the micro-batches of global batch number `data`, cut as planned. Nothing waits, but for other
    /// devices.
    fn step(&mut self, trainer: &mut Trainer, step: u64, data: u64) -> Result<Pending, TrainError> {
        let count = self.share.micro_batches();
        let numbers = data * count..(data + 1) * count;
        let micro_batches = numbers.map(|number| self.loader.batch(number)).collect::<Result<Vec<_>, _>>()?;
        let ceiling = self.state.guard.ceiling(&self.config.guard, step);
        let order = StepOrder { step, data, ceiling, loss_factor: trainer.loss_factor };
        let alone = self.config.parallel.local_steps;
        let (outcome, ranks) = match &mut self.team {
            None => (trainer.step(step, &micro_batches, &ceiling), Vec::new()),
            Some(team) if alone > 0 => {
                let count = (alone - step % alone).min(self.config.total_steps() - step);
                (team.step_alone(trainer, order, &micro_batches, count)?, Vec::new())
            }
            Some(team) => team.step(trainer, order, &micro_batches)?,
        };
        micro_batches.into_iter().for_each(|batch| self.loader.give_back(batch));
        for (sum, new) in self.ranks.iter_mut().zip(&ranks) {
            sum.walk += new.walk;
            sum.transfer += new.transfer;
            sum.wait += new.wait;
        }
        self.rank_steps += u64::from(!ranks.is_empty());
        Ok(Pending { ranks, ..Pending::new(step, data, outcome) })
    }

    /// Reads a step's figures and reports them.
    fn settle(&mut self, pending: Option<Pending>) -> Result<(), TrainError> {
        let Some(pending) = pending else { return Ok(()) };
        let elapsed = self.elapsed();
        self.settle_at(pending, elapsed)
    }

    /// As [`Loop::settle`] for a step that was done at `elapsed`.
    fn settle_at(&mut self, pending: Pending, elapsed: Duration) -> Result<(), TrainError> {
        let Pending { step, data, learning_rate, figures, ranks } = pending;
        let [loss, grad_norm, wanted] = scalars(figures)?;
        let measured = self.begun_at.unwrap_or(0) + FIRST_STEPS;
        if step >= measured {
            self.throughput.step_done();
        }
        if step + FIRST_STEPS == measured {
            self.first_and_tenth[0] = Some(elapsed.as_secs_f64());
            if elapsed > SLOW_START {
                self.report.note(&format!("first step after {:.1} s", elapsed.as_secs_f64()));
            }
        } else if step + FIRST_STEPS == measured + 9 {
            self.first_and_tenth[1] = Some(elapsed.as_secs_f64());
        }
        let figures = Figures { step, loss: loss as f32, grad_norm: grad_norm as f32 };
        let verdict = self.state.guard.observe(&self.config.guard, figures, wanted != 0.0);
        self.last_loss = loss;
        self.report.event(Event {
            train_loss: Some(loss),
            grad_norm: Some(grad_norm),
            lr: Some(learning_rate),
            left_out: wanted == 0.0,
            tokens_per_second: self.throughput.recent(),
            mfu: self.throughput.mfu(),
            devices: self.device_figures(&ranks),
            ..self.event(step)
        })?;
        self.hand_over(step, loss);
        self.hear_of_checkpoints();
        match verdict {
            Verdict::Fine => Ok(()),
            Verdict::LeftOut(text) => {
                self.report.note(&text);
                Ok(())
            }
            Verdict::GoBack(reason) => Err(TrainError::GoBack { reason, data }),
            Verdict::Diverged(report) => Err(TrainError::Diverged { report }),
        }
    }

    /// What is left to do after the last step. Returns the loss on the validation set.
    ///
    /// The state that is saved does not know of an evaluation that only the end brought about: a run that goes on from
    /// there is the one that was never ended.
    fn end(&mut self, trainer: &Trainer, folder: &RunFolder) -> Result<f64, TrainError> {
        let step = self.state.step;
        let loss = match self.evaluated {
            Some((at, loss)) if at == step => loss,
            _ => {
                let loss = self.evaluate(trainer)?;
                if self.is_due(step, self.config.evaluation.every) {
                    self.state.evaluated(loss);
                }
                loss
            }
        };
        if self.config.sample.every > 0 {
            self.sample(trainer)?;
        }
        if loss.is_finite() && step > 0 {
            self.take(trainer)?;
            if let Some(mut job) = self.taken.take() {
                job.snapshot.settle();
                self.saved = Some(step);
                self.saver.save(job);
            }
        }
        self.finish_writing();
        let whole = self.whole(trainer)?;
        folder.write_model(&whole.as_ref().unwrap_or(trainer).model().valid())?;
        Ok(loss)
    }

    /// The mean loss over the fixed validation batches, nats per token, reported.
    fn evaluate(&mut self, trainer: &Trainer) -> Result<f64, TrainError> {
        let loss = self.validation_loss(trainer)?;
        self.report_validation(loss)?;
        Ok(loss)
    }

    fn validation_loss(&mut self, trainer: &Trainer) -> Result<f64, TrainError> {
        let rows = self.plan.cut.micro_batch;
        let counted: usize = self.validation.iter().map(Batch::counted).sum();
        if let Some(team) = self.team.as_mut().filter(|team| team.pipe().is_some()) {
            return Ok(team.evaluate(trainer, &self.validation, self.config.batch.micro_batch)? / counted as f64);
        }
        let model = trainer.model().valid();
        let parts = self.validation.iter().flat_map(|batch| batch.split(rows));
        let losses = parts.map(|batch| trainer.evaluate(&model, &batch));
        let total = losses.reduce(Tensor::add).expect("there is at least one validation batch");
        let [total] = scalars(Readback::new(total))?;
        Ok(total / counted as f64)
    }

    fn report_validation(&mut self, loss: f64) -> Result<(), TrainError> {
        self.evaluated = Some((self.state.step, loss));
        self.report.event(Event { val_loss: Some(loss), ..self.event(self.state.step) })?;
        self.throughput.pause_over();
        Ok(())
    }

    /// Draws a text and shows it.
    fn sample(&mut self, trainer: &Trainer) -> Result<(), TrainError> {
        let text = self.draw(trainer)?;
        self.report_sample(&text);
        Ok(())
    }

    fn draw(&mut self, trainer: &Trainer) -> Result<String, TrainError> {
        let whole = self.whole(trainer)?;
        let trainer = whole.as_ref().unwrap_or(trainer);
        let sample = &self.config.sample;
        let prompt = self.tokenizer.encode(&sample.prompt)?;
        let sampling = Sampling {
            temperature: sample.temperature,
            top_k: sample.top_k,
            seed: self.config.seed,
            ..Sampling::default()
        };
        let mut model = trainer.model().valid();
        if whole.is_some() || self.plan.cut.policy.uses_host() {
            // Drawn token by token: uploading the model for each would take longer than the CPU does.
            model = model.to_device(&Device::flex());
        }
        let keep_on = |_| ControlFlow::Continue(());
        let ids = pollster::block_on(generate(&model, &prompt, sample.tokens, &sampling, keep_on))?;
        Ok(self.tokenizer.decode(&ids)?)
    }

    fn report_sample(&mut self, text: &str) {
        self.report.note(&format!("sample: {}{text}", self.config.sample.prompt));
        self.throughput.pause_over();
    }

    fn event(&self, step: u64) -> Event {
        Event {
            step,
            tokens: step * self.config.tokens_per_step(),
            seconds: self.state.seconds + self.elapsed().as_secs_f64(),
            ..Event::default()
        }
    }

    fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }
}

fn scalars<const N: usize>(readback: Readback) -> Result<[f64; N], TrainError> {
    let data = readback.wait().map_err(TrainError::of_device)?;
    let values: Vec<f64> = data.iter::<f32>().map(f64::from).collect();
    Ok(values.try_into().expect("a tensor of N numbers was queued"))
}
