//! One row of chats with what is trained of it.

use std::{
    env,
    io::{self, IsTerminal, StdoutLock, Write},
    num::NonZero,
};

use anyhow::bail;
use hearth_data::{Corpus, PreparedRow, RowOutcome, RowSettings, Tokenizer, chat::Encoded};

use super::chat::with_advice;

/// What stands around text that is trained and that is not.
struct Marks {
    trained: [&'static str; 2],
    untrained: [&'static str; 2],
}

/// Green, and dim.
const COLOURS: Marks = Marks { trained: ["\x1b[32m", "\x1b[0m"], untrained: ["\x1b[2m", "\x1b[0m"] };
const BRACKETS: Marks = Marks { trained: ["[[", "]]"], untrained: ["", ""] };

/// Shows the `number`th row of the corpus as it would be prepared.
pub fn preview(
    corpus: &Corpus,
    tokenizer: &Tokenizer,
    settings: &RowSettings,
    number: NonZero<usize>,
) -> anyhow::Result<()> {
    let mut rows = corpus.rows();
    for read in 1..number.get() {
        if rows.next().transpose()?.is_none() {
            bail!("--preview {number}: the files have {} rows", read - 1);
        }
    }
    let Some(row) = rows.next().transpose()? else {
        bail!("--preview {number}: the files have {} rows", number.get() - 1);
    };
    let mut out = io::stdout().lock();
    if let Some(origin) = &row.origin {
        writeln!(out, "{}, {}", origin.path.display(), origin.place)?;
    }
    match settings.encode(tokenizer, &row.text).map_err(with_advice)? {
        RowOutcome::LeftOut { kind, reason } => writeln!(out, "left out, {kind}: {reason}")?,
        RowOutcome::Kept(PreparedRow { documents, is_cut, .. }) => {
            let is_coloured = out.is_terminal() && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
            let marks = if is_coloured { COLOURS } else { BRACKETS };
            let names: &[&str] = if documents.len() == 2 { &["chosen", "rejected"] } else { &[""] };
            for (name, document) in names.iter().zip(&documents) {
                if !name.is_empty() {
                    writeln!(out, "{name}:")?;
                }
                show(&mut out, tokenizer, document, &marks)?;
                let trained = document.trained.iter().filter(|trained| **trained).count();
                let cut = if is_cut { ", cut to --context" } else { "" };
                writeln!(out, "\n({} tokens, {trained} of them trained{cut})", document.ids.len())?;
            }
        }
    }
    Ok(())
}

fn show(out: &mut StdoutLock, tokenizer: &Tokenizer, document: &Encoded, marks: &Marks) -> anyhow::Result<()> {
    let (mut at, mut before) = (0, String::new());
    for run in document.trained.chunk_by(|one, other| one == other) {
        let is_trained = run[0];
        let end = at + run.len();
        // With what stands before it: a decoder may treat the first word otherwise.
        let until = tokenizer.decode(&document.ids[..end])?;
        let text = match until.strip_prefix(&before) {
            Some(text) => text.to_owned(),
            None => tokenizer.decode(&document.ids[at..end])?,
        };
        let [open, close] = if is_trained { marks.trained } else { marks.untrained };
        write!(out, "{open}{}{close}", printable(&text))?;
        (at, before) = (end, until);
    }
    Ok(())
}

/// The text, in which nothing commands a terminal.
fn printable(text: &str) -> String {
    let is_harmless = |character: char| !character.is_control() || matches!(character, '\n' | '\t');
    text.chars().flat_map(|it| if is_harmless(it) { vec![it] } else { it.escape_default().collect() }).collect()
}
