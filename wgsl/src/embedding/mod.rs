//! Rows of a table by their ids, with a gradient that is summed in a fixed order and without atomics.
//!
//! Burn's own gradient goes over all ids with one invocation a column. Here the positions are sorted by their row first, by
//! a network whose comparisons do not depend on the ids; then pieces of the sorted positions are summed side by side, and
//! what a row has in several pieces is joined. For `N` positions that is `N log(N)^2` comparisons and `N C` additions, of which
//! no invocation makes more than about `2 sqrt(N)` one after the other, whichever ids there are.

mod backward;
mod cpu;
mod kernel;
#[cfg(test)]
mod tests;

use burn::{
    backend::{
        Backend, Dispatch, backend_extension,
        fusion::custom::TensorSpec,
        tensor::{FloatTensor, IntTensor},
    },
    tensor::{Int, IntDType, Tensor, module},
};

#[cfg(test)]
pub(crate) use kernel::shaders;

use crate::{Kernel, check, launch::takes};

/// The rows `[B, T, C]` of `table` `[rows, C]`, whose first id is `first`, for the ids `[B, T]`. Differentiable in `table`.
///
/// The row of an id that is not the table's is zeros, for other shards of a vocabulary have it; so it is for an id beyond the
/// vocabulary, which cannot be looked for without waiting for the device: ids are to be checked where they are made, on the
/// host. The dtype is the table's.
///
/// # Panics
/// If the table has no rows, or ids beyond `2^31`.
#[track_caller]
pub fn embedding(table: Tensor<2>, ids: Tensor<2, Int>, first: usize) -> Tensor<3> {
    let ([b, t], [rows, c]) = (ids.dims(), table.dims());
    let countable = rows > 0 && first.checked_add(rows).is_some_and(|end| i32::try_from(end).is_ok());
    let rule = format!("must have rows whose ids, from {first} on, lie below 2^31");
    check::shapes("embedding", countable, [("table", &table.dims()), ("ids", &ids.dims())], &rule);
    let ids = ids.without_autodiff();
    if takes(Kernel::Embedding, &table) {
        let ids = ids.cast(IntDType::I32).reshape([b * t]).into_dispatch();
        return Tensor::<2>::from_dispatch(Dispatch::embed(table.into_dispatch(), ids, first)).reshape([b, t, c]);
    }
    reference(table, ids, first)
}

/// The same in plain Burn operations: ids of other tables read some row of this one, which is then filled with zeros.
fn reference(table: Tensor<2>, ids: Tensor<2, Int>, first: usize) -> Tensor<3> {
    let [rows, _] = table.dims();
    let local = ids - first as i64;
    let outside = local.clone().lower_scalar(0).bool_or(local.clone().greater_equal_scalar(rows as i64));
    let x = module::embedding(table, local.clamp(0, rows as i64 - 1));
    let outside = outside.unsqueeze_dim::<3>(2).expand(x.dims());
    x.mask_fill(outside, 0)
}

/// Backends that can apply [`embedding`] by the kernels.
#[backend_extension(Cube, Flex, Autodiff, Fusion)]
pub trait EmbeddingOps: Backend {
    /// See [`embedding`]; `[n, C]` for the ids `[n]`.
    #[fusion(meta = |table, ids, _first| rows(ids.shape[0], table))]
    fn embed(table: FloatTensor<Self>, ids: IntTensor<Self>, first: usize) -> FloatTensor<Self>;
}

/// Backends that have the kernels; what a tape calls.
#[backend_extension(Cube, Flex, Fusion)]
pub trait EmbeddingKernels: Backend {
    /// The gradient of a table of `rows`, given that of the result `[n, C]`.
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
