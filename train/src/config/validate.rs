//! Which values a run can have.

use hearth_model::{ModelShape, Site, TransformerConfig};
use wildmatch::WildMatch;

use super::{BatchConfig, TrainConfig, mistakes::told};
use crate::TrainError;

impl TrainConfig {
    /// Checks every value. A vocabulary of 0 will be the tokenizer's; that no data is named is no fault, for a run may be given
    /// text or tokens ([`DataConfig::require_source`](super::DataConfig::require_source)).
    ///
    /// # Errors
    /// [`TrainError::Config`] names every field that no run can have, its value and what would do.
    pub fn validate(&self) -> Result<(), TrainError> {
        let faults = self.faults();
        if faults.is_empty() {
            return Ok(());
        }
        Err(TrainError::Config { source_name: "configuration".into(), reason: told(faults) })
    }

    /// Every value that no run can have: the field, the value and what would do.
    pub(super) fn faults(&self) -> Vec<String> {
        let vocab_size = self.model.vocab_size.max(1);
        let model = TransformerConfig { vocab_size, ..self.model.clone() };
        let mut faults: Vec<String> = model.faults().iter().map(ToString::to_string).collect();
        if faults.is_empty() {
            faults.extend(self.faulty_names(&model));
        }
        // What depends on the number of blocks says nothing where that is at fault.
        if !faults.iter().any(|it| it.starts_with("model.layers")) {
            faults.extend(self.memory.policy(self.model.layers).err());
            faults.extend(self.parallel.validate(self.model.layers, self.checkpoint.every).err());
        }
        faults.extend(self.data.validate().err());
        faults.extend(self.faulty_counts());
        faults.extend(self.faulty_limits());
        faults.extend(self.faulty_growth());
        faults.extend(self.scattered_averages());
        faults.extend(self.faulty_numbers());
        faults
    }

    fn faulty_counts(&self) -> Vec<String> {
        let counts = [
            ("batch.micro_batch", self.batch.micro_batch),
            ("batch.accumulation", self.batch.accumulation),
            ("evaluation.batches", self.evaluation.batches),
            ("checkpoint.keep_last", self.checkpoint.keep_last),
            ("guard.window", self.guard.window),
        ];
        let faulty = counts.into_iter().filter(|(_, value)| !(1..=1 << 20).contains(value));
        faulty.map(|(field, value)| format!("{field} = {value}: must be from 1 to 1048576")).collect()
    }

    /// Averages that an evaluation would not find on the device that needs them.
    fn scattered_averages(&self) -> Option<String> {
        let parallel = &self.parallel;
        let why = if parallel.shard_optimizer {
            "parallel.shard_optimizer = true each device has a part of the averages alone"
        } else if parallel.local_steps > 0 {
            "parallel.local_steps each device would average steps of its own"
        } else if parallel.stages > 1 && self.model.tied {
            "parallel.stages and model.tied = true the last stage has no average of the head's matrix"
        } else {
            return None;
        };
        let average = self.optimizer.average;
        (average > 0.0).then(|| format!("optimizer.average = {average}: with {why}; leave one of them out"))
    }

    fn faulty_growth(&self) -> Option<String> {
        const MOST: u64 = 1 << 20;
        let BatchConfig { micro_batch, accumulation, warmup_steps, warmup_from } = self.batch;
        if warmup_steps > MOST {
            return Some(format!("batch.warmup_steps = {warmup_steps}: must be from 0 to {MOST}"));
        }
        let all = micro_batch.saturating_mul(accumulation);
        let reason = if warmup_steps == 0 && warmup_from > 0 {
            "give batch.warmup_steps, the steps over which it grows, or leave it out".into()
        } else if !warmup_from.is_multiple_of(micro_batch.max(1)) || warmup_from > all {
            format!(
                "must be a multiple of batch.micro_batch = {micro_batch}, and {all} at most, the sequences of a step"
            )
        } else {
            return None;
        };
        Some(format!("batch.warmup_from = {warmup_from}: {reason}"))
    }

    fn faulty_limits(&self) -> Option<String> {
        let endless = self.limits.steps == 0 && self.limits.tokens == 0;
        let said = "limits.steps = 0: set limits.steps, as to 1000, or limits.tokens, or the run would never end";
        endless.then(|| said.into())
    }

    fn faulty_numbers(&self) -> Vec<String> {
        let optimizer = &self.optimizer;
        let mut faults = Vec::new();
        for (field, value) in [
            ("optimizer.learning_rate", optimizer.learning_rate),
            ("optimizer.weight_decay", optimizer.weight_decay),
            ("optimizer.clip_norm", optimizer.clip_norm),
            ("schedule.final_learning_rate", self.schedule.final_learning_rate.unwrap_or_default()),
            ("loss.z_loss", self.loss.z_loss),
            ("loss.router_balance", self.loss.router_balance),
            ("optimizer.router_bias_rate", optimizer.router_bias_rate),
            ("sample.temperature", self.sample.temperature),
            ("guard.loss_z", self.guard.loss_z),
            ("guard.norm_z", self.guard.norm_z),
            ("guard.divergence", self.guard.divergence),
        ] {
            if !(0.0..=f64::MAX).contains(&value) {
                let finite = if value >= 0.0 { ", and finite" } else { "" };
                faults.push(format!("{field} = {value}: must be 0 or more{finite}"));
            }
        }
        faults.extend(self.faulty_groups());
        if optimizer.base_width > 1 << 20 {
            faults.push(format!("optimizer.base_width = {}: must be from 0 to 1048576", optimizer.base_width));
        }
        if !(f64::MIN_POSITIVE..=f64::MAX).contains(&optimizer.eps) {
            faults.push(format!("optimizer.eps = {}: must be positive", optimizer.eps));
        }
        for (field, value) in [
            ("optimizer.beta1", optimizer.beta1),
            ("optimizer.beta2", optimizer.beta2),
            ("optimizer.momentum", optimizer.momentum),
            ("optimizer.average", optimizer.average),
        ] {
            if !(0.0..1.0).contains(&value) {
                faults.push(format!("{field} = {value}: must be at least 0 and under 1"));
            }
        }
        faults
    }

    /// Names in groups that no parameter of the model has, and groups that leave nothing to train.
    fn faulty_names(&self, model: &TransformerConfig) -> Vec<String> {
        let groups = &self.optimizer.groups;
        let named =
            groups.iter().enumerate().flat_map(|(at, group)| group.parameters.iter().map(move |name| (at, name)));
        let mut absent: Vec<(usize, &String)> = named.collect();
        if absent.is_empty() {
            return Vec::new();
        }
        let mut is_trained = false;
        for it in ModelShape::of(model, &Site::of_sequence(1)).parameters() {
            is_trained |= !self.optimizer.is_frozen(&it.name, &self.model);
            absent.retain(|(_, pattern)| !WildMatch::new(pattern).matches(&it.name));
        }
        let told = |(at, pattern): (usize, &String)| {
            format!(
                "optimizer.groups[{at}].parameters: no parameter is named {pattern:?}; names are as \"embedding.tokens\", \
                 \"blocks.0.attention.query.weight\" and \"head.norm.gamma\", and * stands for any characters"
            )
        };
        let nothing =
            (!is_trained).then(|| "optimizer.groups: every parameter is frozen, so nothing would be trained".into());
        absent.into_iter().map(told).chain(nothing).collect()
    }

    fn faulty_groups(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for (at, group) in self.optimizer.groups.iter().enumerate() {
            let field = |name: &str| format!("optimizer.groups[{at}].{name}");
            if group.parameters.is_empty() {
                faults.push(format!("{}: give a list of names, as [\"embedding.*\"]", field("parameters")));
            }
            for (name, value) in [
                ("learning_rate", group.learning_rate),
                ("learning_rate_factor", group.learning_rate_factor),
                ("weight_decay", group.weight_decay),
            ] {
                if let Some(value) = value.filter(|value| !(0.0..=f64::MAX).contains(value)) {
                    faults.push(format!("{} = {value}: must be 0 or more", field(name)));
                }
            }
            for (name, value) in [("beta1", group.beta1), ("beta2", group.beta2), ("momentum", group.momentum)] {
                if let Some(value) = value.filter(|value| !(0.0..1.0).contains(value)) {
                    faults.push(format!("{} = {value}: must be at least 0 and under 1", field(name)));
                }
            }
            if group.learning_rate.is_some() && group.learning_rate_factor.is_some() {
                faults.push(format!("{}: give it or learning_rate_factor, not both", field("learning_rate")));
            } else if group.learning_rate.is_some() && self.optimizer.learning_rate == 0.0 {
                let reason = "follows the course of optimizer.learning_rate, which is 0: give that a value";
                faults.push(format!("{} {reason}", field("learning_rate")));
            }
        }
        faults
    }
}
