//! The loop's part in a run on several ranks.

use std::ops::Range;

use super::{
    DeviceSummary,
    resume::Origin,
    stages::{host_trainer, stage_walk},
    steps::Loop,
    team::{Team, stays_whole},
};
use crate::{
    TrainError,
    devices::{OpenDevice, matmul_flops},
    parallel::RankFigures,
    plan::{Rates, replica_plan},
    report::DeviceFigures,
    step::Trainer,
};

impl Loop {
    /// Has all ranks begin where this one does, and starts those again that have ended.
    pub(super) fn gather(
        &mut self,
        trainer: &mut Trainer,
        device: &OpenDevice,
        origin: &Origin,
    ) -> Result<(), TrainError> {
        if self.rows.len() == 1 {
            return Ok(());
        }
        if self.plan.cut.policy.uses_host() {
            return Err(stays_whole(&device.name));
        }
        let mut team = match self.team.take() {
            Some(team) => team,
            None => {
                self.crew.device = device.clone();
                Team::start(&self.crew, None)?
            }
        };
        let momentum = origin.momentum(trainer)?;
        let work = (self.rows.as_slice(), self.blocks.as_slice());
        let plans = team.begin(trainer, &self.config.parallel, momentum, work, self.share.micro_batches())?;
        if let Some((own, pipe)) = self.blocks.first().zip(team.pipe()) {
            *trainer = trainer.stage(stage_walk(&self.config, own.clone(), &self.plan.cut, device), pipe);
        }
        plans.iter().for_each(|plan| self.report.note(plan));
        self.ranks = vec![RankFigures::default(); self.rows.len()];
        self.rank_steps = 0;
        self.team = Some(team);
        Ok(())
    }

    /// Deals the rows out to the devices that are left when these of the others have failed.
    pub(super) fn go_on_without(&mut self, failed: &[usize], device: &OpenDevice) -> Result<(), TrainError> {
        let mut number = 0;
        self.crew.others.retain(|_| {
            number += 1;
            !failed.contains(&(number - 1))
        });
        let all = 0..self.rows.last().map_or(0, |rows| rows.end);
        let mut rates = Rates { flops: matmul_flops(&device.device), ..Rates::default() };
        self.rows = vec![all.clone()];
        if !self.crew.others.is_empty() {
            let team = Team::start(&self.crew, None)?;
            rates.flops = team.ranks[0].speed;
            self.rows = team.rows_by_speed(all.end)?;
            self.team = Some(team);
        }
        let choice = replica_plan(&self.config, &self.rows[0], self.rows.len(), &device.limits, &rates)?;
        self.plan = choice.plan;
        Ok(())
    }

    /// Deals the rows out anew where that makes steps much shorter.
    pub(super) fn deal(&mut self, trainer: &mut Trainer, device: &OpenDevice) -> Result<(), TrainError> {
        let Some(team) = &mut self.team else { return Ok(()) };
        let Some(rows) = team.better_rows(self.config.parallel.rebalance) else { return Ok(()) };
        let rates = Rates { flops: team.ranks[0].speed, ..Rates::default() };
        let choice = replica_plan(&self.config, &rows[0], rows.len(), &device.limits, &rates)?;
        self.rows = rows;
        self.plan = choice.plan;
        trainer.recut(&self.plan.cut);
        self.take_share();
        let team = self.team.as_mut().expect("just looked at");
        let plans = team.share(&self.rows, self.share.micro_batches())?;
        let of = |rows: &Range<usize>| rows.len().to_string();
        let dealt: Vec<String> = self.rows.iter().map(of).collect();
        self.report.note(&format!("sequences of each batch from here on, by measured speed: {}", dealt.join(", ")));
        plans.iter().for_each(|plan| log::debug!("{plan}"));
        Ok(())
    }

    /// Whether all ranks have the same parameters before `step`.
    pub(super) fn is_together(&self, step: u64) -> bool {
        self.team.as_ref().is_none_or(|team| team.is_together(step))
    }

    /// What each of several devices had.
    pub fn device_summaries(&self) -> Vec<DeviceSummary> {
        let Some(team) = &self.team else { return Vec::new() };
        let steps = self.rank_steps as f64;
        let mean = |sum: &RankFigures| RankFigures {
            walk: sum.walk / steps,
            transfer: sum.transfer / steps,
            wait: sum.wait / steps,
        };
        let figures = match self.rank_steps {
            0 => Vec::new(),
            _ => self.device_figures(&self.ranks.iter().map(mean).collect::<Vec<_>>()),
        };
        let each = team.ranks.iter().zip(&self.rows).enumerate();
        each.map(|(number, (rank, rows))| DeviceSummary {
            name: rank.device.clone(),
            sequences: rows.len(),
            figures: figures.get(number).copied(),
        })
        .collect()
    }

    pub(super) fn device_figures(&self, ranks: &[RankFigures]) -> Vec<DeviceFigures> {
        let tokens = |rows: &Range<usize>| (rows.len() * self.config.model.context_length) as f64;
        let each = self.rows.iter().zip(ranks).map(|(rows, of)| DeviceFigures {
            tokens_per_second: tokens(rows) / of.walk,
            walk: of.walk,
            transfer: of.transfer,
            wait: of.wait,
        });
        each.collect()
    }

    /// Of each global batch for each of several replicas or pipelines.
    pub(super) fn rows_of_each(&self) -> Vec<usize> {
        match self.rows.len() {
            1 => Vec::new(),
            _ => self.rows.iter().step_by(self.config.parallel.stages).map(Range::len).collect(),
        }
    }

    /// The model whole, in host memory, where it is in stages.
    pub(super) fn whole(&mut self, trainer: &Trainer) -> Result<Option<Trainer>, TrainError> {
        let config = &self.config;
        let make = || host_trainer(config, &Origin::Seed);
        self.team.as_mut().map_or(Ok(None), |team| team.whole(trainer, make))
    }
}
