//! The rules that there are, a file each.

mod adamw;
mod averaged;
mod balance;
mod lion;
mod muon;

pub use adamw::AdamW;
pub use averaged::Averaged;
pub use balance::Balance;
pub use lion::Lion;
pub use muon::{Muon, MuonScale, orthogonalized};
