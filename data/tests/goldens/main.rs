//! GPT-2's tokenizer against tiktoken: ids made once by Python, and the crate `tiktoken-rs` as an oracle.

mod gpt2;
mod tokenizer;
