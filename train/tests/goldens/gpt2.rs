//! A GPT-2 with learned positions, biases and a tied head (Hugging Face's).

against_pytorch!("gpt2.safetensors");
