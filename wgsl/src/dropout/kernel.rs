//! The WGSL kernel's host side.

use burn::backend::{TensorMetadata, tensor::FloatTensor};
use burn_cubecl::{CubeBackend, kernel::into_contiguous};

use super::{DropoutOps, Mask, reference};
use crate::{
    Kernel,
    choice::{stored, takes_wgsl},
    launch::{Shader, empty, word, workgroups},
};

pub fn shader() -> Shader {
    Shader::new(include_str!("dropout.wgsl"), 256)
}

impl DropoutOps for CubeBackend {
    fn dropout(x: FloatTensor<Self>, key_0: u32, key_1: u32, rate: f64) -> FloatTensor<Self> {
        if !stored(x.dtype()) || !takes_wgsl(&x.client) || !Kernel::Dropout.is_on() {
            return reference::<Self>(x, key_0, key_1, rate);
        }
        let x = into_contiguous(x);
        let count = x.shape().num_elements();
        let y = empty(&x, x.shape());
        let mask = Mask::new(key_0, key_1, rate);
        let shader = shader().storing(x.dtype());
        let groups = workgroups(count.div_ceil(2), shader.workgroup());
        let words = [word(count), key_0, key_1, mask.keep_below, mask.scale.to_bits(), 0];
        shader.run(groups, &[&x, &y], &words);
        y
    }
}
