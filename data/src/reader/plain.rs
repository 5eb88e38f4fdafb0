//! Plain text, cut into pieces.

use std::path::PathBuf;

use super::fault::{FaultKind, FileFault};
use super::lines::Lines;
use super::part::FilePart;

/// A piece is cut at the first good place from here on.
const PIECE_BYTES: usize = 64 << 10;
/// A piece of this size is cut at any place. Also the most that is read of a line at once.
const MAX_PIECE_BYTES: usize = 1 << 20;

/// The parts of a plain text file. A line that is not UTF-8 is a fault and is left out.
pub(super) struct Plain {
    path: PathBuf,
    lines: Lines,
    separator: Option<String>,
    piece: String,
    /// Bytes at the end of the last part of a line that begin a character.
    carried: usize,
    done: bool,
}

impl Plain {
    pub(super) fn of(path: PathBuf, lines: Lines, separator: Option<String>) -> Self {
        Self { path, lines, separator, piece: String::new(), carried: 0, done: false }
    }

    /// Adds the line just read; the part that this completes, if any.
    fn take_line(&mut self) -> Result<Option<FilePart>, FileFault> {
        let (text, carried) = match std::str::from_utf8(&self.lines.bytes) {
            Ok(text) => (text, 0),
            Err(error) if error.error_len().is_none() && !self.lines.ends => {
                let (text, rest) = self.lines.bytes.split_at(error.valid_up_to());
                (std::str::from_utf8(text).unwrap_or_default(), rest.len())
            }
            Err(error) => return Err(self.fault(FaultKind::NotUtf8, error.to_string())),
        };
        self.carried = carried;
        let whole_line = self.lines.begins && self.lines.ends;
        if whole_line && self.separator.as_deref() == Some(text.trim_end_matches(['\r', '\n'])) {
            return Ok(end_of(&mut self.piece));
        }
        let full = self.piece.len() >= MAX_PIECE_BYTES;
        let part = if full || self.piece.len() >= PIECE_BYTES && may_cut(&self.piece, text) {
            Some(FilePart { text: std::mem::take(&mut self.piece), ends_document: false })
        } else {
            None
        };
        self.piece.push_str(text);
        Ok(part)
    }

    fn read_line(&mut self) -> std::io::Result<bool> {
        self.lines.advance(MAX_PIECE_BYTES, self.carried)
    }

    fn fault(&self, kind: FaultKind, reason: String) -> FileFault {
        FileFault { kind, path: self.path.clone(), line: Some(self.lines.number), reason }
    }
}

impl Iterator for Plain {
    type Item = Result<FilePart, FileFault>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.done {
            match self.read_line() {
                Ok(true) => match self.take_line() {
                    Ok(None) => {}
                    Ok(Some(part)) => return Some(Ok(part)),
                    Err(fault) => {
                        self.carried = 0;
                        // A second fault in the same line, a failing read, shows itself again at the next line.
                        let _ = self.lines.skip_line(MAX_PIECE_BYTES);
                        return Some(Err(fault));
                    }
                },
                Ok(false) => self.done = true,
                Err(error) => {
                    self.done = true;
                    return Some(Err(self.fault(FaultKind::Unreadable, error.to_string())));
                }
            }
        }
        end_of(&mut self.piece).map(Ok)
    }
}

/// The last part of a document, unless it is empty.
fn end_of(piece: &mut String) -> Option<FilePart> {
    let text = std::mem::take(piece);
    (!text.is_empty()).then_some(FilePart { text, ends_document: true })
}

/// Whether the tokens of `before` and of `after` are those of both together: between them stands one newline, which
/// then is a word of its own in GPT-2's splitting and those derived from it.
fn may_cut(before: &str, after: &str) -> bool {
    let is_word = |character: Option<char>| character.is_some_and(|character| !character.is_whitespace());
    let line = before.strip_suffix('\n');
    line.is_some_and(|line| is_word(line.chars().next_back())) && is_word(after.chars().next())
}
