//! How a step is cut.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::walk::Policy;

/// How a step is cut into micro-batches, and what it holds in memory meanwhile.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Cut {
    /// Sequences of a micro-batch, which are on the device at once.
    pub micro_batch: usize,
    /// Micro-batches of a step.
    pub accumulation: usize,
    /// Positions whose logits exist at once.
    pub logits_chunk: usize,
    /// What is held for the backward pass, and where parameters live.
    pub policy: Policy,
}

impl Cut {
    /// A step of `accumulation` micro-batches of `micro_batch` sequences, with the logits of so many positions at once.
    pub fn new(micro_batch: usize, accumulation: usize, logits_chunk: usize, policy: Policy) -> Self {
        Self { micro_batch, accumulation, logits_chunk, policy }
    }
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} x {} sequences, {}", self.accumulation, self.micro_batch, self.policy)
    }
}
