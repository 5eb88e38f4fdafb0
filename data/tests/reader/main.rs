//! Reading files: each form, each compression, each fault.

mod faults;
mod files;
mod folders;
mod foreign;
mod forms;
mod plain;
mod rows;
