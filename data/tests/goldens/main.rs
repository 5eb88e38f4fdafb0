//! Tokenizers against the libraries that they come from: ids made once by Python, and the crate `tiktoken-rs` as an oracle.

mod families;
mod gpt2;
mod ranks;
mod spm;
mod text;
mod tokenizer;
