//! The rules that there are, a file each.

mod adamw;
mod muon;

pub use adamw::AdamW;
pub use muon::{Muon, orthogonalized};
