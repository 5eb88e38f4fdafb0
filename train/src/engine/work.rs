//! A rank at work: its part of the model, its rows of each global batch, and its plan. The first rank and the others are
//! the same here.

use std::sync::Arc;

use burn::tensor::Device;
use hearth_data::{Batch, Batches, Loader, Share};

use super::{
    build,
    protocol::{Division, Duty, from_bytes, to_bytes},
};
use crate::{
    TrainConfig, TrainError,
    devices::OpenDevice,
    parallel::{Exchange, Links, OuterState, Rank},
    plan::{Choice, Cut, Plan, Rates, replica_plan, stage_plan},
    session::{Origin, StepOrder},
    step::{RankFigures, StepOutcome, Trainer},
    walk::Policy,
};

/// What a rank has as long as a run lasts.
pub(super) struct Site {
    pub config: Arc<TrainConfig>,
    pub train: Batches,
    pub device: OpenDevice,
    /// Matrix rate of the device, FLOP/s.
    pub speed: f64,
}

impl Site {
    pub fn rates(&self) -> Rates {
        Rates { flops: self.speed, ..Rates::default() }
    }

    /// How rank number `rank` takes its steps on this device.
    ///
    /// # Errors
    /// No plan that fits.
    pub fn plan(&self, rank: usize, Division { rows, blocks }: &Division) -> Result<Choice, TrainError> {
        let (limits, rates, world) = (&self.device.limits, self.rates(), rows.len());
        match blocks.len() {
            0 => replica_plan(&self.config, &rows[rank], world, limits, &rates),
            stages => stage_plan(&self.config, (rank, world), &blocks[rank % stages], &rows[rank], limits, &rates),
        }
    }
}

/// The whole model in host memory, as it is at the origin.
///
/// # Errors
/// A checkpoint that does not fit.
pub(super) fn host_trainer(config: &TrainConfig, origin: &Origin) -> Result<Trainer, TrainError> {
    let policy = Policy::keep(config.model.layers);
    let cut = Cut { micro_batch: 1, accumulation: 1, logits_chunk: 1, policy };
    build::trainer(config, &cut, &Device::flex(), origin)
}

/// A rank with its data.
pub(super) struct Work {
    pub rank: Rank,
    loader: Loader,
    /// This rank's rows of each global batch, in its micro-batches.
    share: Share,
    /// What ranks before this one have of it, in theirs: where the stages of a pipeline have the same, once.
    before: Vec<Share>,
}

impl Work {
    /// Makes the model as it is at rank 0's `origin`. All ranks do so; what each makes of its rows comes with it.
    ///
    /// # Errors
    /// A checkpoint that does not fit; a rank that fails.
    pub fn begin(
        site: &Site,
        links: Links,
        division: &Division,
        plan: &Plan,
        origin: &Origin,
    ) -> Result<(Self, Vec<Duty>), TrainError> {
        let (config, number) = (&*site.config, links.line.rank());
        let rank = match division.blocks.get(number % division.blocks.len().max(1)) {
            None => {
                let trainer = build::trainer(config, &plan.cut, &site.device.device, origin)?;
                let earlier =
                    OuterState { momentum: origin.momentum(&trainer)?, ranks: origin.state_of_ranks(&trainer)? };
                Rank::replica(trainer, links.line, &config.parallel, earlier)?
            }
            Some(own) => {
                let whole = host_trainer(config, origin)?;
                let walk = build::walk(config, Some(own.clone()), &plan.cut, &site.device.device);
                Rank::stage(whole, walk, links, &config.parallel)?
            }
        };
        let mut rank = rank.with_probe(site.device.probe.clone());
        let (share, before, duties) = agree(rank.line(), site, division, plan)?;
        let loader = Loader::new(site.train.clone(), share.clone(), Loader::DEPTH);
        Ok((Self { rank, loader, share, before }, duties))
    }

    /// Takes other rows from the next step on. All ranks do so; what each makes of its rows comes of it.
    ///
    /// # Errors
    /// A rank that fails.
    pub fn rebalance(&mut self, site: &Site, division: &Division, plan: &Plan) -> Result<Vec<Duty>, TrainError> {
        self.rank.trainer_mut().recut(&plan.cut);
        let (share, before, duties) = agree(self.rank.line(), site, division, plan)?;
        self.loader = Loader::new(site.train.clone(), share.clone(), Loader::DEPTH);
        (self.share, self.before) = (share, before);
        Ok(duties)
    }

    /// Does a step with this rank's micro-batches.
    ///
    /// # Errors
    /// Data that cannot be read; a rank that fails.
    pub fn step(&mut self, order: &StepOrder) -> Result<(StepOutcome, Vec<RankFigures>), TrainError> {
        let first = self.before.iter().map(|share| share.micro_batches(order.data) as usize).sum();
        let batches = self
            .share
            .numbers(order.data)
            .map(|number| self.loader.batch(number))
            .collect::<Result<Vec<Batch>, _>>()?;
        self.rank.trainer_mut().loss_factor = order.loss_factor;
        let done = self.rank.step(order.step, first, &batches, &order.ceiling)?;
        batches.into_iter().for_each(|batch| self.loader.give_back(batch));
        Ok(done)
    }
}

/// Tells all ranks what this one makes of its rows by its plan, and hears what they do. Returns its share, those before it, and what
/// each does.
fn agree(
    line: &mut Exchange,
    site: &Site,
    division: &Division,
    plan: &Plan,
) -> Result<(Share, Vec<Share>, Vec<Duty>), TrainError> {
    let duty = Duty { micro_rows: plan.cut.micro_batch, plan: build::plan_note(plan) };
    let all = line.all_gather(to_bytes(&duty))?;
    let duties =
        all.iter().map(|duty| from_bytes(duty)).collect::<Result<Vec<Duty>, _>>().map_err(TrainError::Internal)?;
    // The stages of a pipeline have the same.
    let stages = division.blocks.len().max(1);
    let (number, pipelines) = (line.rank() / stages, division.rows.len() / stages);
    let share = |pipeline: usize, micro_rows| {
        let rows = division.rows[pipeline * stages].clone();
        Share::of_rows(site.config.batch.sizes(), rows, (pipeline, pipelines), micro_rows)
    };
    let before = (0..number).map(|pipeline| share(pipeline, duties[pipeline * stages].micro_rows)).collect();
    Ok((share(number, plan.cut.micro_batch), before, duties))
}

/// A rank between its start and its end.
pub(super) enum Seat {
    /// It has no model yet.
    Idle(Box<Links>),
    Working(Box<Work>),
    /// It has left the others.
    Left,
}

impl Seat {
    /// The line to all ranks.
    ///
    /// # Errors
    /// The rank has left.
    pub fn line(&mut self) -> Result<&mut Exchange, TrainError> {
        match self {
            Self::Idle(links) => Ok(&mut links.line),
            Self::Working(work) => Ok(work.rank.line()),
            Self::Left => Err(TrainError::Internal("a rank that has left is asked for something".into())),
        }
    }

    /// The work.
    ///
    /// # Errors
    /// There is none.
    pub fn work(&mut self) -> Result<&mut Work, TrainError> {
        match self {
            Self::Working(work) => Ok(work),
            _ => Err(TrainError::Internal("a rank is asked for a step before it has a model".into())),
        }
    }

    /// Lets go of the model, if there is one; the seat is left until there is another.
    ///
    /// # Errors
    /// The rank has left.
    pub fn take_links(&mut self) -> Result<Links, TrainError> {
        match std::mem::replace(self, Self::Left) {
            Self::Idle(links) => Ok(*links),
            Self::Working(work) => Ok(work.rank.into_links()),
            Self::Left => Err(TrainError::Internal("a rank that has left is asked to begin".into())),
        }
    }

    /// Leaves the others, which do the same.
    pub fn finish(&mut self) {
        if let Ok(links) = self.take_links() {
            links.finish();
        }
    }
}
