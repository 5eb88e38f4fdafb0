//! Rows of a table by their ids, with a gradient that is summed in a fixed order and without atomics.
//!
//! Burn's own gradient goes over all ids with one invocation a column. Here the positions are sorted by their row first, by
//! a network whose comparisons do not depend on the ids; then pieces of the sorted positions are summed side by side, and
//! what a row has in several pieces is joined. For `N` positions that is `N log(N)^2` comparisons and `N C` additions, of which
//! no invocation makes more than about `2 sqrt(N)` one after the other, whichever ids there are.

mod backward;
mod cpu;
#[cfg(feature = "gpu")]
mod kernel;
#[cfg(test)]
mod tests;

use std::ops::Range;

// What stands for a tensor where operations are merged, which in a browser they are not.
#[cfg(not(target_family = "wasm"))]
use burn::backend::fusion::custom::TensorSpec;
use burn::{
    backend::{
        Backend, Dispatch, TensorMetadata, backend_extension,
        tensor::{FloatTensor, IntTensor},
    },
    tensor::{Bool, IndexingUpdateOp, Int, IntDType, Tensor, module},
};

#[cfg(all(test, feature = "gpu"))]
pub(crate) use kernel::shaders;
#[cfg(feature = "gpu")]
pub(crate) use kernel::sorted;

use crate::{Kernel, check, choice::takes};

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

/// `sum` and the gradient `[rows, C]` of a table that has the ids `of_table`, where `gradient` `[B, T, C]` is that of the rows
/// which [`embedding`] looked up for the ids `[B, T]`: without a tape, and on the CPU added to the sum in place where nothing
/// else holds it. Not differentiable.
///
/// # Panics
/// If a float tensor is with autodiff, the shapes do not fit one another, or the dtypes differ.
#[track_caller]
pub fn add_embedding_gradient(
    sum: Option<Tensor<2>>,
    ids: Tensor<2, Int>,
    gradient: Tensor<3>,
    of_table: Range<usize>,
) -> Tensor<2> {
    const NAME: &str = "add_embedding_gradient";
    let ([b, t], [.., c], rows, first) = (ids.dims(), gradient.dims(), of_table.len(), of_table.start);
    let of_ids = gradient.dims() == [b, t, c];
    check::shapes(NAME, of_ids, [("ids", &ids.dims()), ("gradient", &gradient.dims())], "must be [B, T] and [B, T, C]");
    check::plain(NAME, "gradient", &gradient);
    if let Some(sum) = &sum {
        let rule = format!("must have a row of C for each id in {of_table:?}");
        let shapes = [("sum", &sum.dims()[..]), ("gradient", &gradient.dims())];
        check::shapes(NAME, sum.dims() == [rows, c], shapes, &rule);
        check::plain(NAME, "sum", sum);
        check::one_dtype(NAME, [("sum", sum.dtype()), ("gradient", gradient.dtype())]);
    }
    if !takes(Kernel::Embedding, &gradient) {
        let gradient = reference_gradient(ids, gradient, first, rows);
        return match sum {
            Some(sum) => sum + gradient,
            None => gradient,
        };
    }
    let ids = ids.cast(IntDType::I32).reshape([b * t]).into_dispatch();
    let gradient = gradient.reshape([b * t, c]).into_dispatch();
    Tensor::from_dispatch(match sum {
        Some(sum) => Dispatch::embed_backward_added(sum.into_dispatch(), ids, gradient, first),
        None => Dispatch::embed_backward(ids, gradient, rows, first),
    })
}

/// The same in plain Burn operations: ids of other tables read some row of this one, which is then filled with zeros.
fn reference(table: Tensor<2>, ids: Tensor<2, Int>, first: usize) -> Tensor<3> {
    let [rows, _] = table.dims();
    let (local, outside) = local(ids, first, rows);
    let x = module::embedding(table, local);
    let outside = outside.expand(x.dims());
    x.mask_fill(outside, 0)
}

/// Its gradient, as Burn has it.
fn reference_gradient(ids: Tensor<2, Int>, gradient: Tensor<3>, first: usize, rows: usize) -> Tensor<2> {
    let [b, t, c] = gradient.dims();
    let (local, outside) = local(ids, first, rows);
    let gradient = gradient.mask_fill(outside.expand([b, t, c]), 0).reshape([b * t, c]);
    let zeros = Tensor::zeros([rows, c], (&gradient.device(), gradient.dtype()));
    zeros.select_assign(0, local.reshape([b * t]), gradient, IndexingUpdateOp::Add)
}

/// The rows of ids in a table, and where, `[B, T, 1]`, they are some row because it has none.
fn local(ids: Tensor<2, Int>, first: usize, rows: usize) -> (Tensor<2, Int>, Tensor<3, Bool>) {
    let local = ids - first as i64;
    let outside = local.clone().lower_scalar(0).bool_or(local.clone().greater_equal_scalar(rows as i64));
    (local.clamp(0, rows as i64 - 1), outside.unsqueeze_dim(2))
}

/// Backends that can apply [`embedding`] by the kernels.
#[backend_extension(Cube: cfg(feature = "gpu"), Flex, Autodiff, Fusion: cfg(not(target_family = "wasm")))]
pub trait EmbeddingOps: Backend {
    /// See [`embedding`]; `[n, C]` for the ids `[n]`.
    #[fusion(meta = |table, ids, _first| rows(ids.shape[0], table))]
    fn embed(table: FloatTensor<Self>, ids: IntTensor<Self>, first: usize) -> FloatTensor<Self>;
}

/// Backends that have the kernels; what a tape calls.
#[backend_extension(Cube: cfg(feature = "gpu"), Flex, Fusion: cfg(not(target_family = "wasm")))]
pub trait EmbeddingKernels: Backend {
    /// The gradient of a table of `rows`, given that of the result `[n, C]`.
    #[fusion(meta = |_ids, dy, rows_of_table, _first| rows(*rows_of_table, dy))]
    fn embed_backward(
        ids: IntTensor<Self>,
        dy: FloatTensor<Self>,
        rows_of_table: usize,
        first: usize,
    ) -> FloatTensor<Self>;

    /// The same added to `sum`.
    #[fusion(default)]
    fn embed_backward_added(
        sum: FloatTensor<Self>,
        ids: IntTensor<Self>,
        dy: FloatTensor<Self>,
        first: usize,
    ) -> FloatTensor<Self> {
        let [rows, _] = sum.shape().dims();
        Self::float_add(sum, Self::embed_backward(ids, dy, rows, first))
    }
}

/// `[rows, C]`, with the `C` of `like`.
#[cfg(not(target_family = "wasm"))]
fn rows(rows: usize, like: &TensorSpec) -> TensorSpec {
    TensorSpec::new([rows, like.shape[1]].into(), like.dtype)
}
