//! Hearth's examples, one folder each: `cargo run --release --example NAME`.
//!
//! - `shakespeare`: a small model learns to write plays, from an embedded text.
