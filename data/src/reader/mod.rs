//! Files of text, in their many forms, as a stream of documents. A corpus may be larger than memory: no more than a
//! piece of a plain text, a record of JSON, a row of comma-separated values or a page of Parquet is held.

mod compression;
mod csv;
mod disk;
mod documents;
mod fault;
mod foreign;
mod form;
mod json;
mod lines;
mod options;
mod parquet;
mod part;
mod plain;
mod rows;
mod standard_input;
mod text_file;
mod walk;

use std::path::PathBuf;

pub use self::documents::Documents;
use self::documents::Reads;
pub use self::fault::{FaultKind, FaultPlace, FileFault, FileFaults};
use self::form::Form;
pub use self::options::{OnFault, ReadOptions};
pub use self::part::{Piece, PieceOrigin};
pub(crate) use self::standard_input::is_standard_input;
use self::walk::Found;
use crate::{DataError, Tokenizer};

/// Files of text in a fixed order.
///
/// The name says the form: `.json`, `.jsonl` and `.ndjson` (an array of objects, or an object a line), `.csv` and `.tsv`,
/// `.parquet`, and anything else is plain text; all but Parquet may be compressed (`.gz`, `.zst`, `.xz`, `.bz2`). Files that
/// by name or content are something else, as PDF files, are faults. The path `-` is standard input: plain text, or JSON
/// where it begins as an object or an array of them.
#[derive(Debug, Clone)]
pub struct Corpus {
    files: Vec<PathBuf>,
    /// Size of each file on disk, in bytes.
    sizes: Vec<u64>,
    left_out: Vec<PathBuf>,
    options: ReadOptions,
}

impl Corpus {
    /// The corpus of `paths`, in their order; a folder stands for the files below it, sorted by path, but for those of
    /// [`Corpus::left_out`] and those whose names begin with a dot.
    ///
    /// # Errors
    /// When a path does not exist or cannot be read, names a pipe, a Parquet file inside of another compression or a
    /// folder that a preparation wrote, there are no files at all, or, where faults are not skipped, a link leads nowhere
    /// or a file's name is of a form that is not read.
    pub fn open(paths: &[PathBuf], options: ReadOptions) -> Result<Self, DataError> {
        let mut found = Found::default();
        paths.iter().try_for_each(|path| found.add(path, options.faults))?;
        let (files, sizes): (Vec<_>, Vec<_>) = found.files.into_iter().unzip();
        if let Some(path) = files.iter().find(|file| Form::of(file).is_wrapped_parquet()) {
            return Err(DataError::WrappedParquet { path: path.clone() });
        }
        // Better now than when the files before it have been read.
        if let Some(fault) =
            files.iter().find_map(|file| foreign::by_name(file)).filter(|_| options.faults == OnFault::Fail)
        {
            return Err(DataError::Faulty(fault));
        }
        if files.is_empty() {
            return Err(DataError::NoFiles { paths: paths.to_vec() });
        }
        Ok(Self { files, sizes, left_out: found.left_out, options })
    }

    /// The files, in the order in which they are read.
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// What stands in the folders of the corpus and is not read, for it is about the data: READMEs, licences and `.md` files
    /// where there are files of JSON, Parquet or comma-separated values, `dataset_infos.json` and the like, and folders
    /// that a preparation wrote. A file that is named itself is read.
    pub fn left_out(&self) -> &[PathBuf] {
        &self.left_out
    }

    /// How the files are read.
    pub fn options(&self) -> &ReadOptions {
        &self.options
    }

    /// Whether standard input is among the files: then the documents can be read only once.
    pub fn reads_standard_input(&self) -> bool {
        self.files.iter().any(|file| is_standard_input(file))
    }

    /// Size of all files on disk.
    pub fn bytes(&self) -> u64 {
        self.sizes.iter().sum()
    }

    /// The documents of all files, from the first.
    pub fn documents(&self) -> Documents<'_> {
        Documents::of(&self.files, &self.sizes, &self.options, Reads::Texts(None))
    }

    /// As [`Corpus::documents`]; a long plain text is cut where the ids that `tokenizer` gives of its pieces are those of the
    /// whole.
    pub fn documents_for<'a>(&'a self, tokenizer: &'a Tokenizer) -> Documents<'a> {
        Documents::of(&self.files, &self.sizes, &self.options, Reads::Texts(Some(tokenizer)))
    }

    /// The rows of all files, from the first, each as an object of JSON: those of JSON files whole, of Parquet files the columns
    /// that rows of chats have. Other files are faults.
    pub fn rows(&self) -> Documents<'_> {
        Documents::of(&self.files, &self.sizes, &self.options, Reads::Rows)
    }
}
