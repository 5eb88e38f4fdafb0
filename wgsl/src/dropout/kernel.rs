//! The WGSL kernel's host side.

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

use super::{DropoutOps, Mask, reference};
use crate::launch::{run, takes_wgsl, workgroups};

/// Invocations in a workgroup; stands in the shader too, which a test compares.
pub(super) const WORKGROUP: u32 = 256;

struct DropoutKernel;

impl KernelSource for DropoutKernel {
    fn source(&self) -> SourceTemplate {
        SourceTemplate::new(include_str!("dropout.wgsl"))
    }

    fn id(&self) -> KernelId {
        KernelId::new::<Self>()
    }

    fn lang(&self) -> &'static str {
        "wgsl"
    }
}

impl DropoutOps for CubeBackend {
    fn dropout(x: FloatTensor<Self>, key_0: u32, key_1: u32, rate: f64) -> FloatTensor<Self> {
        if x.dtype() != DType::F32 || !takes_wgsl(&x.client) {
            return reference::<Self>(x, key_0, key_1, rate);
        }
        let x = into_contiguous(x);
        let count = x.shape().num_elements();
        let y = empty_device_contiguous_dtype(x.client.clone(), x.device.clone(), x.shape(), x.dtype);
        let mask = Mask::new(key_0, key_1, rate);
        run(
            DropoutKernel,
            WORKGROUP,
            workgroups(count.div_ceil(2), WORKGROUP),
            &[&x, &y],
            &[count as u32, key_0, key_1, mask.keep_below, mask.scale.to_bits(), 0],
        );
        y
    }
}
