//! Pieces of published recipes: one a file, and all of them together.

mod gemma {
    against_pytorch!("gemma.safetensors");
}
