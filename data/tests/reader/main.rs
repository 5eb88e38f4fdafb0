//! Reading files: each form, each compression, each fault.

mod faults;
mod files;
mod forms;
mod plain;
