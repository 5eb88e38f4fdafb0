//! The files that a path stands for.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use walkdir::{DirEntry, WalkDir};

use super::disk::dangling;
use super::form::{Content, Form, extension};
use super::options::OnFault;
use super::standard_input::is_standard_input;
use crate::DataError;
use crate::prepared_folder::is_prepared;

/// Files that say what a data set is, in any folder.
const ABOUT_DATA: [&str; 4] = ["dataset_infos.json", "dataset_info.json", "dataset_dict.json", "state.json"];
/// How the names of files begin that say what the files beside them are, where those are data.
const ABOUT_OTHERS: [&str; 5] = ["readme", "license", "licence", "citation", "notice"];

/// The files below some paths.
#[derive(Default)]
pub(super) struct Found {
    /// Each with its size on disk, in bytes; of a link that leads nowhere 0.
    pub(super) files: Vec<(PathBuf, u64)>,
    /// What stands below them and was left out.
    pub(super) left_out: Vec<PathBuf>,
}

impl Found {
    /// Adds those below `path`, sorted, which may be a file, or standard input.
    pub(super) fn add(&mut self, path: &Path, faults: OnFault) -> Result<(), DataError> {
        if is_standard_input(path) {
            self.files.push((path.into(), 0));
            return Ok(());
        }
        if fs::symlink_metadata(path).is_err_and(|error| error.kind() == ErrorKind::NotFound) {
            return Err(DataError::Missing { path: path.into() });
        }
        if fs::metadata(path).is_ok_and(|about| !about.is_file() && !about.is_dir()) {
            return Err(DataError::NotAFile { path: path.into() });
        }
        if is_prepared(path) {
            return Err(DataError::PreparedInput { path: path.into() });
        }
        let (mut files, mut prepared) = (Vec::new(), Vec::new());
        let entered = |entry: &DirEntry| {
            let is_own = entry.depth() > 0 && entry.file_type().is_dir() && is_prepared(entry.path());
            prepared.extend(is_own.then(|| entry.path().to_owned()));
            !is_own && !is_hidden(entry.depth(), entry.path())
        };
        for entry in WalkDir::new(path).follow_links(true).sort_by_file_name().into_iter().filter_entry(entered) {
            match entry.and_then(|entry| Ok((entry.metadata()?, entry.into_path()))) {
                Ok((metadata, file)) if metadata.is_file() => files.push((file, metadata.len())),
                Ok(_) => {}
                Err(error) if error.path().is_some_and(|path| is_hidden(error.depth(), path)) => {}
                Err(error) => files.push((link_to_nowhere(error, path, faults)?, 0)),
            }
        }
        let is_folder = path.is_dir();
        let has_data = files.iter().any(|(file, _)| Form::of(file).content != Content::Plain && !is_about_data(file));
        let (about, mut files): (Vec<_>, Vec<_>) =
            files.into_iter().partition(|(file, _)| is_folder && (is_about_data(file) || has_data && is_about(file)));
        files.sort_unstable();
        self.files.extend(files);
        let mut left_out: Vec<_> = about.into_iter().map(|(file, _)| file).chain(prepared).collect();
        left_out.sort_unstable();
        self.left_out.extend(left_out);
        Ok(())
    }
}

/// Whether a path `depth` steps below the one that was named is left out without a word.
fn is_hidden(depth: usize, path: &Path) -> bool {
    depth > 0 && path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

/// The link that could not be followed, for its reader to report, unless faults end everything.
fn link_to_nowhere(error: walkdir::Error, root: &Path, faults: OnFault) -> Result<PathBuf, DataError> {
    let path = error.path().unwrap_or(root).to_owned();
    let is_missing = error.io_error().is_some_and(|cause| cause.kind() == ErrorKind::NotFound);
    match fs::read_link(&path) {
        Ok(_) if is_missing && faults == OnFault::Skip => Ok(path),
        Ok(target) if is_missing => Err(DataError::Faulty(dangling(&path, &target))),
        _ => Err(DataError::Unreadable { path, cause: error.into() }),
    }
}

fn is_about_data(file: &Path) -> bool {
    ABOUT_DATA.iter().any(|name| file.file_name().is_some_and(|it| it == *name))
}

/// Whether `file` would be read as text but says what the data beside it are.
fn is_about(file: &Path) -> bool {
    let name = file.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let is_text = Form::of(file).content == Content::Plain;
    is_text && (extension(file) == "md" || ABOUT_OTHERS.iter().any(|start| name.starts_with(start)))
}
