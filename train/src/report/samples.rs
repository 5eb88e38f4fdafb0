//! The texts that a run draws, for people to read: `samples.md`.

use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use super::{ReportError, file::AppendFile, view::View};
use crate::session::{LogEntry, Record};

const NAME: &str = "samples.md";

/// `samples.md` of a run: each text under the number of steps before it. It is there once there is a text.
pub(super) struct Samples {
    path: PathBuf,
    title: String,
    file: Option<AppendFile>,
}

impl Samples {
    /// That of the run in `folder`, under `title`.
    pub fn new(folder: &Path, title: &str) -> Self {
        Self { path: folder.join(NAME), title: format!("# Samples of {title}\n"), file: None }
    }
}

impl View for Samples {
    fn name(&self) -> &'static str {
        NAME
    }

    fn begin(&mut self, records: &[Record]) -> Result<(), ReportError> {
        let sections: String = records.iter().filter_map(section).collect();
        if sections.is_empty() {
            self.file = None;
            return match fs::remove_file(&self.path) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    Err(ReportError::file("removed", &self.path)(error))
                }
                _ => Ok(()),
            };
        }
        self.file = Some(AppendFile::replace(&self.path, (self.title.clone() + &sections).as_bytes())?);
        Ok(())
    }

    fn add(&mut self, record: &Record) -> Result<(), ReportError> {
        let Some(section) = section(record) else { return Ok(()) };
        match &mut self.file {
            Some(file) => file.add(section.as_bytes()),
            None => {
                self.file = Some(AppendFile::replace(&self.path, (self.title.clone() + &section).as_bytes())?);
                Ok(())
            }
        }
    }
}

/// A sample in Markdown. Its text stands between fences that are longer than any in it.
fn section(record: &Record) -> Option<String> {
    let Record::Entry(LogEntry::Sample { step, prompt, text }) = record else { return None };
    let text = format!("{prompt}{text}");
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    let end = if text.ends_with('\n') { "" } else { "\n" };
    Some(format!("\n## Step {step}\n\n{fence}text\n{text}{end}{fence}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(step: u64, text: &str) -> Record {
        Record::Entry(LogEntry::Sample { step, prompt: "To".into(), text: text.into() })
    }

    #[test]
    fn each_text_stands_under_its_step() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(NAME);
        let mut samples = Samples::new(folder.path(), "one");
        samples.begin(&[]).unwrap();
        assert!(!path.exists());
        samples.add(&sample(10, " be\n")).unwrap();
        samples.add(&sample(20, " ```be``")).unwrap();
        let first = "# Samples of one\n\n## Step 10\n\n```text\nTo be\n```\n";
        let second = "\n## Step 20\n\n````text\nTo ```be``\n````\n";
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{first}{second}"));
        samples.begin(&[sample(10, " be\n")]).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), first);
        samples.add(&sample(20, " ```be``")).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{first}{second}"));
        samples.begin(&[]).unwrap();
        assert!(!path.exists());
    }
}
