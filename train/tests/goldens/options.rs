//! A Llama with interleaved RoPE, QK-norm, a sliding window, a soft-cap, z-loss and a tied head.

against_pytorch!("options.safetensors");
