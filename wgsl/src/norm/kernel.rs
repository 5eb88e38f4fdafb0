//! The WGSL kernels' host side.

use burn::{
    backend::{TensorMetadata, ops::FloatTensorOps, tensor::FloatTensor},
    tensor::Shape,
};
use burn_cubecl::{CubeBackend, kernel::into_contiguous};

use super::{NormOps, NormOptions};
use crate::launch::{Shader, empty, workgroups};

/// Rows that an invocation sums; stands in `parameters.wgsl` too.
const BLOCK: usize = 64;

/// As many invocations for a row as have something to do.
fn rows(text: &'static str, width: usize, centred: bool) -> Shader {
    let workgroup = if width < 1024 { 64 } else { 256 };
    Shader::new(text, workgroup).with("WORKGROUP", format!("{workgroup}u")).with("CENTRED", centred)
}

fn forward(width: usize, centred: bool, shifted: bool) -> Shader {
    rows(include_str!("forward.wgsl"), width, centred).with("SHIFTED", shifted)
}

fn backward(width: usize, centred: bool) -> Shader {
    rows(include_str!("backward.wgsl"), width, centred)
}

fn parameters() -> Shader {
    Shader::new(include_str!("parameters.wgsl"), 64)
}

/// Every variant that is launched.
#[cfg(test)]
pub fn shaders() -> Vec<Shader> {
    let mut all = vec![parameters()];
    for width in [64, 4096] {
        for centred in [false, true] {
            all.extend([forward(width, centred, false), forward(width, centred, true), backward(width, centred)]);
        }
    }
    all
}

impl NormOps for CubeBackend {
    fn norm_forward(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        shifted: bool,
        options: NormOptions,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let [x, gamma, beta] = [x, gamma, beta].map(into_contiguous);
        let [width] = gamma.shape().dims();
        let rows = x.shape().num_elements() / width;
        // A buffer cannot be bound twice.
        let beta = if shifted { beta } else { empty(&x, Shape::new([1])) };
        let (y, stats) = (empty(&x, x.shape()), empty(&x, Shape::new([rows, 2])));
        let words = [rows as u32, width as u32, (options.eps as f32).to_bits(), 0];
        let shader = forward(width, options.centred, shifted);
        shader.run(workgroups(rows, 1), &[&x, &gamma, &beta, &y, &stats], &words);
        (y, stats)
    }

    fn norm_backward(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        stats: FloatTensor<Self>,
        dy: FloatTensor<Self>,
        centred: bool,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let [x, gamma, stats, dy] = [x, gamma, stats, dy].map(into_contiguous);
        let [width] = gamma.shape().dims();
        let rows = x.shape().num_elements() / width;
        let dx = empty(&x, x.shape());
        let words = [rows as u32, width as u32];
        backward(width, centred).run(workgroups(rows, 1), &[&x, &gamma, &stats, &dy, &dx], &words);

        let blocks = rows.div_ceil(BLOCK);
        let partial = empty(&x, Shape::new([blocks, 2, width]));
        let words = [rows as u32, width as u32, blocks as u32, 0];
        parameters().run(workgroups(blocks * width, 64), &[&x, &stats, &dy, &partial], &words);
        (dx, Self::float_sum_dim(partial, 0))
    }
}
