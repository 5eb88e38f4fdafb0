//! The loop over steps, with evaluation, samples and checkpoints between them.

use std::ops::ControlFlow;

use burn::tensor::Tensor;
use hearth_data::Batch;
use hearth_model::{Flops, Sampling};

use super::{Best, DeviceFigures, End, Event, Metrics, Outcome, Prompt, RunState, Session, StepOrder, Wish, draw};
use crate::{
    TrainError,
    guard::{Divergence, Figures, Verdict},
    readback::Readback,
    step::{RankFigures, StepOutcome},
};

/// Steps until everything that a step allocates has been allocated once: the second has the optimizer's state as well.
/// Each of them is waited for.
const FIRST_STEPS: u64 = 2;

/// Seconds; longer than this for a first step deserves a word.
const SLOW_START: f64 = 2.0;

/// Forward FLOPs of the validation batches that are evaluated in one go, and the most of them.
const PIECE_FLOPS: f64 = 5e10;
const MOST_BATCHES: f64 = 8.0;

/// A step whose figures are still on the way from the device.
struct InFlight {
    step: u64,
    /// Global batches that were drawn until after it.
    data: u64,
    learning_rate: f64,
    /// The loss, the norm of the gradient and whether the update was made, and of a model with experts the load above the mean of
    /// one of them: `[3]` or `[4]`.
    figures: Readback,
    ranks: Vec<RankFigures>,
}

impl InFlight {
    fn new(StepOrder { step, data, .. }: StepOrder, outcome: StepOutcome, ranks: Vec<RankFigures>) -> Self {
        let figures = [outcome.loss, outcome.grad_norm, outcome.wanted.float()].into_iter().chain(outcome.overload);
        let figures = Tensor::cat(figures.collect(), 0);
        let (data, learning_rate) = (data + 1, outcome.learning_rate);
        Self { step, data, learning_rate, figures: Readback::new(figures), ranks }
    }
}

impl Session {
    /// Runs steps until the limit, a stop, or the end of patience.
    pub(super) async fn steps(&mut self) -> Result<End, TrainError> {
        let mut in_flight = None;
        while self.state.step < self.config.total_steps() {
            if let Some(end) = self.before_step(&mut in_flight).await? {
                self.settle(in_flight).await?;
                return Ok(end);
            }
            let queued = self.queue()?;
            // The figures of a step are read once the next one is under way, so that the device never idles.
            self.settle(in_flight.take()).await?;
            in_flight = Some(queued);
            if self.state.step <= self.attempt.first + FIRST_STEPS || self.has_grown() {
                self.engine.check().await?;
                self.settle(in_flight.take()).await?;
                self.engine.forget_figures();
                self.figures.throughput.start(self.home.now());
            }
        }
        self.settle(in_flight).await?;
        Ok(End::Limit)
    }

    /// Whether the last step had more sequences than the one before, and so perhaps what none had to allocate.
    fn has_grown(&self) -> bool {
        let (sizes, data) = (self.config.batch.sizes(), self.state.data);
        data > 1 && sizes.rows(data - 1) > sizes.rows(data - 2)
    }

    /// What is due before the next step; why there is none, if so.
    async fn before_step(&mut self, in_flight: &mut Option<InFlight>) -> Result<Option<End>, TrainError> {
        let step = self.state.step;
        let synchronized = self.engine.is_synchronized(step);
        let wish = self.wish(in_flight).await?;
        if synchronized && self.home.is_stopping() {
            return Ok(Some(End::Stopped));
        }
        let mut is_best = false;
        if self.is_due(self.config.evaluation.every) {
            self.settle(in_flight.take()).await?;
            is_best = self.evaluate().await?.is_some_and(|loss| self.state.evaluated(loss));
        } else if wish == Wish::Evaluate {
            self.settle(in_flight.take()).await?;
            self.evaluate().await?;
        }
        if self.is_due(self.config.sample.every) || wish == Wish::Sample {
            self.settle(in_flight.take()).await?;
            self.sample().await?;
        }
        if synchronized && self.home.is_stopping() {
            return Ok(Some(End::Stopped));
        }
        let is_kept = is_best && self.config.checkpoint.keep_best;
        let is_wanted = self.is_due(self.config.checkpoint.every) || is_kept || wish == Wish::Checkpoint;
        // At step 0 there is nothing yet that the seed does not give again.
        if synchronized && step > 0 && is_wanted {
            if self.attempt.unwritten.is_some() {
                // It is of the step before, whose loss it waits for.
                self.settle(in_flight.take()).await?;
            }
            self.snapshot()?;
            self.engine.synchronize()?;
        }
        if synchronized && self.is_out_of_patience() {
            return Ok(Some(End::OutOfPatience));
        }
        if let Some(note) = self.engine.rebalance()? {
            self.tell(Event::Note(note))?;
        }
        Ok(None)
    }

    /// What the home wishes, once it neither wants figures nor the model any more.
    async fn wish(&mut self, in_flight: &mut Option<InFlight>) -> Result<Wish, TrainError> {
        loop {
            let wish = self.home.wish().await;
            match wish {
                Wish::Settle => self.settle(in_flight.take()).await?,
                Wish::Save => {
                    self.settle(in_flight.take()).await?;
                    let RunState { step, .. } = self.state;
                    if step > 0 && self.engine.is_synchronized(step) && self.figures.last_loss.is_finite() {
                        self.save_now().await?;
                    }
                }
                Wish::Look => {
                    self.settle(in_flight.take()).await?;
                    let model = self.engine.model().await?;
                    self.home.look(model).await?;
                }
                Wish::Continue | Wish::Evaluate | Wish::Sample | Wish::Checkpoint => return Ok(wish),
            }
            self.figures.throughput.pause_over(self.home.now());
        }
    }

    fn is_due(&self, every: u64) -> bool {
        let step = self.state.step;
        every > 0 && step.is_multiple_of(every) && self.attempt.begun_at != Some(step)
    }

    fn is_out_of_patience(&self) -> bool {
        let patience = self.config.evaluation.patience;
        patience > 0 && self.state.evaluations_since_best >= patience
    }

    /// Gives the engine the next step. Nothing waits, but for other ranks.
    fn queue(&mut self) -> Result<InFlight, TrainError> {
        let RunState { step, data, .. } = self.state;
        let ceiling = self.state.guard.ceiling(&self.config.guard, step);
        let order = StepOrder { step, data, ceiling, loss_factor: self.home.loss_factor(step) };
        let queued = self.engine.step(order)?;
        (self.state.step, self.state.data) = (step + 1, data + 1);
        Ok(InFlight::new(order, queued.outcome, queued.ranks))
    }

    /// Reads a step's figures, tells of them, and does what the guards make of them.
    async fn settle(&mut self, in_flight: Option<InFlight>) -> Result<(), TrainError> {
        let Some(InFlight { step, data, learning_rate, figures, ranks }) = in_flight else { return Ok(()) };
        let numbers = numbers(figures).await?;
        let (loss, grad_norm, wanted) = (numbers[0], numbers[1], numbers[2]);
        let tokens = self.config.tokens_of(data - 1);
        self.time_step(step, tokens)?;
        let figures = Figures { step, loss: loss as f32, grad_norm: grad_norm as f32 };
        let verdict = self.state.guard.observe(&self.config.guard, figures, wanted != 0.0);
        self.figures.last_loss = loss;
        self.tell(Event::Step(Metrics {
            train_loss: Some(loss),
            grad_norm: Some(grad_norm),
            lr: Some(learning_rate),
            left_out: wanted == 0.0,
            router_overload: numbers.get(3).map(|load| load / self.positions_of_an_expert(tokens)),
            tokens_per_second: self.figures.throughput.recent(),
            mfu: self.figures.throughput.mfu(),
            devices: self.device_figures(&ranks, data - 1),
            ..self.metrics(step)
        }))?;
        self.save_after(step, loss).await?;
        self.hear_of_checkpoints()?;
        match verdict {
            Verdict::Fine => Ok(()),
            Verdict::LeftOut(text) => self.tell(Event::Trouble(text)),
            Verdict::GoBack(bad) => Err(TrainError::GoBack { bad, data }),
            Verdict::Diverged(reason) => Err(TrainError::Diverged { reason }),
        }
    }

    /// Positions of a step of so many tokens that an expert has in the mean.
    fn positions_of_an_expert(&self, tokens: u64) -> f64 {
        let model = &self.config.model;
        tokens as f64 * model.experts_per_token as f64 / model.experts.max(1) as f64
    }

    /// Takes note of when a step of so many tokens was done.
    fn time_step(&mut self, step: u64, tokens: u64) -> Result<(), TrainError> {
        let elapsed = self.elapsed().as_secs_f64();
        let number = step - self.attempt.first;
        if number >= FIRST_STEPS {
            self.figures.throughput.step_done(self.home.now(), tokens);
        }
        if number == 0 {
            self.figures.first_and_tenth[0] = Some(elapsed);
            if elapsed > SLOW_START {
                self.tell(Event::Note(format!("first step after {elapsed:.1} s")))?;
            }
        } else if number == 9 {
            self.figures.first_and_tenth[1] = Some(elapsed);
        }
        Ok(())
    }

    /// Does what is left after the last step.
    ///
    /// The state that is saved does not know of an evaluation that only the end brought about: a run that goes on from
    /// there is the one that was never ended.
    pub(super) async fn end(&mut self, end: End) -> Result<Outcome, TrainError> {
        let step = self.state.step;
        let val_loss = match self.attempt.evaluated {
            Some((at, loss)) if at == step => Some(loss),
            _ => {
                let loss = self.evaluate().await?;
                let was_due = self.is_due(self.config.evaluation.every);
                match loss {
                    Some(loss) if was_due => drop(self.state.evaluated(loss)),
                    Some(_) => {}
                    None => self.state.owes_evaluation = was_due && !self.engine.validation().is_empty(),
                }
                loss
            }
        };
        if self.config.sample.every > 0 && !self.home.is_stopping() {
            self.sample().await?;
        }
        // What a run comes to must be fit to go on with; where nothing was evaluated, its last step says so.
        let loss = val_loss.unwrap_or(self.figures.last_loss);
        if loss.is_finite() && step > 0 {
            self.save_now().await?;
        }
        self.finish_writing()?;
        if step > 0 && !loss.is_finite() {
            return Err(TrainError::Diverged { reason: Divergence::AtTheEnd { steps: step, loss } });
        }
        Ok(Outcome { end, val_loss, model: self.engine.model().await? })
    }

    /// The mean loss over the fixed validation batches, nats per token, told; `None` where there are none, or where the home
    /// has no time for all of them.
    async fn evaluate(&mut self) -> Result<Option<f64>, TrainError> {
        let step = self.state.step;
        let count = self.engine.validation().len();
        let piece = self.evaluation_piece();
        let mut total = 0.0;
        for first in (0..count).step_by(piece) {
            self.home.breathe().await;
            if self.home.is_stopping() {
                return Ok(None);
            }
            total += self.engine.evaluate(first..count.min(first + piece)).await?;
        }
        let counted: usize = self.engine.validation().iter().map(Batch::counted).sum();
        if counted == 0 {
            return Ok(None);
        }
        let loss = total / counted as f64;
        self.attempt.evaluated = Some((step, loss));
        self.figures.last_evaluation = Some(Best { step, loss: loss as f32 });
        self.tell(Event::Evaluation(Metrics { val_loss: Some(loss), ..self.metrics(step) }))?;
        self.figures.throughput.pause_over(self.home.now());
        Ok(Some(loss))
    }

    /// Batches that are evaluated before the home is asked again: few enough that a CPU has them in less than a second, and
    /// the same on every device, for the sum of their losses depends on it.
    fn evaluation_piece(&self) -> usize {
        let context = self.config.model.context_length;
        let flops = Flops::per_sequence(&self.config.model, context).forward * self.config.batch.micro_batch as f64;
        (PIECE_FLOPS / flops).clamp(1.0, MOST_BATCHES) as usize
    }

    /// Draws a text and tells it, unless the home has no time for it.
    async fn sample(&mut self) -> Result<(), TrainError> {
        let config = self.config.clone();
        let sample = &config.sample;
        let prompt = Prompt::new(&self.tokenizer, sample.prompt.as_deref(), false, "sample.prompt")?;
        let sampling =
            Sampling { temperature: sample.temperature, top_k: sample.top_k, seed: config.seed, ..Sampling::default() };
        let model = self.engine.model().await?;
        let mut text = String::new();
        let home = &mut self.home;
        let show = async |piece: &str| {
            text.push_str(piece);
            home.breathe().await;
            if home.is_stopping() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        draw(&model, &self.tokenizer, &prompt, (sample.tokens, sampling), &[], show).await?;
        if self.home.is_stopping() {
            return Ok(());
        }
        self.tell(Event::Sample { step: self.state.step, prompt: prompt.text, text })?;
        self.figures.throughput.pause_over(self.home.now());
        Ok(())
    }

    fn metrics(&self, step: u64) -> Metrics {
        // As many global batches before the session's own position as steps.
        let batches = self.state.data.saturating_sub(self.state.step.saturating_sub(step));
        let tokens = self.config.tokens_before(batches);
        Metrics { step, tokens, seconds: self.seconds(), ..Metrics::default() }
    }

    /// What each of several ranks did in the step that took batch number `batch`.
    fn device_figures(&self, ranks: &[RankFigures], batch: u64) -> Vec<DeviceFigures> {
        let context = self.config.model.context_length;
        let rows = self.engine.assignment().rows_in(self.config.batch.sizes(), batch);
        rows.iter().zip(ranks).map(|(rows, rank)| DeviceFigures::new(rows * context, rank)).collect()
    }
}

/// The numbers that were queued.
async fn numbers(readback: Readback) -> Result<Vec<f64>, TrainError> {
    let data = readback.data().await.map_err(TrainError::of_device)?;
    Ok(data.iter::<f32>().map(f64::from).collect())
}
