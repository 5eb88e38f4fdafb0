//! Whole models against PyTorch: logits, loss, every gradient, ten AdamW steps; and AdamW alone.
//!
//! Each family is three files: `x.py` made `x.safetensors`, `x.rs` compares. Python does not run here.

mod adamw;
#[macro_use]
mod golden;
mod gpt2;
mod llama;
mod options;
mod policies;
