//! Which values a run can have.

use hearth_model::TransformerConfig;

use super::TrainConfig;
use crate::TrainError;

impl TrainConfig {
    /// Checks every value. A vocabulary of 0 will be the tokenizer's; that no data is named is no fault, for a run may be given
    /// text or tokens ([`DataConfig::require_source`](super::DataConfig::require_source)).
    ///
    /// # Errors
    /// [`TrainError::Config`] names the first field that no run can have, its value and what would do.
    pub fn validate(&self) -> Result<(), TrainError> {
        self.check("configuration")
    }

    /// As [`TrainConfig::validate`]; `source` names the configuration in errors.
    pub(super) fn check(&self, source: &str) -> Result<(), TrainError> {
        let vocab_size = self.model.vocab_size.max(1);
        let model = TransformerConfig { vocab_size, ..self.model.clone() }.validate();
        model
            .map_err(|error| error.to_string())
            .and_then(|()| self.check_counts())
            .and_then(|()| self.data.validate())
            .and_then(|()| self.memory.policy(self.model.layers).map(drop))
            .and_then(|()| self.parallel.validate(self.model.layers, self.checkpoint.every))
            .and_then(|()| self.check_limits())
            .and_then(|()| self.check_numbers())
            .map_err(|reason| TrainError::Config { source_name: source.into(), reason })
    }

    fn check_counts(&self) -> Result<(), String> {
        for (field, value) in [
            ("batch.micro_batch", self.batch.micro_batch),
            ("batch.accumulation", self.batch.accumulation),
            ("evaluation.batches", self.evaluation.batches),
            ("checkpoint.keep_last", self.checkpoint.keep_last),
            ("guard.window", self.guard.window),
        ] {
            if !(1..=1 << 20).contains(&value) {
                return Err(format!("{field} = {value}: must be from 1 to 1048576"));
            }
        }
        Ok(())
    }

    fn check_limits(&self) -> Result<(), String> {
        if self.limits.steps == 0 && self.limits.tokens == 0 {
            return Err("limits.steps = 0: set limits.steps or limits.tokens, or the run would never end".into());
        }
        Ok(())
    }

    fn check_numbers(&self) -> Result<(), String> {
        let optimizer = &self.optimizer;
        for (field, value) in [
            ("optimizer.learning_rate", optimizer.learning_rate),
            ("optimizer.weight_decay", optimizer.weight_decay),
            ("optimizer.clip_norm", optimizer.clip_norm),
            ("schedule.final_learning_rate", self.schedule.final_rate(optimizer.learning_rate)),
            ("loss.z_loss", self.loss.z_loss),
            ("sample.temperature", self.sample.temperature),
            ("guard.loss_z", self.guard.loss_z),
            ("guard.norm_z", self.guard.norm_z),
            ("guard.divergence", self.guard.divergence),
        ] {
            if !(0.0..=f64::MAX).contains(&value) {
                return Err(format!("{field} = {value}: must be 0 or more"));
            }
        }
        if !(f64::MIN_POSITIVE..=f64::MAX).contains(&optimizer.eps) {
            return Err(format!("optimizer.eps = {}: must be positive", optimizer.eps));
        }
        for (field, value) in [("optimizer.beta1", optimizer.beta1), ("optimizer.beta2", optimizer.beta2)] {
            if !(0.0..1.0).contains(&value) {
                return Err(format!("{field} = {value}: must be at least 0 and under 1"));
            }
        }
        Ok(())
    }
}
