//! What Python makes: GPT-2's tokenizer against tiktoken, ids made once and the crate `tiktoken-rs` as an oracle; files
//! against Python's `json` and `csv` and against pyarrow.

mod files;
mod gpt2;
mod tokenizer;
