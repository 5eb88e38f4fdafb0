//! The WGSL kernels' host side.

use burn::{
    backend::{TensorMetadata, tensor::FloatTensor},
    tensor::DType,
};
use burn_cubecl::{
    CubeBackend,
    kernel::into_contiguous,
    ops::numeric::empty_device_contiguous_dtype,
    template::{KernelSource, SourceTemplate},
};
use cubecl::prelude::KernelId;

use super::{GateOps, reference};
use crate::launch::{run, takes_wgsl, workgroups};

/// Invocations in a workgroup; stands in the shaders too, which a test compares.
pub(super) const WORKGROUP: u32 = 256;

/// One of the four shaders.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum GateKernel {
    Gelu,
    GeluBackward,
    Swiglu,
    SwigluBackward,
}

impl GateKernel {
    pub fn text(self) -> &'static str {
        match self {
            Self::Gelu => include_str!("gelu.wgsl"),
            Self::GeluBackward => include_str!("gelu_backward.wgsl"),
            Self::Swiglu => include_str!("swiglu.wgsl"),
            Self::SwigluBackward => include_str!("swiglu_backward.wgsl"),
        }
    }

    /// Whether it can run on this tensor; else the reference does.
    fn takes(x: &FloatTensor<CubeBackend>) -> bool {
        x.dtype() == DType::F32 && takes_wgsl(&x.client)
    }

    /// Runs on `inputs`, all of one shape; returns `N` tensors of that shape.
    fn run<const I: usize, const N: usize>(
        self,
        inputs: [FloatTensor<CubeBackend>; I],
    ) -> [FloatTensor<CubeBackend>; N] {
        let inputs = inputs.map(into_contiguous);
        let x = &inputs[0];
        let count = x.shape().num_elements();
        let outputs: [_; N] = std::array::from_fn(|_| {
            empty_device_contiguous_dtype(x.client.clone(), x.device.clone(), x.shape(), x.dtype)
        });
        let buffers: Vec<_> = inputs.iter().chain(&outputs).collect();
        run(self, WORKGROUP, workgroups(count, WORKGROUP), &buffers, &[count as u32, 0]);
        outputs
    }
}

impl KernelSource for GateKernel {
    fn source(&self) -> SourceTemplate {
        SourceTemplate::new(self.text())
    }

    fn id(&self) -> KernelId {
        KernelId::new::<Self>().info(*self)
    }

    fn lang(&self) -> &'static str {
        "wgsl"
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
