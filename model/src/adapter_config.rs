//! Which projections have adapters, and which adapters.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A projection of a block, by what it makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Projection {
    /// Queries, of the stream or of their latent vector.
    Query,
    /// Keys.
    Key,
    /// Values.
    Value,
    /// What attention gives.
    Output,
    /// The queries' latent vector.
    QueryDown,
    /// The latent vector of keys and values.
    KeyValueDown,
    /// Keys and values of their latent vector.
    KeyValue,
    /// The gate of a feed-forward network.
    Gate,
    /// Its inner channels.
    Up,
    /// What it gives.
    Down,
}

impl Projection {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Query,
        Self::Key,
        Self::Value,
        Self::Output,
        Self::QueryDown,
        Self::KeyValueDown,
        Self::KeyValue,
        Self::Gate,
        Self::Up,
        Self::Down,
    ];

    /// Its name in attention or a feed-forward network, as in `blocks.0.attention.query.weight`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Key => "key",
            Self::Value => "value",
            Self::Output => "output",
            Self::QueryDown => "query_down",
            Self::KeyValueDown => "key_value_down",
            Self::KeyValue => "key_value",
            Self::Gate => "gate",
            Self::Up => "up",
            Self::Down => "down",
        }
    }
}

/// Adapters beside the projections of all blocks (LoRA, Hu et al. 2021, arXiv 2106.09685). What no group of the optimizer names is
/// frozen, but for them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AdapterConfig {
    /// Rank of a change. Default 8.
    pub rank: usize,
    /// A change is multiplied by `alpha / rank`. Default 16.
    pub alpha: f64,
    /// Whether by `alpha / sqrt(rank)` instead (rsLoRA, Kalajdzievski 2023, arXiv 2312.03732). Default false.
    pub rank_stabilized: bool,
    /// Probability of zeroing a value that an adapter reads, while training. Default 0.
    pub dropout: f64,
    /// The projections that have one, as `["query", "value"]`. Default `[]`: all of them. Experts have none.
    pub targets: Vec<Projection>,
}

impl Default for AdapterConfig {
    fn default() -> Self {
        Self { rank: 8, alpha: 16.0, rank_stabilized: false, dropout: 0.0, targets: Vec::new() }
    }
}

impl AdapterConfig {
    /// What a change is multiplied by.
    pub fn scale(&self) -> f64 {
        let rank = self.rank as f64;
        self.alpha / if self.rank_stabilized { rank.sqrt() } else { rank }
    }

    /// Whether the projection of this name has an adapter.
    pub fn has(&self, name: &str) -> bool {
        self.targets.is_empty() || self.targets.iter().any(|target| target.name() == name)
    }
}
