//! What a run leaves in its folder for people to look at.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a run leaves in its folder for people to look at, besides `metrics.jsonl`, `samples.md` and `loss.svg`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct ReportConfig {
    /// Whether figures and samples are also written to an event file of TensorBoard's. Default false.
    pub tensorboard: bool,
}
