//! What the loss is besides its tensors.

/// Extras of the loss.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CrossEntropyOptions {
    /// Logits become `cap tanh(logit / cap)` first.
    pub softcap: Option<f64>,
    /// Weight of the z-term, the squared log-normaliser, `z_loss logsumexp(logits)^2` (PaLM, arXiv 2204.02311, section 5).
    pub z_loss: f64,
}
