//! Where checkpoints are kept.

use std::{
    fmt,
    io::{self, Read, Write},
};

/// Where checkpoints are kept: folders of files. A file's name is `FOLDER/FILE`, and a folder has no other folder in it.
///
/// What is safe to rely on: [`Store::rename`] happens or does not happen; what [`NewFile::finish`] and [`Store::sync`] have
/// returned from lasts. Everything else about a checkpoint's safety is made of that, and is the same in every store.
///
/// A name that is not there is an error of kind [`io::ErrorKind::NotFound`], unless stated otherwise.
pub trait Store: fmt::Debug + Send + Sync {
    /// Where the file or folder of this name is, for people: a path on the disk, or a name. The store's own where `name` is
    /// empty.
    fn location(&self, name: &str) -> String;

    /// The names of all folders, in any order; none if the store itself is not there.
    ///
    /// # Errors
    /// The store cannot be read.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Makes an empty folder.
    ///
    /// # Errors
    /// It is there already, or cannot be made.
    fn create(&self, folder: &str) -> io::Result<()>;

    /// Begins a file of about `bytes` in a folder that is there.
    ///
    /// # Errors
    /// It cannot be made.
    fn begin(&self, name: &str, bytes: u64) -> io::Result<Box<dyn NewFile>>;

    /// A file to be read from its start, and its size in bytes.
    ///
    /// # Errors
    /// It is not there, is no file, or cannot be read.
    fn open(&self, name: &str) -> io::Result<(Box<dyn Read>, u64)>;

    /// All bytes of a file, without a copy of them.
    ///
    /// # Errors
    /// As [`Store::open`].
    fn map(&self, name: &str) -> io::Result<Mapped>;

    /// Gives a folder a name that no other has.
    ///
    /// # Errors
    /// The folder has its earlier name.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a folder with its files; one that is not there is no error.
    ///
    /// # Errors
    /// Something of it is left.
    fn remove(&self, folder: &str) -> io::Result<()>;

    /// Makes the names in a folder last; those of the folders themselves where `folder` is empty.
    ///
    /// # Errors
    /// They may be lost with the machine's power.
    fn sync(&self, folder: &str) -> io::Result<()>;
}

/// A file that is being written. Who drops it has a file of which nothing is known.
pub trait NewFile: Write + Send {
    /// Makes the content last.
    ///
    /// # Errors
    /// It may be lost with the machine's power.
    fn finish(self: Box<Self>) -> io::Result<()>;
}

/// The bytes of a file.
pub type Mapped = Box<dyn AsRef<[u8]> + Send + Sync>;
