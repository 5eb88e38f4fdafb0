//! What layers are made of and what they take: each layer tells it from a configuration, without being made.

use hearth_wgsl::{Kernel, has_attention_kernel};
use serde::{Deserialize, Serialize};

/// More elements than any model has in a tensor. Sums over the tensors of 65,536 blocks of such a size do not wrap.
const MOST_ELEMENTS: u64 = 1 << 40;

/// Elements of a tensor of this shape; 2^40 where there are more.
pub fn elements<const N: usize>(shape: [usize; N]) -> u64 {
    let product = shape.into_iter().fold(1, |product: u64, size| product.saturating_mul(size as u64));
    product.min(MOST_ELEMENTS)
}

/// A parameter of a layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterShape {
    /// Its name, as `attention.query.weight` in a block.
    pub name: String,
    /// Its shape. A matrix over the vocabulary is whole, whatever its shards.
    pub shape: Vec<usize>,
}

impl ParameterShape {
    /// A parameter of this name and shape.
    pub fn new<const D: usize>(name: &str, shape: [usize; D]) -> Self {
        Self { name: name.into(), shape: shape.into() }
    }

    /// Number of its elements.
    pub fn elements(&self) -> u128 {
        self.shape.iter().map(|size| *size as u128).product()
    }

    /// Whether it is a matrix of each expert, `[E, C, F]`.
    pub fn is_of_experts(&self) -> bool {
        self.shape.len() == 3
    }

    /// The same within a layer of this name.
    fn within(self, layer: &str) -> Self {
        Self { name: format!("{layer}.{}", self.name), ..self }
    }
}

/// The kernels that a device can run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KernelSet {
    /// No kernels: plain operations do all the work.
    Plain,
    /// The kernels of the CPU.
    Cpu,
    /// The kernels in WGSL.
    Wgsl,
}

impl KernelSet {
    /// Whether `kernel` runs there, on tensors that it takes.
    pub fn runs(self, kernel: Kernel) -> bool {
        let has = match self {
            Self::Plain => false,
            Self::Cpu => true,
            Self::Wgsl => kernel.has_wgsl_kernel(),
        };
        has && kernel.is_on()
    }

    /// Whether attention over heads of so many channels has its scores in memory, as it has without its kernels.
    pub fn has_scores(self, head_width: usize) -> bool {
        let takes_width = self == Self::Cpu || has_attention_kernel(head_width);
        !(self.runs(Kernel::Attention) && takes_width)
    }
}

/// What a layer is at work on, and by which kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Site {
    /// Sequences of a micro-batch, `B`.
    pub rows: usize,
    /// Tokens of each, `T`.
    pub time: usize,
    /// The kernels that the device has.
    pub kernels: KernelSet,
}

impl Site {
    /// One sequence of `time` tokens, where memory is of no interest.
    pub fn of_sequence(time: usize) -> Self {
        Self { rows: 1, time, kernels: KernelSet::Plain }
    }

    /// Elements of a tensor of so many channels a position.
    pub fn positions(&self, channels: usize) -> u64 {
        elements([self.rows, self.time, channels])
    }
}

/// What a layer is made of, and what it takes. Numbers of memory are elements, of distinct buffers: a saved input that is also
/// another operation's result is one.
#[derive(Clone, Debug, Default)]
pub struct LayerShape {
    /// Its parameters, in the order in which the module visits them.
    pub parameters: Vec<ParameterShape>,
    /// Of these a token uses so many elements fewer: those of experts that it is not sent to.
    pub idle: u128,
    /// Floating-point operations of the forward pass of one sequence: matrix products, a multiply and an add counted as two.
    pub flops: f64,
    /// What the tape holds beyond the layer's input.
    pub tape: u64,
    /// What the forward pass makes at its peak, without a tape.
    pub forward: u64,
    /// What the backward pass makes at its peak, beyond the tape and the gradients of parameters.
    pub backward: u64,
    /// Tensors that may be the largest of a step, with their names.
    pub tensors: Vec<(&'static str, u64)>,
    /// Floating-point operations of its longest dispatch.
    pub longest: f64,
}

impl LayerShape {
    /// Layers that run one after the other, by name: what they are made of and what their tapes hold is added up, and one at a time
    /// is at its peak.
    pub fn sum<const N: usize>(layers: [(&str, Self); N]) -> Self {
        layers.into_iter().fold(Self::default(), |sum, (name, layer)| Self {
            parameters: sum.parameters.into_iter().chain(layer.within(name)).collect(),
            idle: sum.idle + layer.idle,
            flops: sum.flops + layer.flops,
            tape: sum.tape + layer.tape,
            forward: sum.forward.max(layer.forward),
            backward: sum.backward.max(layer.backward),
            tensors: [sum.tensors, layer.tensors].concat(),
            longest: sum.longest.max(layer.longest),
        })
    }

    /// Elements of all parameters.
    pub fn count(&self) -> u128 {
        self.parameters.iter().map(ParameterShape::elements).sum()
    }

    /// Its parameters within a layer of this name.
    pub fn within(&self, layer: &str) -> impl Iterator<Item = ParameterShape> {
        self.parameters.iter().cloned().map(move |it| it.within(layer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_counted_in_64_bits_and_do_not_wrap() {
        // Scores [B, H, T, T] of 8 x 16 x 8192 x 8192: 2^33 numbers, which 32 bits would count as none.
        assert_eq!(elements([8, 16, 8192, 8192]), 1 << 33);
        assert_eq!(elements([usize::MAX, usize::MAX]), MOST_ELEMENTS);
        assert_eq!(elements([]), 1);
    }
}
