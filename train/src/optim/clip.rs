//! Clipping by the global norm (Pascanu et al. 2013, arXiv 1211.5063), on the device: nothing is read back.

use burn::tensor::Tensor;

/// What all gradients are multiplied by so that their global L2 norm `norm`, `[1]`, is at most `max_norm`:
/// `min(1, max_norm / norm)`, as PyTorch's `clip_grad_norm_` does.
pub fn clip_factor(norm: Tensor<1>, max_norm: f64) -> Tensor<1> {
    (norm + 1e-6).recip().mul_scalar(max_norm).clamp_max(1.0)
}
