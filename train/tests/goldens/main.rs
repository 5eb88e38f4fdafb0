//! Whole models against PyTorch: logits, loss, every gradient, ten AdamW steps.
//!
//! Each family is three files: `x.py` made `x.safetensors`, `x.rs` compares. Python does not run here.

#[macro_use]
mod golden;
mod gpt2;
mod llama;
mod options;
mod policies;
