//! A page without a page: the same run natively and, compiled for wasm32, under Node, so that a test can compare them.

#[cfg(target_family = "wasm")]
mod exports;
mod run;

pub use run::{config, text, train};
