//! What is learned beside weights that stay as they are.

use burn::{
    module::{Module, Param},
    tensor::Tensor,
};
use hearth_wgsl::{Key, dropout, linear};

use crate::{
    AdapterConfig, Initializer, TransformerConfig,
    shape::{LayerShape, ParameterShape, Site},
};

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
