//! The guards' settings.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How much instability a run puts up with. Each guard has its own setting; 0 turns it off.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GuardConfig {
    /// Steps in a row whose loss or gradient is not finite until the run goes back to its last checkpoint, and on with
    /// the data that comes next. Each of their updates is left out. Default 3.
    pub bad_steps: u64,
    /// Times that the run goes back before it ends. Default 3.
    pub restores: u64,
    /// Standard deviations that a step's loss may lie above the mean of the window (as in llm.c); an update beyond is left
    /// out. Default 10.
    pub loss_z: f64,
    /// As `loss_z`, for the global norm of the gradient before clipping. Default 10.
    pub norm_z: f64,
    /// Steps of the window, without outliers; until there are so many no finite update is left out. Default 128.
    pub window: usize,
    /// Nats that the median loss over the window may lie above the lowest such median until the run ends. Default 2.
    pub divergence: f64,
    /// Times that a lost device is opened again, and the run goes on from its last checkpoint. Default 3.
    pub device_losses: u64,
}

impl Default for GuardConfig {
    fn default() -> Self {
        Self { bad_steps: 3, restores: 3, loss_z: 10.0, norm_z: 10.0, window: 128, divergence: 2.0, device_losses: 3 }
    }
}
