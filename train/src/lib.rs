//! t
pub mod optim;
pub mod step;
pub mod walk;
