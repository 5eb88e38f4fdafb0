//! The metrics file of a run: one event a line, as JSON.

use std::{
    fs::{self, File},
    io::{self, ErrorKind, Write},
    path::{Path, PathBuf},
};

use super::{ReportError, file::write_whole};
use crate::session::Metrics;

/// A metrics file that is open for writing.
#[derive(Debug)]
pub struct MetricsFile {
    path: PathBuf,
    file: File,
    /// Bytes of whole lines, where the last line could not be written whole.
    torn: Option<u64>,
}

impl MetricsFile {
    /// Starts a new file; one that was there is emptied.
    ///
    /// # Errors
    /// If the file cannot be created.
    pub fn create(path: &Path) -> Result<Self, ReportError> {
        let file = File::create(path).map_err(ReportError::file("created", path))?;
        Ok(Self { path: path.to_owned(), file, torn: None })
    }

    /// Goes on at the end of a file, which is made if need be.
    ///
    /// # Errors
    /// If the file cannot be opened.
    pub fn append(path: &Path) -> Result<Self, ReportError> {
        let opened = File::options().append(true).create(true).open(path);
        Ok(Self { path: path.to_owned(), file: opened.map_err(ReportError::file("opened", path))?, torn: None })
    }

    /// Goes on with the file of a run that goes on before `step`, and returns the figures up to there.
    ///
    /// What the run had written of that step and later ones is dropped, as it will take those steps again, but for the
    /// evaluation before `step` where that is `evaluated`; so is a last line that a killed process left unfinished. A file
    /// that does not exist is started anew.
    ///
    /// # Errors
    /// As [`read`], or if the file cannot be written.
    pub fn rewind(path: &Path, step: u64, evaluated: bool) -> Result<(Self, Vec<Metrics>), ReportError> {
        if step == 0 {
            return Ok((Self::create(path)?, Vec::new()));
        }
        let text = match fs::read_to_string(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok((Self::create(path)?, Vec::new())),
            text => text.map_err(ReportError::file("read", path))?,
        };
        let mut kept = parse(path, &text)?;
        kept.retain(|(_, event)| event.step < step || (evaluated && event.is_evaluation_before(step)));
        let (lines, events): (Vec<_>, Vec<_>) = kept.into_iter().unzip();
        write_whole(path, &lines.iter().map(|line| format!("{line}\n")).collect::<String>())?;
        Ok((Self::append(path)?, events))
    }

    /// Adds one event. It has left the process when this returns: a kill loses nothing that was written before.
    ///
    /// # Errors
    /// If the file cannot be written, as when the disk is full. The file then ends with the event before, and a later event
    /// may be written.
    pub fn write(&mut self, event: &Metrics) -> Result<(), ReportError> {
        let mut line = serde_json::to_vec(event).expect("an event is numbers under fixed names");
        line.push(b'\n');
        self.write_line(&line).map_err(ReportError::file("written", &self.path))
    }

    fn write_line(&mut self, line: &[u8]) -> io::Result<()> {
        if let Some(whole) = self.torn {
            self.file.set_len(whole)?;
        }
        let whole = self.file.metadata()?.len();
        self.torn = Some(whole);
        if let Err(error) = self.file.write_all(line) {
            // What was written of it goes; if not now, then before the next line.
            let _ = self.file.set_len(whole);
            return Err(error);
        }
        self.torn = None;
        Ok(())
    }
}

/// Reads all events of a metrics file. A last line that is broken, as a killed process leaves it, is passed over
/// with a warning.
///
/// # Errors
/// If the file cannot be read, or a line before the last is no event; the error names the line.
pub fn read(path: &Path) -> Result<Vec<Metrics>, ReportError> {
    let text = fs::read_to_string(path).map_err(ReportError::file("read", path))?;
    Ok(parse(path, &text)?.into_iter().map(|(_, event)| event).collect())
}

/// The lines of `text`, each with its event.
fn parse<'a>(path: &Path, text: &'a str) -> Result<Vec<(&'a str, Metrics)>, ReportError> {
    let lines: Vec<_> = text.lines().collect();
    let mut events = Vec::with_capacity(lines.len());
    for (index, line) in lines.iter().enumerate() {
        match serde_json::from_str(line) {
            Ok(event) => events.push((*line, event)),
            Err(cause) if index + 1 == lines.len() => {
                log::warn!("{}: the last line is unfinished and is passed over ({cause})", path.display());
            }
            Err(cause) => return Err(ReportError::Line { path: path.to_owned(), line: index + 1, cause }),
        }
    }
    Ok(events)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(step: u64) -> Metrics {
        Metrics { step, tokens: 512 * step, seconds: 0.5, train_loss: Some(3.25), ..Metrics::default() }
    }

    /// A metrics file with events 1, 2 and 3, in a folder of its own.
    fn three() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        let mut file = MetricsFile::create(&path).unwrap();
        (1..=3).for_each(|step| file.write(&event(step)).unwrap());
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
        assert!(error.starts_with(&format!("{}, line 2: not an event", path.display())), "{error}");
    }

    #[test]
    fn a_resumed_file_has_each_step_once() {
        let (_folder, path) = three();
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text + "{\"step\":4,\"tok").unwrap();
        let (mut file, events) = MetricsFile::rewind(&path, 3, true).unwrap();
        assert_eq!(events, [event(1), event(2)]);
        file.write(&Metrics { seconds: 9.0, ..event(3) }).unwrap();
        assert_eq!(read(&path).unwrap(), [event(1), event(2), Metrics { seconds: 9.0, ..event(3) }]);
    }

    #[test]
    fn resuming_without_a_file_starts_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        let (mut file, events) = MetricsFile::rewind(&path, 7, true).unwrap();
        assert_eq!(events, []);
        file.write(&event(8)).unwrap();
        assert_eq!(read(&path).unwrap(), [event(8)]);
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = read(Path::new("/no/such/metrics.jsonl")).unwrap_err().to_string();
        assert!(error.starts_with("/no/such/metrics.jsonl cannot be read: "), "{error}");
    }
}
