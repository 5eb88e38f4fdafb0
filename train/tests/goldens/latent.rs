//! Multi-head latent attention as DeepSeek-V2 has it: latent queries, keys that all heads share, values of another width.

against_pytorch!("latent.safetensors");
