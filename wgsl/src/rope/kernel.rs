//! The WGSL kernel's host side.

use burn::backend::{TensorMetadata, tensor::FloatTensor};
use burn_cubecl::{CubeBackend, kernel::into_contiguous};

use super::RopeOps;
use crate::launch::{Shader, empty, workgroups};

fn shader(interleaved: bool, back: bool) -> Shader {
    let shader = Shader::new(include_str!("rope.wgsl"), 256).with("INTERLEAVED", interleaved);
    shader.with("DIRECTION", if back { "-1.0" } else { "1.0" })
}

/// Every variant that is launched.
#[cfg(test)]
pub fn shaders() -> [Shader; 4] {
    [(false, false), (false, true), (true, false), (true, true)].map(|(interleaved, back)| shader(interleaved, back))
}

impl RopeOps for CubeBackend {
    fn rotate(
        x: FloatTensor<Self>,
        cosines: FloatTensor<Self>,
        sines: FloatTensor<Self>,
        interleaved: bool,
        back: bool,
    ) -> FloatTensor<Self> {
        let [x, cosines, sines] = [x, cosines, sines].map(into_contiguous);
        let ([b, t, h, d], [rows, ..]) = (x.shape().dims(), cosines.shape().dims::<3>());
        let y = empty(&x, x.shape());
        let pairs = b * t * h * d / 2;
        let words = [pairs, h, d / 2, rows * t].map(|word| word as u32);
        shader(interleaved, back).storing(x.dtype()).run(workgroups(pairs, 256), &[&x, &cosines, &sines, &y], &words);
        y
    }
}
