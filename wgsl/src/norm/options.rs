//! What a norm is besides its tensors.

/// How rows are normalised.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NormOptions {
    /// Whether the mean is taken off first: layer normalisation, else RMS normalisation.
    pub centred: bool,
    /// Added to the mean square.
    pub eps: f64,
}
