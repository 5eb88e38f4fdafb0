//! Whole models against PyTorch: logits, loss, every gradient, ten AdamW steps; and rules alone.
//!
//! Each family is three files: `x.py` made `x.safetensors`, `x.rs` compares. Python does not run here.

mod average;
mod by_element;
mod evaluation;
mod experts;
mod exported;
#[macro_use]
mod golden;
mod gpt2;
mod latent;
mod llama;
mod lora;
mod muon;
mod options;
mod policies;
mod pretrained;
mod recipes;
