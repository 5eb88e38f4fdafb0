//! A Llama with grouped heads, half-split RoPE and a head of its own (Hugging Face's).

against_pytorch!("llama.safetensors");
