//! The WGSL kernel's host side.

use burn::backend::{TensorMetadata, tensor::FloatTensor};
use burn_cubecl::{CubeBackend, kernel::into_contiguous};

use super::{PARTIAL, SquaresOps};
use crate::{
    launch::{Shader, empty, word, workgroups},
    row::{self, by_row, has_subgroups},
};

/// Elements of a workgroup at least: it would begin in no less time than it takes to add them up.
const ELEMENTS: usize = 4096;

fn shader(subgroups: bool) -> Shader {
    row::shader(by_row!("squares.wgsl"), usize::MAX, subgroups)
}

/// Every variant that is launched.
#[cfg(test)]
pub fn shaders() -> Vec<Shader> {
    [false, true].map(shader).into()
}

impl SquaresOps for CubeBackend {
    fn add_squares(before: FloatTensor<Self>, x: FloatTensor<Self>) -> FloatTensor<Self> {
        let [before, x] = [before, x].map(into_contiguous);
        let sums = empty(&before, before.shape());
        let count = x.shape().num_elements();
        let rows = count.div_ceil(ELEMENTS).clamp(1, PARTIAL);
        let words = [word(rows), word(count), word(PARTIAL), 0];
        shader(has_subgroups(&x)).storing(x.dtype()).run(workgroups(rows, 1), &[&x, &before, &sums], &words);
        sums
    }
}
