//! Why a matrix cannot be packed.

use super::PackedForm;

/// Why a matrix cannot be packed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PackError {
    /// It has no elements.
    #[error("a matrix {shape:?}: one that is packed has a row and a column at least")]
    Empty {
        /// `[in, out]`.
        shape: [usize; 2],
    },
    /// The form cannot store a value.
    #[error("{value:e} in row {row}, column {column} of a matrix: {form} stores numbers of magnitudes up to {largest:e}", largest = form.largest())]
    Value {
        /// The value.
        value: f32,
        /// Its place along the input axis.
        row: usize,
        /// Its place along the output axis.
        column: usize,
        /// What was to store it.
        form: PackedForm,
    },
    /// There are not as many values, or words, as the shape has.
    #[error("{found} {what} for a matrix {shape:?} in {form}, which has {expected}")]
    Length {
        /// Values or words.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many the shape has.
        expected: usize,
        /// `[in, out]`.
        shape: [usize; 2],
        /// How the numbers are stored.
        form: PackedForm,
    },
    /// The device has no buffers that large.
    #[error(
        "a matrix {shape:?} in {form} needs a buffer of {bytes} bytes to be multiplied with, and those of the device hold {limit} at most: split it, or leave it on the CPU"
    )]
    Buffer {
        /// Bytes of the matrix in f32.
        bytes: u64,
        /// Bytes of the largest buffer.
        limit: u64,
        /// `[in, out]`.
        shape: [usize; 2],
        /// How the numbers are stored.
        form: PackedForm,
    },
}
