//! The WGSL kernels' host side.

use burn::{
    backend::{TensorMetadata, ops::FloatTensorOps, tensor::FloatTensor},
    tensor::{DType, Shape},
};
use burn_cubecl::{CubeBackend, kernel::into_contiguous};

use super::{NormKernels, NormOps, Variant};
use crate::{
    launch::{Shader, empty, empty_as, word, workgroups},
    row::{self, by_row, has_subgroups},
};

/// Rows that an invocation sums; stands in `parameters.wgsl` too.
const BLOCK: usize = 64;

fn forward(width: usize, subgroups: bool, centred: bool, shifted: bool) -> Shader {
    let shader = row::shader(by_row!("forward.wgsl"), width, subgroups);
    shader.with("CENTRED", centred).with("SHIFTED", shifted)
}

fn backward(width: usize, subgroups: bool, centred: bool) -> Shader {
    row::shader(by_row!("backward.wgsl"), width, subgroups).with("CENTRED", centred)
}

fn parameters() -> Shader {
    Shader::new(include_str!("parameters.wgsl"), 64)
}

/// Every variant that is launched.
#[cfg(test)]
pub fn shaders() -> Vec<Shader> {
    let mut all = vec![parameters()];
    for (width, subgroups) in [(64, false), (64, true), (512, false), (512, true), (4096, false), (4096, true)] {
        for centred in [false, true] {
            all.extend([false, true].map(|shifted| forward(width, subgroups, centred, shifted)));
            all.push(backward(width, subgroups, centred));
        }
    }
    all
}

impl NormOps for CubeBackend {
    fn norm_scaled(x: FloatTensor<Self>, gamma: FloatTensor<Self>, variant: Variant) -> FloatTensor<Self> {
        Self::norm_forward(x, gamma.clone(), gamma, variant).0
    }

    fn norm_shifted(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        variant: Variant,
    ) -> FloatTensor<Self> {
        Self::norm_forward(x, gamma, beta, variant).0
    }
}

impl NormKernels for CubeBackend {
    fn norm_forward(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        variant: Variant,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let Variant { options, shifted, subgroups } = variant;
        let [x, gamma, beta] = [x, gamma, beta].map(into_contiguous);
        let [width] = gamma.shape().dims();
        let rows = x.shape().num_elements() / width;
        // A buffer cannot be bound twice.
        let beta = if shifted { beta } else { empty(&x, Shape::new([1])) };
        let (y, stats) = (empty(&x, x.shape()), empty_as(&x, Shape::new([rows, 2]), DType::F32));
        let words = [word(rows), word(width), (options.eps as f32).to_bits(), 0];
        let shader = forward(width, subgroups || has_subgroups(&x), options.centred, shifted).storing(x.dtype());
        shader.run(workgroups(rows, 1), &[&x, &gamma, &beta, &y, &stats], &words);
        (y, stats)
    }

    fn norm_backward(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        stats: FloatTensor<Self>,
        dy: FloatTensor<Self>,
        variant: Variant,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let [x, gamma, stats, dy] = [x, gamma, stats, dy].map(into_contiguous);
        let [width] = gamma.shape().dims();
        let rows = x.shape().num_elements() / width;
        let dx = empty(&x, x.shape());
        let words = [word(rows), word(width)];
        let by_subgroups = variant.subgroups || has_subgroups(&x);
        let shader = backward(width, by_subgroups, variant.options.centred).storing(x.dtype());
        shader.run(workgroups(rows, 1), &[&x, &gamma, &stats, &dy, &dx], &words);

        let blocks = rows.div_ceil(BLOCK);
        let partial = empty_as(&x, Shape::new([blocks, 2, width]), DType::F32);
        let words = [word(rows), word(width), word(blocks), 0];
        parameters().storing(x.dtype()).run(workgroups(blocks * width, 64), &[&x, &stats, &dy, &partial], &words);
        (dx, Self::float_cast(Self::float_sum_dim(partial, 0), gamma.dtype().into()))
    }
}
