//! Who trains together.

use std::sync::Arc;

use super::Data;
use crate::{TrainConfig, devices::OpenDevice, session::Identity};

/// Who trains together, and on what.
#[derive(Clone)]
pub struct Members {
    /// What to train, and how.
    pub config: Arc<TrainConfig>,
    /// What tells the tokens and the tokenizer from others.
    pub identity: Identity,
    /// What to learn from and be measured on.
    pub data: Data,
    /// The first rank's device.
    pub device: OpenDevice,
    /// Devices of the ranks that are threads beside it.
    pub others: Vec<OpenDevice>,
}
