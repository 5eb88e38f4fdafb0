//! A projection of the last axis.

use burn::{
    module::{Module, Param},
    tensor::Tensor,
};
use hearth_wgsl::{Key, linear, linears};

use crate::{
    Adapter, Initializer, TransformerConfig,
    shape::{LayerShape, ParameterShape, Site, elements},
};

/// `x @ weight + bias`, and of an adapter `scale * x @ down @ up` besides.
///
/// It is trained where its parameters are, and frozen where they are not (`no_grad`); an adapter's are parameters of their own.
#[derive(Module, Debug)]
pub struct Linear {
    /// `[in, out]`.
    pub weight: Param<Tensor<2>>,
    /// `[out]`.
    pub bias: Option<Param<Tensor<1>>>,
    /// What is learned beside a weight that is frozen.
    pub adapter: Option<Adapter>,
}

impl Linear {
    /// A projection of `inputs` to `outputs` channels with normal weights; a bias, if any, of 0.
    pub fn init(inputs: usize, outputs: usize, std: f64, init: &mut Initializer) -> Self {
        let bias = init.config().bias;
        Self::with_bias(bias, [inputs, outputs], std, init)
    }

    /// The same, with a bias or without.
    pub(crate) fn with_bias(bias: bool, [inputs, outputs]: [usize; 2], std: f64, init: &mut Initializer) -> Self {
        Self {
            weight: init.normal([inputs, outputs], std),
            bias: bias.then(|| init.constant([outputs], 0.0)),
            adapter: None,
        }
    }

    /// What a projection is made of and takes; what it reads is held by what made that.
    pub fn shape(inputs: usize, outputs: usize, config: &TransformerConfig, site: &Site) -> LayerShape {
        let bias = config.bias.then(|| ParameterShape::new("bias", [outputs]));
        let [from, to] = [inputs, outputs].map(|channels| site.positions(channels));
        LayerShape {
            parameters: [ParameterShape::new("weight", [inputs, outputs])].into_iter().chain(bias).collect(),
            flops: 2.0 * site.time as f64 * inputs as f64 * outputs as f64,
            forward: to,
            backward: from,
            tensors: vec![
                ("a projection's weight [in, out]", elements([inputs, outputs])),
                ("its result [B, T, out]", to),
            ],
            longest: 2.0 * from as f64 * outputs as f64,
            ..LayerShape::default()
        }
    }

    /// The parameters of the projection `name`, with a bias or without.
    pub(crate) fn parameters(
        name: &str,
        [inputs, outputs]: [usize; 2],
        bias: bool,
        config: &TransformerConfig,
    ) -> Vec<ParameterShape> {
        let weight = ParameterShape::new(&format!("{name}.weight"), [inputs, outputs]);
        let bias = bias.then(|| ParameterShape::new(&format!("{name}.bias"), [outputs]));
        [weight].into_iter().chain(bias).chain(Adapter::parameters(name, [inputs, outputs], config)).collect()
    }

    /// The same projection with an adapter, where the configuration has one beside those of this name.
    pub(crate) fn adapted(self, name: &str, init: &mut Initializer) -> Self {
        match init.config().adapter_of(name) {
            Some(config) => Self { adapter: Some(Adapter::init(self.weight.dims(), config, init)), ..self },
            None => self,
        }
    }

    /// Maps `[.., in]` to `[.., out]`.
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        self.forward_keyed(x, None)
    }

    /// As [`Linear::forward`]; with a `key`, an adapter's dropout is on.
    pub fn forward_keyed<const D: usize>(&self, x: Tensor<D>, key: Option<Key>) -> Tensor<D> {
        let (weight, bias) = self.tensors();
        self.changed(linear(x.clone(), weight, bias), x, key)
    }

    /// Maps one `x` `[.., in]` by several projections, whose products are merged where that is faster.
    pub fn forward_all<const D: usize, const N: usize>(projections: [&Self; N], x: Tensor<D>) -> [Tensor<D>; N] {
        Self::forward_all_keyed(projections, x, None)
    }

    /// As [`Linear::forward_all`]; with a `key`, adapters' dropout is on.
    pub fn forward_all_keyed<const D: usize, const N: usize>(
        projections: [&Self; N],
        x: Tensor<D>,
        key: Option<Key>,
    ) -> [Tensor<D>; N] {
        let mut results = linears(x.clone(), projections.map(Self::tensors)).into_iter().zip(0..);
        projections.map(|it| {
            let (y, at) = results.next().expect("a result for each");
            it.changed(y, x.clone(), key.map(|key| key.fold_in(at)))
        })
    }

    /// The weight and the bias.
    pub(crate) fn tensors(&self) -> (Tensor<2>, Option<Tensor<1>>) {
        (self.weight.val(), self.bias.as_ref().map(Param::val))
    }

    /// The weight with its adapter's change.
    pub(crate) fn merged(&self) -> Tensor<2> {
        match &self.adapter {
            None => self.weight.val(),
            Some(adapter) => self.weight.val() + adapter.change(),
        }
    }

    /// What the projection made of `x`, with its adapter's change.
    fn changed<const D: usize>(&self, y: Tensor<D>, x: Tensor<D>, key: Option<Key>) -> Tensor<D> {
        match &self.adapter {
            None => y,
            Some(adapter) => y + adapter.forward(x, key),
        }
    }
}
