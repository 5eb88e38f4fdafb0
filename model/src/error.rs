//! What can be wrong with a model that a user hands us.

use std::path::PathBuf;

/// An error of this crate. Each message is one sentence that says what to change.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// A field of [`TransformerConfig`](crate::TransformerConfig) has a value that no model can have.
    #[error("model.{field} = {value}: {reason}")]
    Config {
        /// The field's name in the configuration.
        field: &'static str,
        /// Its value, as written.
        value: String,
        /// Why it cannot be, and what would do.
        reason: String,
    },
    /// No preset has this name.
    #[error("unknown preset \"{name}\"; the presets are {known}")]
    UnknownPreset {
        /// The name asked for.
        name: String,
        /// All names, for the message.
        known: String,
    },
    /// A weight file could not be read or written.
    #[error("{}: {cause}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// A weight file's contents do not fit the model or the format.
    #[error("{}: {reason}", path.display())]
    Weights {
        /// The file.
        path: PathBuf,
        /// Which tensor or header field, and how it differs.
        reason: String,
    },
    /// A model that another program's form has no place for.
    #[error("{what}: {reason}")]
    Unexportable {
        /// The field with its value, or the tensor.
        what: String,
        /// Why it cannot be, and what would do.
        reason: String,
    },
    /// A file of GGUF cannot be read or written.
    #[cfg(not(target_family = "wasm"))]
    #[error(transparent)]
    Gguf(#[from] hearth_gguf::GgufError),
    /// Generation was asked for something it cannot do.
    #[error("{0}")]
    Generate(String),
}
