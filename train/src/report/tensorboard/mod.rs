//! TensorBoard's event file of a run.

mod proto;

use std::{
    fs,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use prost::Message;
use proto::{Content, DT_STRING, Dim, Event, Metadata, Plugin, START, SessionLog, Shape, Summary, Tensor, Value, What};

use super::{ReportError, file::AppendFile, view::View};
use crate::session::{LogEntry, Metrics, Record};

/// What the name of every event file begins with.
const PREFIX: &str = "events.out.tfevents.";
/// What the name of one of ours ends with.
const SUFFIX: &str = ".hearth";
/// The version of the form, in a file's first event.
const VERSION: &str = "brain.Event:2";

/// The event file of a run. It is written anew where the run goes on, so that it has each step once.
pub(super) struct EventFile {
    folder: PathBuf,
    file: Option<AppendFile>,
    /// When the run's clock stood at 0, in seconds since 1970.
    zero: f64,
    /// The time of the last event, which has one that tells none.
    seconds: f64,
}

impl EventFile {
    /// That of the run in `folder`.
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), file: None, zero: 0.0, seconds: 0.0 }
    }

    /// The bytes of a record; none where TensorBoard has no use for it.
    fn bytes(&mut self, record: &Record) -> Vec<u8> {
        let (step, value) = match record {
            Record::Figures(metrics) => {
                self.seconds = metrics.seconds;
                (metrics.step, scalars(metrics))
            }
            Record::Entry(LogEntry::Sample { step, prompt, text }) => (*step, vec![self::text("sample", prompt, text)]),
            Record::Entry(_) => return Vec::new(),
        };
        self.event(step, What::Summary(Summary { value }))
    }

    fn event(&self, step: u64, what: What) -> Vec<u8> {
        let event = Event { wall_time: self.zero + self.seconds, step: step as i64, what: Some(what) };
        framed(&event.encode_to_vec())
    }
}

impl View for EventFile {
    fn name(&self) -> &'static str {
        "TensorBoard's event file"
    }

    fn begin(&mut self, records: &[Record]) -> Result<(), ReportError> {
        self.file = None;
        for old in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let name = old.file_name();
            if name.to_str().is_some_and(|name| name.starts_with(PREFIX) && name.ends_with(SUFFIX)) {
                fs::remove_file(old.path()).map_err(ReportError::file("removed", old.path()))?;
            }
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |passed| passed.as_secs_f64());
        let last = records.iter().rev().find_map(|record| match record {
            Record::Figures(metrics) => Some(metrics.seconds),
            Record::Entry(_) => None,
        });
        (self.zero, self.seconds) = (now - last.unwrap_or(0.0), 0.0);
        let mut content = self.event(0, What::FileVersion(VERSION.into()));
        // A TensorBoard that has the file from before forgets what it had.
        content.extend(self.event(0, What::SessionLog(SessionLog { status: START })));
        for record in records {
            content.extend(self.bytes(record));
        }
        // TensorBoard looks for a file behind the one it reads by its name: by the time, in nanoseconds.
        let path = self.folder.join(format!("{PREFIX}{:010}.{:09}{SUFFIX}", now as u64, (now.fract() * 1e9) as u64));
        self.file = Some(AppendFile::replace(&path, &content)?);
        Ok(())
    }

    fn add(&mut self, record: &Record) -> Result<(), ReportError> {
        let bytes = self.bytes(record);
        match &mut self.file {
            Some(file) if !bytes.is_empty() => file.add(&bytes),
            _ => Ok(()),
        }
    }
}

/// The figures that were measured, under TensorBoard's names: what stands before the slash is a section of its page.
fn scalars(metrics: &Metrics) -> Vec<Value> {
    let figures = [
        ("loss/train", metrics.train_loss),
        ("loss/validation", metrics.val_loss),
        ("optimizer/learning_rate", metrics.lr),
        ("optimizer/gradient_norm", metrics.grad_norm),
        ("router/overload", metrics.router_overload),
        ("speed/tokens_per_second", metrics.tokens_per_second),
        ("speed/mfu", metrics.mfu),
        ("memory/bytes", metrics.memory_bytes.map(|bytes| bytes as f64)),
    ];
    let value = |(tag, figure): (&str, Option<f64>)| {
        let content = Some(Content::Number(figure? as f32));
        Some(Value { tag: tag.into(), metadata: None, content })
    };
    figures.into_iter().filter_map(value).collect()
}

/// A text, which TensorBoard reads as Markdown: each line is set in as code.
fn text(tag: &str, prompt: &str, text: &str) -> Value {
    let code: String = format!("{prompt}{text}").lines().map(|line| format!("    {line}\n")).collect();
    let shape = Shape { dims: vec![Dim { size: 1 }] };
    let tensor = Tensor { dtype: DT_STRING, shape: Some(shape), strings: vec![code.into_bytes()] };
    let metadata = Metadata { plugin: Some(Plugin { name: "text".into() }) };
    Value { tag: tag.into(), metadata: Some(metadata), content: Some(Content::Tensor(tensor)) }
}

/// A record of TensorFlow's record files: the length, its checksum, the bytes, their checksum, all little-endian.
fn framed(bytes: &[u8]) -> Vec<u8> {
    let length = (bytes.len() as u64).to_le_bytes();
    [&length[..], &masked(&length), bytes, &masked(bytes)].concat()
}

/// A CRC-32C, turned and shifted as record files have it, so that a checksum of checksums is one.
fn masked(bytes: &[u8]) -> [u8; 4] {
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(step: u64, train_loss: f64) -> Record {
        Record::Figures(Metrics { step, seconds: step as f64, train_loss: Some(train_loss), ..Metrics::default() })
    }

    /// As TensorBoard's own writer has them (tensorboard 2.21, `RecordWriter`).
    #[test]
    fn a_record_is_framed() {
        let event = Event { wall_time: 1.5, step: 0, what: Some(What::FileVersion(VERSION.into())) };
        let bytes = event.encode_to_vec();
        assert_eq!(bytes, b"\x09\0\0\0\0\0\0\xf8\x3f\x1a\x0dbrain.Event:2");
        let expected = [&b"\x18\0\0\0\0\0\0\0\xa3\x7fK\x22"[..], &bytes, b"*(dl"].concat();
        assert_eq!(framed(&bytes), expected);
    }

    /// What a file holds: (step, tag, value), with every checksum checked.
    fn read(folder: &Path) -> Vec<(i64, String, f32)> {
        let files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        let [file] = &files[..] else { panic!("{files:?}") };
        let bytes = fs::read(file).unwrap();
        let (mut rest, mut found) = (&bytes[..], Vec::new());
        while !rest.is_empty() {
            let length = u64::from_le_bytes(rest[..8].try_into().unwrap()) as usize;
            let (record, after) = rest.split_at(length + 16);
            assert_eq!(framed(&record[12..12 + length]), record);
            let event = Event::decode(&record[12..12 + length]).unwrap();
            if let Some(What::Summary(Summary { value })) = event.what {
                found.extend(value.into_iter().map(|value| match value.content {
                    Some(Content::Number(number)) => (event.step, value.tag, number),
                    _ => (event.step, value.tag, f32::NAN),
                }));
            }
            rest = after;
        }
        found
    }

    #[test]
    fn a_run_that_goes_back_has_each_step_once() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = EventFile::new(folder.path());
        file.begin(&[]).unwrap();
        (0..3).for_each(|step| file.add(&figures(step, 2.0 - step as f64)).unwrap());
        file.begin(&[figures(0, 2.0), figures(1, 1.0)]).unwrap();
        file.add(&figures(2, 0.5)).unwrap();
        let expected = [2.0, 1.0, 0.5].into_iter().enumerate();
        let expected: Vec<_> = expected.map(|(step, loss)| (step as i64, "loss/train".to_string(), loss)).collect();
        assert_eq!(read(folder.path()), expected);
        let sample = LogEntry::Sample { step: 3, prompt: "a".into(), text: "b\nc".into() };
        file.add(&Record::Entry(sample)).unwrap();
        assert_eq!(read(folder.path())[3].1, "sample");
    }
}
