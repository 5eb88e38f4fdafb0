//! Files of text, in their many forms, as a stream of documents. A corpus may be larger than memory: no more than a
//! piece of a plain text, a line of JSON or a page of Parquet is held.

mod documents;
mod fault;
mod form;
mod json_lines;
mod lines;
mod options;
mod parquet;
mod part;
mod plain;

use std::path::{Path, PathBuf};

use walkdir::WalkDir;

pub use self::documents::Documents;
pub use self::fault::{FaultKind, FileFault, FileFaults};
use self::form::Form;
pub use self::options::{OnFault, ReadOptions};
pub use self::part::Piece;
use crate::DataError;

/// Files of text in a fixed order.
///
/// The name says the form: `.jsonl` or `.ndjson`, `.parquet`, and anything else is plain text; all but Parquet may
/// be compressed (`.gz`, `.zst`).
#[derive(Debug, Clone)]
pub struct Corpus {
    files: Vec<PathBuf>,
    /// Size of each file on disk, in bytes.
    sizes: Vec<u64>,
    options: ReadOptions,
}

impl Corpus {
    /// The corpus of `paths`, in their order; a folder stands for the files below it, sorted by path, but for those
    /// whose names begin with a dot.
    ///
    /// # Errors
    /// When a path does not exist or cannot be read, names a Parquet file inside of `.gz` or `.zst`, or there are no
    /// files at all.
    pub fn open(paths: &[PathBuf], options: ReadOptions) -> Result<Self, DataError> {
        let (mut files, mut sizes) = (Vec::new(), Vec::new());
        for path in paths {
            for (file, size) in files_under(path)? {
                if Form::of(&file).is_wrapped_parquet() {
                    return Err(DataError::WrappedParquet { path: file });
                }
                files.push(file);
                sizes.push(size);
            }
        }
        if files.is_empty() {
            return Err(DataError::NoFiles { paths: paths.to_vec() });
        }
        Ok(Self { files, sizes, options })
    }

    /// The files, in the order in which they are read.
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// Size of all files on disk.
    pub fn bytes(&self) -> u64 {
        self.sizes.iter().sum()
    }

    /// The documents of all files, from the first.
    pub fn documents(&self) -> Documents<'_> {
        Documents::of(&self.files, &self.sizes, &self.options)
    }
}

fn files_under(path: &Path) -> Result<Vec<(PathBuf, u64)>, DataError> {
    if !path.exists() {
        return Err(DataError::Missing { path: path.into() });
    }
    let visible =
        |entry: &walkdir::DirEntry| entry.depth() == 0 || !entry.file_name().as_encoded_bytes().starts_with(b".");
    let mut files = Vec::new();
    for entry in WalkDir::new(path).follow_links(true).into_iter().filter_entry(visible) {
        let file = entry.and_then(|entry| Ok((entry.metadata()?, entry.into_path())));
        match file {
            Ok((metadata, file)) if metadata.is_file() => files.push((file, metadata.len())),
            Ok(_) => {}
            Err(error) => {
                let path = error.path().unwrap_or(path).to_owned();
                return Err(DataError::Unreadable { path, cause: error.into() });
            }
        }
    }
    files.sort_unstable();
    Ok(files)
}
