//! The WGSL kernels' host side.

use burn::{
    backend::{
        TensorMetadata,
        ops::FloatTensorOps,
        tensor::{FloatTensor, IntTensor},
    },
    tensor::{DType, FloatDType, Shape},
};
use burn_cubecl::{CubeBackend, kernel::into_contiguous, tensor::CubeTensor};

use super::{EmbeddingKernels, EmbeddingOps};
use crate::launch::{Shader, empty, empty_as, word, workgroups};

/// Pairs that a workgroup sorts in its memory at most, and at least.
const TILE: usize = 1024;
const SMALL_TILE: usize = 64;

fn forward() -> Shader {
    Shader::new(include_str!("forward.wgsl"), 256)
}

fn sort(begin: bool, tile: usize) -> Shader {
    let workgroup = word(tile / 2).min(256);
    let shader = Shader::new(include_str!("sort.wgsl"), workgroup).with("WORKGROUP", format!("{workgroup}u"));
    shader.with("TILE", format!("{tile}u")).with("BEGIN", begin)
}

fn exchange() -> Shader {
    Shader::new(include_str!("exchange.wgsl"), 256)
}

fn sums() -> Shader {
    Shader::new(include_str!("sums.wgsl"), 64)
}

fn join() -> Shader {
    Shader::new(include_str!("join.wgsl"), 64)
}

/// All that are launched, of some tiles.
#[cfg(test)]
pub fn shaders() -> [Shader; 7] {
    [forward(), sort(true, SMALL_TILE), sort(true, TILE), sort(false, TILE), exchange(), sums(), join()]
}

/// Pairs (row of the table, position) sorted by row and then by position, `[padded, 2]`; those of ids that the table does
/// not have come last.
pub fn sorted(ids: &CubeTensor, rows_of_table: usize, first: usize) -> CubeTensor {
    let [count] = ids.shape().dims();
    let padded = count.next_power_of_two().max(SMALL_TILE);
    let tile = padded.min(TILE);
    let pairs = empty_as(ids, Shape::new([padded, 2]), DType::I32);
    let in_tiles = |begin: bool, size: usize| {
        let words = [count, padded, first, rows_of_table, size, 0].map(word);
        sort(begin, tile).run(workgroups(padded / tile, 1), &[ids, &pairs], &words);
    };
    in_tiles(true, tile);
    let mut size = 2 * tile;
    while size <= padded {
        let mut stride = size / 2;
        while stride >= tile {
            let words = [padded / 2, size, stride, 0].map(word);
            exchange().run(workgroups(padded / 2, 256), &[&pairs], &words);
            stride /= 2;
        }
        in_tiles(false, size);
        size *= 2;
    }
    pairs
}

impl EmbeddingOps for CubeBackend {
    fn embed(table: FloatTensor<Self>, ids: IntTensor<Self>, first: usize) -> FloatTensor<Self> {
        let [table, ids] = [table, ids].map(into_contiguous);
        let ([count], [rows, width]) = (ids.shape().dims(), table.shape().dims());
        let y = empty(&table, Shape::new([count, width]));
        let words = [count, width, first, rows].map(word);
        forward().storing(table.dtype()).run(workgroups(count * width, 256), &[&table, &ids, &y], &words);
        y
    }
}

impl EmbeddingKernels for CubeBackend {
    fn embed_backward(
        ids: IntTensor<Self>,
        dy: FloatTensor<Self>,
        rows_of_table: usize,
        first: usize,
    ) -> FloatTensor<Self> {
        let [ids, dy] = [ids, dy].map(into_contiguous);
        let [count, width] = dy.shape().dims();
        let dtable = Self::float_zeros(Shape::new([rows_of_table, width]), &dy.device, FloatDType::F32);
        if count * width > 0 {
            let pairs = sorted(&ids, rows_of_table, first);
            // As many pieces as a piece has pairs, so that neither sums nor joins are long.
            let piece = count.isqrt().next_power_of_two();
            let pieces = count.div_ceil(piece);
            let ends = empty_as(&dy, Shape::new([pieces, 2, width]), DType::F32);
            let words = [count, width, rows_of_table, piece, pieces, 0].map(word);
            let groups = || workgroups(pieces * width, 64);
            sums().storing(dy.dtype()).run(groups(), &[&pairs, &dy, &dtable, &ends], &words);
            join().run(groups(), &[&pairs, &ends, &dtable], &words);
        }
        Self::float_cast(dtable, dy.dtype().into())
    }
}
