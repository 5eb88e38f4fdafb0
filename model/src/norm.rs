//! Normalisation over the last axis.

use burn::{
    module::{Module, Param},
    tensor::Tensor,
};
use hearth_wgsl::{Kernel, NormOptions, norm};

use crate::{
    Initializer, NormKind, QkNormOver, TransformerConfig,
    shape::{LayerShape, ParameterShape, Site},
};

/// RMS or layer normalisation: `x / sqrt(mean(x^2) + eps) * gamma + beta`, with `x` centred first for the latter.
///
/// Layer normalisation is RMS normalisation of the centred input (arXiv 1910.07467, section 3), so one body does both.
#[derive(Module, Debug)]
pub struct Norm {
    /// Scale `[C]`.
    pub gamma: Param<Tensor<1>>,
    /// Shift `[C]`: layer normalisation with biases only.
    pub beta: Option<Param<Tensor<1>>>,
    #[module(skip)]
    centred: bool,
    #[module(skip)]
    eps: f64,
}

impl Norm {
    /// The normalisation of the residual stream: scale 1, shift 0.
    pub fn init(init: &Initializer) -> Self {
        let config = init.config();
        let centred = config.norm == NormKind::Layer;
        Self {
            gamma: init.constant([config.width], 1.0),
            beta: (centred && config.bias).then(|| init.constant([config.width], 0.0)),
            centred,
            eps: config.norm_eps,
        }
    }

    /// RMS normalisation of the channels of queries or keys, of so many heads: scale 1.
    pub fn init_heads(heads: usize, init: &Initializer) -> Self {
        let config = init.config();
        let width = match config.qk_norm_over {
            QkNormOver::Head => config.head_width(),
            QkNormOver::Heads => heads * config.head_width(),
        };
        Self::init_rms(width, init)
    }

    /// RMS normalisation of so many channels: scale 1.
    pub(crate) fn init_rms(width: usize, init: &Initializer) -> Self {
        Self { gamma: init.constant([width], 1.0), beta: None, centred: false, eps: init.config().norm_eps }
    }

    /// What the normalisation of the residual stream is made of and takes: it leaves what the projections read, and without its
    /// kernel the rows before scale and shift.
    pub fn shape(config: &TransformerConfig, site: &Site) -> LayerShape {
        let shift = config.norm == NormKind::Layer && config.bias;
        let names = ["gamma"].into_iter().chain(shift.then_some("beta"));
        let stream = site.positions(config.width);
        LayerShape {
            parameters: names.map(|name| ParameterShape::new(name, [config.width])).collect(),
            tape: if site.kernels.runs(Kernel::Norm) { stream } else { 2 * stream },
            ..LayerShape::default()
        }
    }

    /// Normalises over the last axis; the shape `[.., C]` is kept.
    pub fn forward<const R: usize>(&self, x: Tensor<R>) -> Tensor<R> {
        norm(x, self.gamma.val(), self.beta.as_ref().map(Param::val), self.options())
    }

    /// Channels that are normalised together.
    pub(crate) fn width(&self) -> usize {
        let [width] = self.gamma.dims();
        width
    }

    /// How it normalises.
    pub(crate) fn options(&self) -> NormOptions {
        NormOptions { centred: self.centred, eps: self.eps }
    }
}
