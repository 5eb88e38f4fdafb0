//! Where messages come from: a line editor on a terminal, or the lines of a pipe.

use std::io::{self, BufRead, IsTerminal, Read};

use anyhow::{anyhow, bail};
use rustyline::{DefaultEditor, error::ReadlineError};

use crate::output::tell;

const PROMPT: &str = "> ";
/// Before the further lines of a message.
const FURTHER: &str = ". ";
/// Bytes of a line, at most: a longer one is no message.
const LONGEST: u64 = 16 << 20;

/// A line, or several that a backslash joins.
pub struct Line {
    pub text: String,
    /// From 1.
    pub number: u64,
}

/// Where messages come from.
pub enum ChatInput {
    Terminal(Box<DefaultEditor>),
    Pipe { lines: u64 },
}

impl ChatInput {
    /// # Errors
    /// The terminal cannot be had.
    pub fn open() -> anyhow::Result<Self> {
        if io::stdin().is_terminal() && io::stdout().is_terminal() {
            let editor = DefaultEditor::new().map_err(|error| anyhow!("the terminal cannot be set up: {error}"))?;
            return Ok(Self::Terminal(Box::new(editor)));
        }
        Ok(Self::Pipe { lines: 0 })
    }

    pub fn is_terminal(&self) -> bool {
        matches!(self, Self::Terminal(_))
    }

    /// The next line; none at the end.
    ///
    /// # Errors
    /// Standard input cannot be read, or is no UTF-8.
    pub fn next(&mut self) -> anyhow::Result<Option<Line>> {
        match self {
            Self::Terminal(editor) => edited(editor),
            Self::Pipe { lines } => {
                *lines += 1;
                read(*lines)
            }
        }
    }
}

fn edited(editor: &mut DefaultEditor) -> anyhow::Result<Option<Line>> {
    let mut text = String::new();
    loop {
        match editor.readline(if text.is_empty() { PROMPT } else { FURTHER }) {
            Ok(line) => match line.strip_suffix('\\') {
                Some(begun) => text = text + begun + "\n",
                None => {
                    text += &line;
                    break;
                }
            },
            Err(ReadlineError::Interrupted) => {
                text.clear();
                tell("Ctrl-D or /quit ends the chat");
            }
            Err(ReadlineError::Eof) => return Ok(None),
            Err(error) => bail!("the terminal cannot be read: {error}"),
        }
    }
    if !text.trim().is_empty() {
        // It is only not kept where it is the same as before.
        let _ = editor.add_history_entry(text.as_str());
    }
    Ok(Some(Line { text, number: 1 }))
}

fn read(number: u64) -> anyhow::Result<Option<Line>> {
    let mut bytes = Vec::new();
    let found = io::stdin().lock().take(LONGEST + 1).read_until(b'\n', &mut bytes);
    if found.map_err(|error| anyhow!("standard input cannot be read: {error}"))? == 0 {
        return Ok(None);
    }
    if bytes.len() as u64 > LONGEST {
        bail!("line {number}: has more than 16 MiB, which is no message: give one a line");
    }
    let text = String::from_utf8(bytes);
    let Ok(text) = text else { bail!("line {number}: is no UTF-8: convert it first") };
    let text = text.trim_end_matches(['\n', '\r']).to_owned();
    Ok(Some(Line { text, number }))
}
