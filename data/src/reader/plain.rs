//! Plain text, cut into pieces.

use std::path::PathBuf;

use super::fault::{FaultKind, FaultPlace, FileFault};
use super::lines::Lines;
use super::part::FilePart;
use crate::Tokenizer;

/// A piece is cut at the first good place from here on.
const PIECE_BYTES: usize = 64 << 10;
/// The same in the beginning of a text that is to be split however short it is.
const FIRST_PIECE_BYTES: usize = 512;
/// There a piece is at most this part of what came before, so that neither half has much of its text in one piece.
const PART_OF_TEXT: u64 = 64;
/// So many times its size a piece is cut at any end of a line.
const UNTIL_ANY_LINE: usize = 8;
/// A piece of this size is cut at any place. Also the most that is read of a line at once.
const MAX_PIECE_BYTES: usize = 1 << 20;

/// What a tokenizer is shown of a line behind a cut, at most.
const NEXT_BYTES: usize = 512;

/// How large the pieces of a plain text are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PieceSize {
    /// [`PIECE_BYTES`], so that shorter texts stay whole.
    Even,
    /// Small in the beginning, then growing: a text of any length has many.
    Growing,
}

/// The parts of a plain text file. A line that is not UTF-8 is a fault and is left out.
pub(super) struct Plain {
    path: PathBuf,
    lines: Lines,
    separator: Option<String>,
    piece_size: PieceSize,
    tokenizer: Option<Tokenizer>,
    piece: String,
    /// Bytes of the parts before.
    given: u64,
    /// Bytes at the end of the last part of a line that begin a character.
    carried: usize,
    done: bool,
}

impl Plain {
    pub(super) fn of(path: PathBuf, lines: Lines, separator: Option<String>, piece_size: PieceSize) -> Self {
        let (tokenizer, piece) = (None, String::new());
        Self { path, lines, separator, piece_size, tokenizer, piece, given: 0, carried: 0, done: false }
    }

    /// Cut where the ids of this tokenizer stay what they are.
    pub(super) fn for_tokenizer(self, tokenizer: Option<Tokenizer>) -> Self {
        Self { tokenizer, ..self }
    }

    /// Bytes that the piece should have.
    fn wanted_bytes(&self) -> usize {
        match self.piece_size {
            PieceSize::Even => PIECE_BYTES,
            PieceSize::Growing => {
                (self.given / PART_OF_TEXT).clamp(FIRST_PIECE_BYTES as u64, PIECE_BYTES as u64) as usize
            }
        }
    }

    /// How many bytes of what is read so far are a piece that ends there, if `next` comes behind.
    fn cut_before(&self, next: &str) -> Option<usize> {
        let (bytes, wanted) = (self.piece.len(), self.wanted_bytes());
        // A tokenizer that says where it may be cut is asked for longer.
        let until_any_line = UNTIL_ANY_LINE * self.tokenizer.as_ref().map_or(wanted, |_| PIECE_BYTES);
        if bytes >= MAX_PIECE_BYTES || bytes >= until_any_line && self.piece.ends_with('\n') {
            return Some(bytes);
        }
        if bytes < wanted || !may_cut(&self.piece, next) {
            return None;
        }
        let Some(tokenizer) = &self.tokenizer else { return Some(bytes) };
        // Some read a newline as the space that begins the next word.
        let (line, newline) = self.piece.split_at(bytes - 1);
        let next = &next[..next.floor_char_boundary(NEXT_BYTES)];
        match tokenizer.may_cut(&self.piece, next) {
            true => Some(bytes),
            false => tokenizer.may_cut(line, &[newline, next].concat()).then_some(bytes - 1),
        }
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
        let cut = self.cut_before(text);
        let part = cut.map(|at| {
            let rest = self.piece.split_off(at);
            FilePart { text: std::mem::replace(&mut self.piece, rest), ends_document: false, place: None }
        });
        self.given += part.as_ref().map_or(0, |part| part.text.len() as u64);
        self.piece.push_str(text);
        Ok(part)
    }

    fn read_line(&mut self) -> std::io::Result<bool> {
        self.lines.read_part(MAX_PIECE_BYTES, self.carried)
    }

    fn fault(&self, kind: FaultKind, reason: String) -> FileFault {
        FileFault { kind, path: self.path.clone(), place: Some(FaultPlace::Line(self.lines.number)), reason }
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
    (!text.is_empty()).then_some(FilePart { text, ends_document: true, place: None })
}

/// Whether the tokens of `before` and of `after` are those of both together: between them stands one newline, which
/// then is a word of its own in GPT-2's splitting and those derived from it.
fn may_cut(before: &str, after: &str) -> bool {
    let is_word = |character: Option<char>| character.is_some_and(|character| !character.is_whitespace());
    let line = before.strip_suffix('\n');
    line.is_some_and(|line| is_word(line.chars().next_back())) && is_word(after.chars().next())
}
