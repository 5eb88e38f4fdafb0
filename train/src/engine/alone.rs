//! One device by itself, anywhere: also in a browser. It may have others for its experts.

use std::{ops::Range, sync::Arc};

use burn::{
    module::Module,
    tensor::{Device, Tensor},
};
use hearth_data::{Batch, Loader, Share};
use hearth_model::{Transformer, dealt};

use super::{Data, build};
use crate::{
    TrainConfig, TrainError,
    checkpoint::Snapshot,
    plan::{Choice, Cut, DeviceLimits, Planner, Rates, Subject, choose, mib},
    readback::Readback,
    session::{Answer, Assignment, Engine, Origin, Queued, StepOrder},
    step::Trainer,
};
#[cfg(not(target_family = "wasm"))]
use crate::{devices::OpenDevice, plan::experts_plan};

/// An engine on one device.
pub struct Alone {
    config: Arc<TrainConfig>,
    data: Data,
    device: Device,
    /// Devices that have experts beside it, and the bytes that each of them takes.
    others: Vec<(Device, u64)>,
    flops: f64,
    choice: Choice,
    assignment: Assignment,
    /// The rows of each step, in its micro-batches.
    share: Share,
    loader: Loader,
    /// `None` before it has begun.
    trainer: Option<Trainer>,
}

impl Alone {
    /// An engine on `device`, which has these `limits` and multiplies matrices at `flops` FLOP/s (0 if that is not known).
    /// Steps are cut as the `earlier` ones of the run that goes on, or else as planned.
    ///
    /// # Errors
    /// No plan that fits the device.
    pub fn new(
        config: Arc<TrainConfig>,
        data: Data,
        device: &Device,
        limits: &DeviceLimits,
        flops: f64,
        earlier: Option<Cut>,
    ) -> Result<Self, TrainError> {
        let rates = if flops > 0.0 { Rates { flops, ..Rates::default() } } else { Rates::default() };
        let mut choice = choose(&config, limits, &rates)?;
        if let Some(cut) = earlier {
            choice.plan = Planner::new(Subject::of(&config), limits, &rates).plan(cut);
        }
        Self::with(config, data, device, Vec::new(), flops, choice)
    }

    /// As [`Alone::new`], with the experts of each block dealt out over the first of `devices`, which has the rest, and the others.
    ///
    /// # Errors
    /// No plan that fits the devices.
    #[cfg(not(target_family = "wasm"))]
    pub fn with_experts_on(
        config: Arc<TrainConfig>,
        data: Data,
        devices: &[&OpenDevice],
        earlier: Option<Cut>,
    ) -> Result<Self, TrainError> {
        let limits: Vec<&DeviceLimits> = devices.iter().map(|device| &device.limits).collect();
        let flops = devices[0].flops();
        let (choice, taken) = experts_plan(&config, &limits, &Rates::of_flops(flops), earlier)?;
        let others = devices[1..].iter().map(|device| device.device.clone().without_autodiff()).zip(taken).collect();
        Self::with(config, data, &devices[0].device, others, flops, choice)
    }

    fn with(
        config: Arc<TrainConfig>,
        data: Data,
        device: &Device,
        others: Vec<(Device, u64)>,
        flops: f64,
        choice: Choice,
    ) -> Result<Self, TrainError> {
        let assignment = assignment(&choice)?;
        let share = assignment.own_share(config.batch.sizes());
        let loader = Loader::new(data.train.clone(), share.clone(), Loader::DEPTH);
        let device = device.clone().without_autodiff();
        Ok(Self { config, data, device, others, flops, choice, assignment, share, loader, trainer: None })
    }

    fn trainer(&self) -> &Trainer {
        self.trainer.as_ref().expect("an engine begins before it takes a step")
    }
}

fn assignment(choice: &Choice) -> Result<Assignment, TrainError> {
    let cut = choice.plan.cut.clone();
    let rows = 0..cut.micro_batch * cut.accumulation;
    Assignment::new(vec![rows], Vec::new(), cut).map_err(TrainError::Internal)
}

impl Engine for Alone {
    fn begin(&mut self, origin: &Origin) -> Result<Vec<String>, TrainError> {
        if self.trainer.take().is_some() && cfg!(not(target_family = "wasm")) {
            // What could not be made was said; here only memory is given back.
            for device in [&self.device].into_iter().chain(self.others.iter().map(|(device, _)| device)) {
                let _ = device.sync();
                device.memory_cleanup();
            }
        }
        self.share = self.assignment.own_share(self.config.batch.sizes());
        self.loader = Loader::new(self.data.train.clone(), self.share.clone(), Loader::DEPTH);
        let others: Vec<Device> = self.others.iter().map(|(device, _)| device.clone()).collect();
        let (cut, device) = (self.assignment.cut(), &self.device);
        self.trainer = Some(build::trainer_with_experts_on(&self.config, cut, device, &others, origin)?);
        let mut notes = vec![build::choice_note(&self.choice)];
        if !others.is_empty() {
            let own = dealt(self.config.model.experts, 1 + others.len());
            let note = |(at, (_, bytes)): (usize, &(Device, u64))| {
                format!(
                    "device {} has experts {} to {} of each block: about {}",
                    at + 1,
                    own[at + 1].start,
                    own[at + 1].end - 1,
                    mib(*bytes)
                )
            };
            notes.extend(self.others.iter().enumerate().map(note));
        }
        Ok(notes)
    }

    fn step(&mut self, order: StepOrder) -> Result<Queued, TrainError> {
        let batches =
            self.share.numbers(order.data).map(|number| self.loader.batch(number)).collect::<Result<Vec<_>, _>>()?;
        let trainer = self.trainer.as_mut().expect("an engine begins before it takes a step");
        trainer.loss_factor = order.loss_factor;
        let outcome = trainer.step(order.step, &batches, &order.ceiling);
        batches.into_iter().for_each(|batch| self.loader.give_back(batch));
        Ok(Queued { outcome, ranks: Vec::new() })
    }

    fn check(&mut self) -> Answer<'_, ()> {
        let witness = Readback::new(self.trainer().witness());
        Box::pin(async { witness.data().await.map(drop).map_err(TrainError::of_device) })
    }

    fn validation(&self) -> &[Batch] {
        &self.data.validation
    }

    fn evaluate(&mut self, batches: Range<usize>) -> Answer<'_, f64> {
        let trainer = self.trainer();
        let model = trainer.evaluated();
        let rows = self.assignment.cut().micro_batch;
        let parts = self.data.validation[batches].iter().flat_map(|batch| batch.split(rows));
        let losses = parts.map(|batch| trainer.evaluate(&model, &batch));
        let total = losses.reduce(Tensor::add).map(Readback::new);
        Box::pin(async move {
            let Some(total) = total else { return Ok(0.0) };
            let total = total.data().await.map_err(TrainError::of_device)?;
            Ok(total.iter::<f32>().next().expect("one number was queued").into())
        })
    }

    fn snapshot(&mut self) -> Result<Snapshot, TrainError> {
        Ok(Snapshot::take(self.trainer(), Default::default()))
    }

    fn model(&mut self) -> Answer<'_, Transformer> {
        let mut model = self.trainer().evaluated();
        if self.assignment.cut().policy.uses_host() || !self.others.is_empty() {
            // Drawn token by token: moving tensors for each would take longer than the CPU does.
            model = model.to_device(&Device::flex());
        }
        Box::pin(async { Ok(model) })
    }

    fn assignment(&self) -> &Assignment {
        &self.assignment
    }

    fn flops(&self) -> f64 {
        self.flops
    }

    fn planned_bytes(&self) -> u64 {
        self.choice.plan.peak_bytes()
    }

    fn shrink(&mut self) -> Option<String> {
        self.choice.plan = self.choice.smaller()?.clone();
        self.assignment = assignment(&self.choice).ok()?;
        Some(build::choice_note(&self.choice))
    }
}
