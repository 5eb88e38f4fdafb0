//! Which models can have the same weights.

use crate::{Positions, TransformerConfig};

/// Fields that ask for no weight.
const OF_NO_WEIGHT: [&str; 14] = [
    "dropout",
    "init_std",
    "scaled_residual_init",
    "vocab_shard_bytes",
    "norm_eps",
    "rope_base",
    "local_rope_base",
    "rope_scaling",
    "rope_layers",
    "attention_scale",
    "embedding_scale",
    "sliding_window",
    "logit_softcap",
    "attention_softcap",
];

impl TransformerConfig {
    /// Whether weights of a model with another value of this field, as `model.dropout`, fit this one; `before` is that value as TOML.
    pub fn keeps_weights(&self, field: &str, before: &str) -> bool {
        match field.strip_prefix("model.").unwrap_or(field) {
            // Rotation needs no weights; of learned positions the first are taken.
            "context_length" => {
                self.positions == Positions::Rope
                    || before.parse().is_ok_and(|before: usize| self.context_length <= before)
            }
            field => OF_NO_WEIGHT.contains(&field.split('.').next().unwrap_or_default()),
        }
    }
}
