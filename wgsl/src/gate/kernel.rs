//! The WGSL kernels' host side.

use burn::backend::{TensorMetadata, tensor::FloatTensor};
use burn_cubecl::{CubeBackend, kernel::into_contiguous};

use super::{GateOps, reference};
use crate::{
    Kernel,
    choice::{stored, takes_wgsl},
    launch::{Shader, empty, word, workgroups},
};

/// A shader's text, after what all of them share.
macro_rules! elementwise {
    ($file:literal) => {
        concat!(include_str!("elementwise.wgsl"), "\n", include_str!($file))
    };
}

/// One of the shaders.
#[derive(Clone, Copy, Debug)]
pub(crate) enum GateKernel {
    Gelu,
    GeluBackward,
    ReluSquared,
    ReluSquaredBackward,
    Swiglu,
    SwigluBackward,
}

impl GateKernel {
    pub fn shader(self) -> Shader {
        let text = match self {
            Self::Gelu => elementwise!("gelu.wgsl"),
            Self::GeluBackward => elementwise!("gelu_backward.wgsl"),
            Self::ReluSquared => elementwise!("relu_squared.wgsl"),
            Self::ReluSquaredBackward => elementwise!("relu_squared_backward.wgsl"),
            Self::Swiglu => elementwise!("swiglu.wgsl"),
            Self::SwigluBackward => elementwise!("swiglu_backward.wgsl"),
        };
        Shader::new(text, 256)
    }

    /// Whether it can run on this tensor; else the reference does.
    fn takes(x: &FloatTensor<CubeBackend>) -> bool {
        stored(x.dtype()) && takes_wgsl(&x.client) && Kernel::Gate.is_on()
    }

    /// Runs on `inputs`, all of one shape; returns `N` tensors of that shape.
    fn run<const I: usize, const N: usize>(
        self,
        inputs: [FloatTensor<CubeBackend>; I],
    ) -> [FloatTensor<CubeBackend>; N] {
        let inputs = inputs.map(into_contiguous);
        let x = &inputs[0];
        let count = x.shape().num_elements();
        let outputs: [_; N] = std::array::from_fn(|_| empty(x, x.shape()));
        let buffers: Vec<_> = inputs.iter().chain(&outputs).collect();
        let shader = self.shader().storing(x.dtype());
        let groups = workgroups(count, shader.workgroup());
        shader.run(groups, &buffers, &[word(count), 0]);
        outputs
    }
}

impl GateOps for CubeBackend {
    fn tanh_gelu(x: FloatTensor<Self>) -> FloatTensor<Self> {
        if !GateKernel::takes(&x) {
            return reference::gelu::<Self>(x);
        }
        let [y] = GateKernel::Gelu.run([x]);
        y
    }

    fn tanh_gelu_backward(x: FloatTensor<Self>, grad: FloatTensor<Self>) -> FloatTensor<Self> {
        if !GateKernel::takes(&x) {
            return reference::gelu_backward::<Self>(x, grad);
        }
        let [dx] = GateKernel::GeluBackward.run([x, grad]);
        dx
    }

    fn relu_squared(x: FloatTensor<Self>) -> FloatTensor<Self> {
        if !GateKernel::takes(&x) {
            return reference::relu_squared::<Self>(x);
        }
        let [y] = GateKernel::ReluSquared.run([x]);
        y
    }

    fn relu_squared_backward(x: FloatTensor<Self>, grad: FloatTensor<Self>) -> FloatTensor<Self> {
        if !GateKernel::takes(&x) {
            return reference::relu_squared_backward::<Self>(x, grad);
        }
        let [dx] = GateKernel::ReluSquaredBackward.run([x, grad]);
        dx
    }

    fn swiglu(gate: FloatTensor<Self>, up: FloatTensor<Self>) -> FloatTensor<Self> {
        if !GateKernel::takes(&gate) {
            return reference::swiglu::<Self>(gate, up);
        }
        let [y] = GateKernel::Swiglu.run([gate, up]);
        y
    }

    fn swiglu_backward(
        gate: FloatTensor<Self>,
        up: FloatTensor<Self>,
        grad: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        if !GateKernel::takes(&gate) {
            return reference::swiglu_backward::<Self>(gate, up, grad);
        }
        let [of_gate, of_up] = GateKernel::SwigluBackward.run([gate, up, grad]);
        (of_gate, of_up)
    }
}
