//! The metrics file of a run: one record a line, as JSON.

use std::{
    fs,
    io::{self, ErrorKind},
    path::Path,
};

use super::{ReportError, file::AppendFile};
use crate::session::Metrics;
use crate::session::Record;

/// A metrics file that is open for writing.
#[derive(Debug)]
pub struct MetricsFile(AppendFile);

impl MetricsFile {
    /// Starts a new file; one that was there is emptied.
    ///
    /// # Errors
    /// If the file cannot be created.
    pub fn create(path: &Path) -> Result<Self, ReportError> {
        AppendFile::create(path).map(Self)
    }

    /// Goes on at the end of a file, which is made if need be.
    ///
    /// # Errors
    /// If the file cannot be opened.
    pub fn append(path: &Path) -> Result<Self, ReportError> {
        if fs::metadata(path).is_ok_and(|found| !found.is_file()) {
            return Err(ReportError::file("written", path)(io::Error::other("it is no file")));
        }
        AppendFile::open(path).map(Self)
    }

    /// Goes on with the file of a run that goes on before `step`, and returns what happened up to there.
    ///
    /// What the run had written of that step and later ones is dropped, as it will take those steps again, but for the
    /// evaluation and the sample before `step` where these are `evaluated`; so is a last line that a killed process left
    /// unfinished. A file that does not exist is started anew.
    ///
    /// # Errors
    /// As [`read`], or if the file cannot be written.
    pub fn rewind(path: &Path, step: u64, evaluated: bool) -> Result<(Self, Vec<Record>), ReportError> {
        let text = match text_of(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok((Self::create(path)?, Vec::new())),
            text => text.map_err(ReportError::file("read", path))?,
        };
        let mut kept = parse(path, &text)?;
        kept.retain(|(_, record)| record.is_before(step, evaluated));
        let (lines, records): (Vec<_>, Vec<_>) = kept.into_iter().unzip();
        let lines: String = lines.iter().map(|line| format!("{line}\n")).collect();
        Ok((Self(AppendFile::shorten(path, lines.as_bytes())?), records))
    }

    /// Adds a record. It has left the process when this returns: a kill loses nothing that was written before.
    ///
    /// # Errors
    /// If the file cannot be written, as when the disk is full. The file then ends with the record before, and a later one
    /// may be written.
    pub fn write(&mut self, record: &Record) -> Result<(), ReportError> {
        record.line().map_or(Ok(()), |line| self.0.add(line.as_bytes()))
    }
}

/// Reads the figures in a metrics file, without the [records](read_records) of what else happened.
///
/// # Errors
/// As [`read_records`].
pub fn read(path: &Path) -> Result<Vec<Metrics>, ReportError> {
    let figures = |record| match record {
        Record::Figures(metrics) => Some(metrics),
        Record::Entry(_) => None,
    };
    Ok(read_records(path)?.into_iter().filter_map(figures).collect())
}

/// Reads all records of a metrics file. A last line that is broken, as a killed process leaves it, is passed over
/// with a warning in the log.
///
/// # Errors
/// If the file cannot be read, or a line before the last is no record; the error names the line.
pub fn read_records(path: &Path) -> Result<Vec<Record>, ReportError> {
    let text = text_of(path).map_err(ReportError::file("read", path))?;
    Ok(parse(path, &text)?.into_iter().map(|(_, record)| record).collect())
}

/// The content of the file at `path`; a pipe or a device, which might never end, is none.
fn text_of(path: &Path) -> io::Result<String> {
    match fs::metadata(path)?.is_file() {
        true => fs::read_to_string(path),
        false => Err(io::Error::other("it is no file")),
    }
}

/// The lines of `text`, each with its record.
fn parse<'a>(path: &Path, text: &'a str) -> Result<Vec<(&'a str, Record)>, ReportError> {
    let lines: Vec<_> = text.lines().collect();
    let mut records = Vec::with_capacity(lines.len());
    for (index, line) in lines.iter().enumerate() {
        match Record::parse(line) {
            Ok(record) => records.push((*line, record)),
            Err(cause) if index + 1 == lines.len() => {
                log::warn!("{}: the last line is unfinished and is passed over ({cause})", path.display());
            }
            Err(cause) => return Err(ReportError::Line { path: path.to_owned(), line: index + 1, cause }),
        }
    }
    Ok(records)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::report::LogEntry;

    fn event(step: u64) -> Metrics {
        Metrics { step, tokens: 512 * step, seconds: 0.5, train_loss: Some(3.25), ..Metrics::default() }
    }

    /// A metrics file with events 1, 2 and 3, in a folder of its own.
    fn three() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        let mut file = MetricsFile::create(&path).unwrap();
        (1..=3).for_each(|step| file.write(&Record::Figures(event(step))).unwrap());
        (folder, path)
    }

    #[test]
    fn reads_what_was_written() {
        let (_folder, path) = three();
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 3);
        assert_eq!(read(&path).unwrap(), [event(1), event(2), event(3)]);
    }

    #[test]
    fn an_unfinished_last_line_is_passed_over() {
        let (_folder, path) = three();
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, &text[..text.len() - 9]).unwrap();
        assert_eq!(read(&path).unwrap(), [event(1), event(2)]);
    }

    #[test]
    fn a_broken_line_elsewhere_is_an_error_with_its_number() {
        let (_folder, path) = three();
        let text = fs::read_to_string(&path).unwrap().replacen("\"step\":2", "\"step\":", 1);
        fs::write(&path, text).unwrap();
        let error = read(&path).unwrap_err().to_string();
        assert!(error.starts_with(&format!("{}, line 2: not a record", path.display())), "{error}");
    }

    #[test]
    fn a_resumed_file_has_each_step_once() {
        let (_folder, path) = three();
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text + "{\"step\":4,\"tok").unwrap();
        let (mut file, records) = MetricsFile::rewind(&path, 3, true).unwrap();
        let figures = |steps: &[u64]| steps.iter().map(|step| Record::Figures(event(*step))).collect::<Vec<_>>();
        assert_eq!(records, figures(&[1, 2]));
        let again = Metrics { seconds: 9.0, ..event(3) };
        let note = Record::Entry(LogEntry::Note { step: 3, text: "back".into() });
        file.write(&note).unwrap();
        file.write(&Record::Figures(again.clone())).unwrap();
        assert_eq!(read(&path).unwrap(), [event(1), event(2), again]);
        let (_, records) = MetricsFile::rewind(&path, 2, true).unwrap();
        assert_eq!(records, [figures(&[1]), vec![note]].concat());
    }

    #[test]
    fn resuming_without_a_file_starts_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        let (mut file, records) = MetricsFile::rewind(&path, 7, true).unwrap();
        assert_eq!(records, []);
        file.write(&Record::Figures(event(8))).unwrap();
        assert_eq!(read(&path).unwrap(), [event(8)]);
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = read(Path::new("/no/such/metrics.jsonl")).unwrap_err().to_string();
        assert!(error.starts_with("/no/such/metrics.jsonl cannot be read: "), "{error}");
    }
}
