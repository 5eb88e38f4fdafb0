//! What Python makes: tokenizers against the libraries that they come from, ids made once and the crate `tiktoken-rs` as an
//! oracle; files against Python's `json` and `csv` and against pyarrow.

mod chat;
mod families;
mod files;
mod gguf;
mod gpt2;
mod ranks;
mod rows;
mod spm;
mod text;
mod tokenizer;
