//! Frozen weights in 16, 8 or 4 bits, and products with them: the base of an adapter, of which training needs the values forward and
//! for the gradient of the input alone (Dettmers et al., "QLoRA", 2023, arXiv 2305.14314).
//!
//! Nothing is computed in the small numbers: a weight is unpacked for each product and is gone after it. That reads and writes
//! `4 in out` bytes beside the product's `2 N in out` operations, so it shows where few rows are multiplied.

mod backward;
mod cpu;
mod error;
mod form;
#[cfg(feature = "gpu")]
mod kernel;
mod pack;
mod reference;
#[cfg(test)]
mod tests;

// What stands for a tensor where operations are merged, which in a browser they are not.
#[cfg(not(target_family = "wasm"))]
use burn::{backend::fusion::custom::TensorSpec, tensor::Shape};
use burn::{
    backend::{
        Backend, Dispatch, backend_extension,
        tensor::{FloatTensor, IntTensor},
    },
    tensor::{DType, Device, Int, IntDType, Tensor, TensorData},
};

pub use error::PackError;
pub use form::PackedForm;
#[cfg(all(test, feature = "gpu"))]
pub(crate) use kernel::shaders;

use crate::{
    Kernel, check,
    choice::{largest_buffer, runs},
    linear::linear,
};
use form::Packing;
use pack::packed;

/// A frozen weight `[in, out]`, packed.
///
/// ```
/// use hearth_wgsl::{PackedForm, PackedMatrix, burn::tensor::{Device, Tensor}, linear_packed};
///
/// let device = Device::flex();
/// let values: Vec<f32> = (0..32 * 4).map(|at| (at as f32).sin()).collect();
/// let weight = PackedMatrix::pack(&values, [32, 4], PackedForm::Q8, &device)?;
/// assert_eq!(weight.bytes(), 32 * 4 * 9 / 8);
///
/// let x = Tensor::<2>::ones([1, 32], &device).autodiff().require_grad();
/// let gradients = linear_packed(x.clone(), &weight, None).sum().backward();
/// let of_x: Vec<f32> = x.grad(&gradients).expect("x is a leaf").into_data().iter().collect();
/// let of_first: f32 = values[..4].iter().sum();
/// assert!((of_x[0] - of_first).abs() < 0.02);
/// # Ok::<(), hearth_wgsl::PackError>(())
/// ```
#[derive(Clone, Debug)]
pub struct PackedMatrix {
    words: Tensor<1, Int>,
    shape: [usize; 2],
    form: PackedForm,
}

impl PackedMatrix {
    /// Packs the values of a matrix `shape` = `[in, out]`, row by row, on the host and all cores, and stores it on `device`.
    ///
    /// # Errors
    /// If the matrix has no elements or not as many as there are values, a value is no number or larger than the form stores, or the
    /// device has no buffer for the words or for the matrix in f32.
    pub fn pack(values: &[f32], shape: [usize; 2], form: PackedForm, device: &Device) -> Result<Self, PackError> {
        fits(shape, form, largest_buffer(device))?;
        let words = packed(values, shape, form)?;
        let device = device.clone().without_autodiff();
        let data = TensorData::new(words, [form.words(shape)]);
        Ok(Self { words: Tensor::from_data(data, (&device, DType::I32)), shape, form })
    }

    /// The matrix of the words that [`PackedMatrix::words`] gave.
    ///
    /// # Errors
    /// If the shape has no elements or another number of words, or the words' device has no buffer for them or for the matrix in f32.
    /// What is in the words is not looked at.
    pub fn from_words(words: Tensor<1, Int>, shape: [usize; 2], form: PackedForm) -> Result<Self, PackError> {
        if shape.contains(&0) {
            return Err(PackError::Empty { shape });
        }
        let ([found], expected) = (words.dims(), form.words(shape));
        if found != expected {
            return Err(PackError::Length { what: "words", found, expected, shape, form });
        }
        fits(shape, form, largest_buffer(&words.device()))?;
        Ok(Self { words: words.without_autodiff().cast(IntDType::I32), shape, form })
    }

    /// What it is stored as: for each row of blocks a row of their heads, if the form has heads, and rows of numbers, each word with
    /// those of one column, the first row's in its lowest bits. Words of 32 bits, in i32.
    pub fn words(&self) -> Tensor<1, Int> {
        self.words.clone()
    }

    /// `[in, out]`.
    pub fn shape(&self) -> [usize; 2] {
        self.shape
    }

    /// How its numbers are stored.
    pub fn form(&self) -> PackedForm {
        self.form
    }

    /// Bytes that it takes.
    pub fn bytes(&self) -> usize {
        self.form.bytes(self.shape)
    }

    /// Where it is.
    pub fn device(&self) -> Device {
        self.words.device()
    }

    /// The same on another device.
    ///
    /// # Errors
    /// If that has no buffer for the words or for the matrix in f32.
    pub fn to_device(&self, device: &Device) -> Result<Self, PackError> {
        fits(self.shape, self.form, largest_buffer(device))?;
        let words = self.words.clone().to_device(&device.clone().without_autodiff());
        Ok(Self { words, ..self.clone() })
    }

    /// The values `[in, out]` in f32, without a tape; the same bits on every device but for numbers that are not normal.
    pub fn unpack(&self) -> Tensor<2> {
        self.unpack_to(DType::F32)
    }

    fn unpack_to(&self, dtype: DType) -> Tensor<2> {
        let packing = self.packing(dtype);
        Tensor::from_dispatch(Dispatch::unpack_words(self.words.clone().into_dispatch(), packing))
    }

    fn packing(&self, dtype: DType) -> Packing {
        let device = self.words.device();
        let [by_kernel, products] = [Kernel::Packed, Kernel::Product].map(|kernel| runs(kernel, &device, dtype));
        Packing { form: self.form, shape: self.shape, dtype, by_kernel, products }
    }
}

/// Refuses what does not fit a buffer of `limit` bytes: the matrix in f32, and its words.
fn fits(shape: [usize; 2], form: PackedForm, limit: Option<u64>) -> Result<(), PackError> {
    let unpacked = shape.iter().fold(size_of::<f32>(), |bytes, length| bytes.saturating_mul(*length));
    let bytes = unpacked.max(form.bytes(shape)) as u64;
    match limit.filter(|limit| bytes > *limit) {
        Some(limit) => Err(PackError::Buffer { bytes, limit, shape, form }),
        None => Ok(()),
    }
}

/// `x weight + bias` over the last axis of `x` `[.., in]`: `[.., out]`, with a bias `[out]`, in the dtype of `x`. The same bits as
/// [`linear()`](crate::linear()) with the unpacked weight. Differentiable in `x` and `bias`: the tape keeps neither `x` nor the
/// unpacked weight.
///
/// # Panics
/// If the shapes do not fit one another, or the dtypes of `x` and `bias` differ.
#[track_caller]
pub fn linear_packed<const D: usize>(x: Tensor<D>, weight: &PackedMatrix, bias: Option<Tensor<1>>) -> Tensor<D> {
    const NAME: &str = "linear_packed";
    let (shape, of_weight) = (x.dims(), weight.shape);
    let rule = "must be [.., in] and [in, out]";
    check::shapes(NAME, shape[D - 1] == of_weight[0], [("x", &shape), ("weight", &of_weight)], rule);
    if let Some(bias) = &bias {
        let shapes = [("weight", &of_weight[..]), ("bias", &bias.dims())];
        check::shapes(NAME, bias.dims() == [of_weight[1]], shapes, "must be [in, out] and [out]");
        check::one_dtype(NAME, [("x", x.dtype()), ("bias", bias.dtype())]);
    }
    let dtype = x.dtype();
    if !x.is_autodiff() && !bias.as_ref().is_some_and(Tensor::is_autodiff) {
        return linear(x, weight.unpack_to(dtype), bias);
    }
    let (packing, words, x) = (weight.packing(dtype), weight.words.clone().into_dispatch(), x.into_dispatch());
    Tensor::from_dispatch(match bias {
        Some(bias) => Dispatch::linear_packed_shifted(x, words, bias.into_dispatch(), packing),
        None => Dispatch::linear_packed(x, words, packing),
    })
}

/// Backends that can unpack; what a tape calls.
#[backend_extension(Cube: cfg(feature = "gpu"), Flex, Fusion: cfg(not(target_family = "wasm")))]
pub trait PackedKernels: Backend {
    /// See [`PackedMatrix::unpack`]; in the packing's dtype.
    #[fusion(meta = |_words, packing| TensorSpec::new(Shape::new(packing.shape), packing.dtype))]
    fn unpack_words(words: IntTensor<Self>, packing: Packing) -> FloatTensor<Self>;
}

/// Backends that can apply [`linear_packed`].
#[backend_extension(Cube: cfg(feature = "gpu"), Flex, Autodiff, Fusion: cfg(not(target_family = "wasm")))]
pub trait PackedOps: Backend {
    /// See [`linear_packed`]; without bias.
    #[fusion(meta = |x, _words, packing| product_of(x, packing))]
    fn linear_packed(x: FloatTensor<Self>, words: IntTensor<Self>, packing: Packing) -> FloatTensor<Self>;

    /// See [`linear_packed`]; with bias.
    #[fusion(meta = |x, _words, _bias, packing| product_of(x, packing))]
    fn linear_packed_shifted(
        x: FloatTensor<Self>,
        words: IntTensor<Self>,
        bias: FloatTensor<Self>,
        packing: Packing,
    ) -> FloatTensor<Self>;
}

/// Of `x` `[.., in]` and a packed weight.
#[cfg(not(target_family = "wasm"))]
fn product_of(x: &TensorSpec, packing: &Packing) -> TensorSpec {
    let mut dims = x.shape.as_slice().to_vec();
    *dims.last_mut().expect("a tensor has an axis") = packing.shape[1];
    TensorSpec::new(Shape::from(dims), x.dtype)
}
