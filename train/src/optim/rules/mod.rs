//! The rules that there are, a file each.

mod adamw;
mod lion;
mod muon;

pub use adamw::AdamW;
pub use lion::Lion;
pub use muon::{Muon, orthogonalized};
