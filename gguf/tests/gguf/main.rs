//! GGUF files that gguf-py made, that Hearth makes, and that nobody should.

#[path = "goldens/blocks.rs"]
mod blocks;
mod counted;
mod fuzz;
mod hostile;
mod memory;
mod round_trip;
