//! What a file of GGUF tells of its model, apart from the file: read from one, or on the way into one.

use std::collections::BTreeMap;

use hearth_gguf::{Gguf, GgufError, MetadataValue};

/// The tensor of what pairs of channels are divided by where rotations are Llama 3's.
pub const ROPE_FREQS: &str = "rope_freqs.weight";

/// Metadata of the architecture, and shapes of tensors.
pub struct Described {
    /// `general.architecture`.
    pub architecture: String,
    /// The metadata whose names begin with the architecture's.
    pub values: BTreeMap<String, MetadataValue>,
    /// Shapes by names.
    pub shapes: BTreeMap<String, Vec<usize>>,
    /// The values of [`ROPE_FREQS`].
    pub divisors: Option<Vec<f32>>,
}

impl Described {
    /// What `file` tells.
    ///
    /// # Errors
    /// It names no architecture, or its rotations are of no known type.
    pub fn of(file: &Gguf) -> Result<Self, GgufError> {
        let architecture = file.get_str("general.architecture")?.to_string();
        let own = |key: &str| key.strip_prefix(&architecture).is_some_and(|rest| rest.starts_with('.'));
        let values = file.metadata_pairs().filter(|(key, _)| own(key)).map(|(key, it)| (key.into(), it.clone()));
        let divisors = file.tensor(ROPE_FREQS).map(|_| file.read_f32(ROPE_FREQS)).transpose()?;
        Ok(Self {
            values: values.collect(),
            shapes: file.tensors().map(|it| (it.name().to_string(), it.shape().to_vec())).collect(),
            divisors,
            architecture,
        })
    }
}
