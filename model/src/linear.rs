//! A projection of the last axis.

use burn::{
    module::{Module, Param},
    tensor::Tensor,
};
use hearth_wgsl::{linear, linears};

use crate::{
    Initializer, TransformerConfig,
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

/// A change of a weight that has a low rank (LoRA, Hu et al. 2021, arXiv 2106.09685).
#[derive(Module, Debug)]
pub struct Adapter {
    /// `[in, rank]`.
    pub down: Param<Tensor<2>>,
    /// `[rank, out]`; zeros at first, so that an adapter begins by changing nothing.
    pub up: Param<Tensor<2>>,
    /// What the change is multiplied by: alpha over the rank.
    #[module(skip)]
    pub scale: f64,
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

    /// Its parameters, where layers have biases or not.
    pub(crate) fn parameters(name: &str, inputs: usize, outputs: usize, bias: bool) -> Vec<ParameterShape> {
        let weight = ParameterShape::new(&format!("{name}.weight"), [inputs, outputs]);
        let bias = bias.then(|| ParameterShape::new(&format!("{name}.bias"), [outputs]));
        [weight].into_iter().chain(bias).collect()
    }

    /// Maps `[.., in]` to `[.., out]`.
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        let (weight, bias) = self.tensors();
        self.adapted(linear(x.clone(), weight, bias), x)
    }

    /// Maps one `x` `[.., in]` by several projections, whose products are merged where that is faster.
    pub fn forward_all<const D: usize, const N: usize>(projections: [&Self; N], x: Tensor<D>) -> [Tensor<D>; N] {
        let mut results = linears(x.clone(), projections.map(Self::tensors)).into_iter();
        projections.map(|it| it.adapted(results.next().expect("a result for each"), x.clone()))
    }

    /// The weight and the bias.
    pub(crate) fn tensors(&self) -> (Tensor<2>, Option<Tensor<1>>) {
        (self.weight.val(), self.bias.as_ref().map(Param::val))
    }

    /// The weight with its adapter's change.
    pub(crate) fn merged(&self) -> Tensor<2> {
        match &self.adapter {
            None => self.weight.val(),
            Some(Adapter { down, up, scale }) => self.weight.val() + down.val().matmul(up.val()).mul_scalar(*scale),
        }
    }

    fn adapted<const D: usize>(&self, y: Tensor<D>, x: Tensor<D>) -> Tensor<D> {
        match &self.adapter {
            None => y,
            Some(Adapter { down, up, scale }) => {
                y + linear(linear(x, down.val(), None), up.val(), None).mul_scalar(*scale)
            }
        }
    }
}

impl Adapter {
    /// An adapter of this rank for `linear`, whose change is multiplied by `alpha / rank`: `down` has normal weights of deviation
    /// `1 / sqrt(in)`, `up` zeros.
    pub fn init(linear: &Linear, rank: usize, alpha: f64, init: &mut Initializer) -> Self {
        let [inputs, outputs] = linear.weight.dims();
        Self {
            down: init.normal([inputs, rank], 1.0 / (inputs as f64).sqrt()),
            up: init.constant([rank, outputs], 0.0),
            scale: alpha / rank as f64,
        }
    }
}
