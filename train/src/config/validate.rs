//! Which values a run can have.

use hearth_model::TransformerConfig;

use super::TrainConfig;
use crate::TrainError;

impl TrainConfig {
    /// Checks every value; a vocabulary of 0 is filled in from the tokenizer later.
    pub(super) fn validate(&self, source: &str) -> Result<(), TrainError> {
        let refuse = |field: &str, value: &dyn std::fmt::Display, reason: &str| {
            Err(TrainError::Config { source_name: source.into(), reason: format!("{field} = {value}: {reason}") })
        };
        let vocab_size = self.model.vocab_size.max(1);
        TransformerConfig { vocab_size, ..self.model.clone() }
            .validate()
            .map_err(|error| TrainError::Config { source_name: source.into(), reason: error.to_string() })?;
        for (field, value) in [
            ("batch.micro_batch", self.batch.micro_batch),
            ("batch.accumulation", self.batch.accumulation),
            ("evaluation.batches", self.evaluation.batches),
            ("checkpoint.keep_last", self.checkpoint.keep_last),
            ("guard.window", self.guard.window),
        ] {
            if !(1..=1 << 20).contains(&value) {
                return refuse(field, &value, "must be from 1 to 1048576");
            }
        }
        self.data.validate().map_err(|reason| TrainError::Config { source_name: source.into(), reason })?;
        self.memory
            .policy(self.model.layers)
            .map_err(|reason| TrainError::Config { source_name: source.into(), reason })?;
        self.parallel
            .validate(self.model.layers, self.checkpoint.every)
            .map_err(|reason| TrainError::Config { source_name: source.into(), reason })?;
        if self.limits.steps == 0 && self.limits.tokens == 0 {
            return refuse("limits.steps", &0, "set limits.steps or limits.tokens, or the run would never end");
        }
        let optimizer = &self.optimizer;
        for (field, value, low, high) in [
            ("optimizer.learning_rate", optimizer.learning_rate, 0.0, f64::MAX),
            ("optimizer.weight_decay", optimizer.weight_decay, 0.0, f64::MAX),
            ("optimizer.clip_norm", optimizer.clip_norm, 0.0, f64::MAX),
            ("optimizer.eps", optimizer.eps, f64::MIN_POSITIVE, f64::MAX),
            ("schedule.final_learning_rate", self.schedule.final_learning_rate, 0.0, f64::MAX),
            ("loss.z_loss", self.loss.z_loss, 0.0, f64::MAX),
            ("sample.temperature", self.sample.temperature, 0.0, f64::MAX),
            ("guard.loss_z", self.guard.loss_z, 0.0, f64::MAX),
            ("guard.norm_z", self.guard.norm_z, 0.0, f64::MAX),
            ("guard.divergence", self.guard.divergence, 0.0, f64::MAX),
        ] {
            if !(low..=high).contains(&value) {
                return refuse(field, &value, if low > 0.0 { "must be positive" } else { "must be 0 or more" });
            }
        }
        for (field, value) in [("optimizer.beta1", optimizer.beta1), ("optimizer.beta2", optimizer.beta2)] {
            if !(0.0..1.0).contains(&value) {
                return refuse(field, &value, "must be at least 0 and under 1");
            }
        }
        Ok(())
    }
}
