//! What every form of published model can.

use super::fill::Wanted;
use crate::{ModelError, TransformerConfig};

/// A form in which models are published.
pub(super) trait Format: Send + Sync {
    /// What the model computes.
    fn config(&self) -> &TransformerConfig;

    /// Requires that every parameter has its tensor, of its shape, before anything of that size is allocated; and that every tensor is
    /// of a parameter, for a model whose file has more computes something else.
    fn check(&self) -> Result<(), ModelError>;

    /// The values of a parameter.
    fn read(&self, wanted: Wanted) -> Result<Vec<f32>, ModelError>;
}

/// A matrix `[in, out]`, row by row, of one `[out, in]`.
pub(super) fn turned(stored: &[f32], inputs: usize) -> Vec<f32> {
    let outputs = stored.len() / inputs.max(1);
    let mut values = vec![0.0; stored.len()];
    for (to, row) in stored.chunks_exact(inputs).enumerate() {
        row.iter().enumerate().for_each(|(from, value)| values[from * outputs + to] = *value);
    }
    values
}
