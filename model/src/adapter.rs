//! What is learned beside weights that stay as they are.

use burn::{
    module::{Module, Param},
    tensor::Tensor,
};
use hearth_wgsl::{Key, dropout, linear};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Initializer, TransformerConfig,
    shape::{LayerShape, ParameterShape, Site},
};

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

/// A change of a weight that has a low rank.
#[derive(Module, Debug)]
pub struct Adapter {
    /// `[in, rank]`.
    pub down: Param<Tensor<2>>,
    /// `[rank, out]`; zeros at first, so that an adapter begins by changing nothing.
    pub up: Param<Tensor<2>>,
    /// What the change is multiplied by: alpha over the rank.
    #[module(skip)]
    pub scale: f64,
    /// Probability of zeroing a value that it reads.
    #[module(skip)]
    pub dropout: f64,
}

impl Adapter {
    /// An adapter for a projection of `inputs` to `outputs` channels: `down` has uniform weights up to `1 / sqrt(in)`, as PEFT's, and
    /// `up` zeros.
    pub fn init([inputs, outputs]: [usize; 2], config: &AdapterConfig, init: &mut Initializer) -> Self {
        Self {
            down: init.uniform([inputs, config.rank], 1.0 / (inputs as f64).sqrt()),
            up: init.constant([config.rank, outputs], 0.0),
            scale: config.scale(),
            dropout: config.dropout,
        }
    }

    /// The parameters of one beside the projection `name`, where `config` has one there.
    pub(crate) fn parameters(
        name: &str,
        [inputs, outputs]: [usize; 2],
        config: &TransformerConfig,
    ) -> impl Iterator<Item = ParameterShape> {
        let rank = config.adapter_of(name).map(|adapter| adapter.rank);
        rank.into_iter().flat_map(move |rank| {
            [("down", [inputs, rank]), ("up", [rank, outputs])]
                .map(|(half, shape)| ParameterShape::new(&format!("{name}.adapter.{half}"), shape))
        })
    }

    /// What those of the projections `(name, in, out)` take beside the projections; their parameters are not among it.
    pub(crate) fn shape(projections: &[(&str, usize, usize)], config: &TransformerConfig, site: &Site) -> LayerShape {
        let mut sum = LayerShape::default();
        for (name, inputs, outputs) in projections {
            let Some(adapter) = config.adapter_of(name) else { continue };
            let [from, to, low] = [*inputs, *outputs, adapter.rank].map(|channels| site.positions(channels));
            sum.flops += 2.0 * site.time as f64 * adapter.rank as f64 * (inputs + outputs) as f64;
            sum.tape += low + if adapter.dropout > 0.0 { from } else { 0 };
            sum.forward = sum.forward.max(low + to);
            sum.backward = sum.backward.max(low + from);
        }
        sum
    }

    /// The change of what a projection makes of `x` `[.., in]`, `[.., out]`. With a `key`, dropout is on.
    pub fn forward<const D: usize>(&self, x: Tensor<D>, key: Option<Key>) -> Tensor<D> {
        let x = match key.filter(|_| self.dropout > 0.0) {
            Some(key) => dropout(x, key, self.dropout),
            None => x,
        };
        linear(linear(x, self.down.val(), None).mul_scalar(self.scale), self.up.val(), None)
    }

    /// The change of the weight, `[in, out]`.
    pub fn change(&self) -> Tensor<2> {
        self.down.val().matmul(self.up.val()).mul_scalar(self.scale)
    }
}

impl TransformerConfig {
    /// The adapter beside the projections of this name, if there is one.
    pub(crate) fn adapter_of(&self, name: &str) -> Option<&AdapterConfig> {
        self.adapter.as_ref().filter(|adapter| adapter.has(name))
    }
}
