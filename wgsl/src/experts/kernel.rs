//! The WGSL kernels' host side.

use burn::{
    backend::{
        TensorMetadata,
        tensor::{FloatTensor, IntTensor},
    },
    tensor::{DType, Shape},
};
use burn_cubecl::{CubeBackend, kernel::into_contiguous};
use cubecl::CubeCount;

use super::{CarryOps, ExpertKernels, ExpertOps, sizes};
use crate::{
    embedding::sorted,
    launch::{Shader, empty, empty_as, word, workgroups},
};

/// Rows and columns of a workgroup; stand in the shaders too.
const TILE: usize = 32;

fn choose() -> Shader {
    Shader::new(include_str!("choose.wgsl"), 64)
}

fn places() -> Shader {
    Shader::new(include_str!("places.wgsl"), 64)
}

fn product(turned: bool) -> Shader {
    Shader::new(include_str!("product.wgsl"), 64).with("TURNED", turned)
}

fn outer() -> Shader {
    Shader::new(include_str!("outer.wgsl"), 64)
}

/// All that are launched.
#[cfg(test)]
pub fn shaders() -> [Shader; 5] {
    [choose(), places(), product(false), product(true), outer()]
}

impl CarryOps for CubeBackend {}

impl ExpertOps for CubeBackend {
    fn grouped(x: FloatTensor<Self>, weight: FloatTensor<Self>, starts: IntTensor<Self>) -> FloatTensor<Self> {
        Self::grouped_product(x, weight, starts, false)
    }
}

impl ExpertKernels for CubeBackend {
    fn route(
        scores: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        k: usize,
    ) -> (IntTensor<Self>, IntTensor<Self>, IntTensor<Self>, IntTensor<Self>) {
        let [scores, bias] = [scores, bias].map(into_contiguous);
        let [n, experts] = scores.shape().dims();
        let integers = |count: usize| empty_as(&scores, Shape::new([count]), DType::I32);
        let (chosen, rows, of_slots, starts) =
            (integers(n * k), integers(n * k), integers(n * k), integers(experts + 1));
        let words = [n, experts, k, 0].map(word);
        choose().storing(scores.dtype()).run(workgroups(n, 64), &[&scores, &bias, &chosen], &words);
        let pairs = sorted(&chosen, experts, 0);
        let words = [n * k, experts, k, 0].map(word);
        places().run(workgroups((n * k).max(experts + 1), 64), &[&pairs, &rows, &of_slots, &starts], &words);
        (chosen, rows, of_slots, starts)
    }

    fn grouped_product(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        starts: IntTensor<Self>,
        turned: bool,
    ) -> FloatTensor<Self> {
        let [x, weight, starts] = [x, weight, starts].map(into_contiguous);
        let [rows, _] = x.shape().dims();
        let [experts, c, f] = sizes::<Self>(&weight, turned);
        let y = empty(&x, Shape::new([rows, f]));
        // Every expert may have one tile that is not full.
        let tiles = rows.div_ceil(TILE) + experts;
        let count = CubeCount::Static(word(f.div_ceil(TILE)), word(tiles), 1);
        let shader = product(turned).storing(x.dtype());
        shader.run(count, &[&x, &weight, &starts, &y], &[experts, c, f, 0].map(word));
        y
    }

    fn grouped_outer(x: FloatTensor<Self>, dy: FloatTensor<Self>, starts: IntTensor<Self>) -> FloatTensor<Self> {
        let [x, dy, starts] = [x, dy, starts].map(into_contiguous);
        let [c, f] = [&x, &dy].map(|it| it.shape()[1]);
        let experts = starts.shape()[0] - 1;
        let dweight = empty(&x, Shape::new([experts, c, f]));
        let count = CubeCount::Static(word(f.div_ceil(TILE)), word(c.div_ceil(TILE)), word(experts));
        outer().storing(x.dtype()).run(count, &[&x, &dy, &starts, &dweight], &[c, f].map(word));
        dweight
    }
}
