//! Rows of a table by their ids, with a gradient that is summed in the order of the positions and without atomics.
//!
//! Burn's own gradient goes over all ids with one invocation a column.

mod backward;
mod kernel;
#[cfg(test)]
mod tests;

use burn::{
    backend::{
        Backend, Dispatch, backend_extension,
        fusion::custom::TensorSpec,
        tensor::{FloatTensor, IntTensor},
    },
    tensor::{Int, Tensor, module},
};

#[cfg(test)]
pub(crate) use kernel::shaders;

use crate::{Kernel, launch::takes};

/// The rows `[B, T, C]` of `table` `[rows, C]`, whose first id is `first`, for the ids `[B, T]`; zeros for ids of other
/// tables. Differentiable in `table`.
pub fn embedding(table: Tensor<2>, ids: Tensor<2, Int>, first: usize) -> Tensor<3> {
    let ([b, t], [_, c]) = (ids.dims(), table.dims());
    if takes(Kernel::Embedding, &table) {
        let ids = ids.reshape([b * t]).into_dispatch();
        return Tensor::<2>::from_dispatch(Dispatch::embed(table.into_dispatch(), ids, first)).reshape([b, t, c]);
    }
    reference(table, ids, first)
}

/// The same in plain Burn operations: ids of other tables read some row of this one and are then multiplied by 0.
fn reference(table: Tensor<2>, ids: Tensor<2, Int>, first: usize) -> Tensor<3> {
    let [rows, _] = table.dims();
    let local = ids - first as i64;
    let inside = local.clone().greater_equal_scalar(0).bool_and(local.clone().lower_scalar(rows as i64));
    module::embedding(table, local.clamp(0, rows as i64 - 1)) * inside.float().unsqueeze_dim(2)
}

/// Backends with the kernels.
#[backend_extension(Cube, Autodiff, Fusion)]
pub trait EmbeddingOps: Backend {
    /// See [`embedding`]; `[n, C]` for the ids `[n]`.
    #[fusion(meta = |table, ids, _first| rows(ids.shape[0], table))]
    fn embed(table: FloatTensor<Self>, ids: IntTensor<Self>, first: usize) -> FloatTensor<Self>;

    /// The gradient of a table of `rows`, given that of the result.
    #[fusion(meta = |_ids, dy, rows_of_table, _first| rows(*rows_of_table, dy))]
    fn embed_backward(
        ids: IntTensor<Self>,
        dy: FloatTensor<Self>,
        rows_of_table: usize,
        first: usize,
    ) -> FloatTensor<Self>;
}

/// `[rows, C]`, with the `C` of `like`.
fn rows(rows: usize, like: &TensorSpec) -> TensorSpec {
    TensorSpec::new([rows, like.shape[1]].into(), like.dtype)
}
