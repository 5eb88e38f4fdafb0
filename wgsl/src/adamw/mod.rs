//! AdamW's update of one parameter, in place where nothing else holds it (Loshchilov and Hutter 2019, arXiv 1711.05101,
//! algorithm 2).

mod cpu;
#[cfg(feature = "gpu")]
mod kernel;
mod options;
mod reference;
#[cfg(test)]
mod tests;

use burn::{
    backend::{Backend, Dispatch, backend_extension, tensor::FloatTensor},
    tensor::{DType, Tensor},
};

#[cfg(all(test, feature = "gpu"))]
pub(crate) use kernel::shader;

pub use options::AdamWNumbers;

use crate::{Kernel, check, choice::runs};

/// A parameter and its moments after an update; moments that are not there yet are zeros.
///
/// The gradient is multiplied by the first of `scalars` `[2]`; where the second is 0, everything stays as it is, whatever
/// the gradient holds. All tensors but `scalars` are of one shape, all of one dtype and device. Not differentiable.
///
/// # Panics
/// If a tensor is with autodiff, or differs from the parameter in shape or dtype.
#[track_caller]
pub fn adamw<const D: usize>(
    parameter: Tensor<D>,
    moments: Option<[Tensor<D>; 2]>,
    gradient: Tensor<D>,
    scalars: Tensor<1>,
    numbers: AdamWNumbers,
) -> (Tensor<D>, [Tensor<D>; 2]) {
    check::plain("adamw", "parameter", &parameter);
    let [first, second] = moments.as_ref().map_or([None, None], |[first, second]| [Some(first), Some(second)]);
    for (name, tensor) in [("gradient", Some(&gradient)), ("first moment", first), ("second moment", second)] {
        let Some(tensor) = tensor else { continue };
        check::plain("adamw", name, tensor);
        check::one_shape("adamw", [("parameter", &parameter), (name, tensor)]);
        check::one_dtype("adamw", [("parameter", parameter.dtype()), (name, tensor.dtype())]);
    }
    check::plain("adamw", "scalars", &scalars);
    let shapes = [("parameter", &parameter.dims()[..]), ("scalars", &scalars.dims())];
    check::shapes("adamw", scalars.dims() == [2], shapes, "scalars must be two");
    check::one_dtype("adamw", [("parameter", parameter.dtype()), ("scalars", scalars.dtype())]);
    if parameter.dtype() != DType::F32 || !runs(Kernel::AdamW, &parameter.device(), DType::F32) {
        return reference::adamw(parameter, moments, gradient, scalars, numbers);
    }
    let [first, second] = moments.unwrap_or_else(|| [parameter.zeros_like(), parameter.zeros_like()]);
    let [parameter, first, second, gradient] = [parameter, first, second, gradient].map(Tensor::into_dispatch);
    let found = Dispatch::adamw(parameter, first, second, gradient, scalars.into_dispatch(), numbers);
    let (parameter, first, second) = found;
    (Tensor::from_dispatch(parameter), [first, second].map(Tensor::from_dispatch))
}

/// Backends that have the kernel.
#[backend_extension(Cube: cfg(feature = "gpu"), Flex, Fusion: cfg(not(target_family = "wasm")))]
pub trait AdamWOps: Backend {
    /// See [`adamw`](adamw()): parameter, first and second moment.
    #[fusion(meta = |p, _first, _second, _gradient, _scalars, _numbers| (p.clone(), p.clone(), p.clone()))]
    fn adamw(
        parameter: FloatTensor<Self>,
        first: FloatTensor<Self>,
        second: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        scalars: FloatTensor<Self>,
        numbers: AdamWNumbers,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);
}
