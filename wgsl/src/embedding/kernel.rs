//! The WGSL kernels' host side.

use burn::{
    backend::{
        TensorMetadata,
        ops::FloatTensorOps,
        tensor::{FloatTensor, IntTensor},
    },
    tensor::{DType, FloatDType, Shape},
};
use burn_cubecl::{CubeBackend, kernel::into_contiguous};

use super::EmbeddingOps;
use crate::launch::{Shader, empty, empty_as, workgroups};

fn forward() -> Shader {
    Shader::new(include_str!("forward.wgsl"), 256)
}

fn backward() -> Shader {
    Shader::new(include_str!("backward.wgsl"), 64)
}

fn links() -> Shader {
    Shader::new(include_str!("links.wgsl"), 64)
}

/// All that are launched.
#[cfg(test)]
pub fn shaders() -> [Shader; 3] {
    [forward(), links(), backward()]
}

impl EmbeddingOps for CubeBackend {
    fn embed(table: FloatTensor<Self>, ids: IntTensor<Self>, first: usize) -> FloatTensor<Self> {
        let [table, ids] = [table, ids].map(into_contiguous);
        let ([count], [rows, width]) = (ids.shape().dims(), table.shape().dims());
        let y = empty(&table, Shape::new([count, width]));
        let words = [count, width, first, rows].map(|word| word as u32);
        forward().storing(table.dtype()).run(workgroups(count * width, 256), &[&table, &ids, &y], &words);
        y
    }

    fn embed_backward(
        ids: IntTensor<Self>,
        dy: FloatTensor<Self>,
        rows_of_table: usize,
        first: usize,
    ) -> FloatTensor<Self> {
        let [ids, dy] = [ids, dy].map(into_contiguous);
        let [count, width] = dy.shape().dims();
        let of_positions = empty_as(&ids, Shape::new([count, 2]), DType::I32);
        links().run(workgroups(count, 64), &[&ids, &of_positions], &[count as u32, 0]);
        let dtable = Self::float_zeros(Shape::new([rows_of_table, width]), &dy.device, FloatDType::F32);
        let words = [count, width, first, rows_of_table].map(|word| word as u32);
        let buffers = [&ids, &of_positions, &dy, &dtable];
        backward().storing(dy.dtype()).run(workgroups(count * width, 64), &buffers, &words);
        Self::float_cast(dtable, dy.dtype().into())
    }
}
