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
