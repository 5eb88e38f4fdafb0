//! Pieces of published recipes, one a file.

mod gemma {
    against_pytorch!("gemma.safetensors");
}

mod gpt_oss {
    against_pytorch!("gpt_oss.safetensors");
}
