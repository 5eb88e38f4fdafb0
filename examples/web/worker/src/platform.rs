//! What the worker is given by where it runs: in a browser by `platform.ts`, in tests by themselves.

use std::{pin::Pin, time::Duration};

use crate::messages::{Reply, StorageState};

/// What has to be waited for.
pub type Soon<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// A way to the page, a clock, an event loop, and a folder.
pub trait Platform {
    /// Tells the page.
    fn post(&self, reply: &Reply, parts: Vec<Vec<u8>>);

    /// Time since any fixed moment.
    fn now(&self) -> Duration;

    /// Bytes of memory that the module has.
    fn memory_bytes(&self) -> f64;

    /// Whether the worker is to compute on the GPU.
    fn wants_gpu(&self) -> bool;

    /// Name of the GPU, as far as the browser tells it.
    fn gpu_name(&self) -> Soon<'_, String>;

    /// Lets the event loop turn once, so that messages arrive.
    fn breathe(&self) -> Soon<'_, ()>;

    /// Takes the folder for this worker alone, for its life.
    fn lock(&self) -> Soon<'_, StorageState>;

    /// Names of all files in the folder: `FILE` or `FOLDER/FILE`.
    fn list(&self) -> Soon<'_, Result<Vec<String>, DriveError>>;

    /// The content of a file.
    fn read<'a>(&'a self, name: &'a str) -> Soon<'a, Result<Vec<u8>, DriveError>>;

    /// Writes a file, whose content lasts when this has returned.
    fn write<'a>(&'a self, name: &'a str, content: &'a [u8]) -> Soon<'a, Result<(), DriveError>>;

    /// Removes a file or a folder with its files; one that is not there is no error.
    fn remove<'a>(&'a self, name: &'a str) -> Soon<'a, Result<(), DriveError>>;
}

/// Why the folder could not be read or written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DriveError {
    /// Whether there is no room.
    pub is_full: bool,
    /// What the browser said.
    pub words: String,
}
