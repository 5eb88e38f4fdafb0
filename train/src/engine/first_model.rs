//! The model that a run begins with.

use burn::tensor::Device;
use hearth_model::Transformer;

use crate::{TrainConfig, TrainError};

/// The model that `config` begins with, without autodiff: that of `from`, or one that is drawn.
///
/// # Errors
/// A model that is not there or does not fit; a configuration that no model has.
pub(crate) fn first_model(config: &TrainConfig, device: &Device) -> Result<Transformer, TrainError> {
    #[cfg(not(target_family = "wasm"))]
    if let Some(path) = &config.from {
        return crate::base::Base::open(path)?.load(&config.model, config.seed, device);
    }
    Ok(config.model.init(config.seed, device)?)
}
