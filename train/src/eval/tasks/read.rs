//! A file of rows.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read},
    path::Path,
};

use serde_json::{Map, Value};

use super::{fields::brief, format::TaskFormat, question::Question};
use crate::TrainError;

/// Bytes of a row, at most: a longer one is none of a task's.
const LONGEST: usize = 1 << 20;

/// The questions in the JSON Lines file at `path`, at most `limit`, and their form: `format`, or what the first row's fields say.
/// Empty lines are left out.
///
/// # Errors
/// A file that cannot be read or has no row; a row that is not of the form, by file and line.
pub fn read_questions(
    path: &Path,
    format: Option<TaskFormat>,
    limit: usize,
) -> Result<(TaskFormat, Vec<Question>), TrainError> {
    let io = |action, cause| TrainError::Io { action, path: path.into(), cause };
    let file = File::open(path).map_err(|cause| io("opening the task", cause))?;
    let mut lines = BufReader::new(file);
    let (mut format, mut questions, mut bytes) = (format, Vec::new(), Vec::new());
    for line in 1.. {
        if questions.len() >= limit {
            break;
        }
        bytes.clear();
        let read = lines.by_ref().take(LONGEST as u64 + 1).read_until(b'\n', &mut bytes);
        if read.map_err(|cause| io("reading the task", cause))? == 0 {
            break;
        }
        if bytes.trim_ascii().is_empty() {
            continue;
        }
        let question = parse(&bytes, line, &mut format);
        let named = |reason| TrainError::Config { source_name: format!("{}:{line}", path.display()), reason };
        questions.push(question.map_err(named)?);
    }
    match format.filter(|_| !questions.is_empty()) {
        Some(format) => Ok((format, questions)),
        None => Err(TrainError::Config {
            source_name: path.display().to_string(),
            reason: "has no row: give a file of JSON Lines with questions, and a --limit of at least 1".into(),
        }),
    }
}

/// The question in a line, or what is wrong with it.
fn parse(bytes: &[u8], line: u64, format: &mut Option<TaskFormat>) -> Result<Question, String> {
    if bytes.len() > LONGEST {
        return Err("is longer than 1 MiB, which no question is: give a file with one row a line".into());
    }
    let text = bytes.trim_ascii().strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes.trim_ascii());
    let row: Map<String, Value> =
        serde_json::from_slice(text).map_err(|error| format!("is no object of JSON, {error}: correct the row"))?;
    let found = match *format {
        Some(format) => format,
        None => TaskFormat::of(&row).ok_or_else(|| {
            let fields: Vec<&String> = row.keys().take(12).collect();
            format!(
                "has the fields {fields:?}, which are of no form that is known: give --format hellaswag, arc or piqa"
            )
        })?,
    };
    *format = Some(found);
    let (context, choices, gold) = found.parse(&row)?;
    if context.trim().is_empty() {
        return Err("has no question: leave the row out".into());
    }
    if choices.len() < 2 {
        return Err(format!("has {} choices: must be at least 2", choices.len()));
    }
    match choices.iter().position(|choice| choice.trim().is_empty()) {
        Some(at) => Err(format!("choice {} is {}: must have text", at + 1, brief(&choices[at].as_str().into()))),
        None => Ok(Question { line, context, choices, gold }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, format: Option<TaskFormat>) -> Result<(TaskFormat, Vec<Question>), String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.jsonl");
        std::fs::write(&path, text).unwrap();
        read_questions(&path, format, 100).map_err(|error| error.to_string().rsplit_once("t.jsonl").unwrap().1.into())
    }

    const PIQA: &str = r#"{"goal": "g", "sol1": "a", "sol2": "b", "label": 1}"#;

    #[test]
    fn rows_tell_their_form() {
        let (format, found) = read(&format!("\u{feff}{PIQA}\n\n{PIQA}"), None).unwrap();
        assert_eq!((format, found.len(), found[1].line, found[1].gold), (TaskFormat::Piqa, 2, 3, 1));
        assert_eq!(found[0].context, "Question: g\nAnswer:");
        let arc = r#"{"question": "q", "choices": {"text": ["x", "y"], "label": ["1", "2"]}, "answerKey": "2"}"#;
        assert_eq!(read(arc, None).unwrap().1[0].gold, 1);
        let swag = r#"{"ctx": "A man", "endings": ["x", "y [z] w"], "label": "0"}"#;
        let (format, found) = read(swag, None).unwrap();
        assert_eq!((format, &*found[0].context, &*found[0].choices[1]), (TaskFormat::Hellaswag, "A man", "y w"));
    }

    #[test]
    fn what_is_wrong_with_a_row_is_told_with_its_line() {
        let arc = Some(TaskFormat::Arc);
        for (text, format, sentence) in [
            ("", None, ": has no row"),
            ("{\"a\": 1}", None, ":1: has the fields [\"a\"]"),
            ("[1]", None, ":1: is no object of JSON"),
            (&format!("{PIQA}\n{{"), None, ":2: is no object of JSON"),
            (&PIQA.replace("1}", "2}"), None, ":1: field label = 2: must be from 0 to 1, for there are 2 choices"),
            (&PIQA.replace("1}", "\"\"}"), None, ":1: field label = \"\": must be"),
            (&PIQA.replace(", \"label\": 1", ""), None, ":1: field label is missing"),
            (&PIQA.replace("\"b\"", "[]"), None, ":1: field sol2 = []: must be a string"),
            (&PIQA.replace("\"b\"", "\" \""), None, ":1: choice 2 is \" \": must have text"),
            (PIQA, arc, ":1: field question is missing"),
            (
                r#"{"question": "q", "choices": {"text": ["x"], "label": ["A", "B"]}, "answerKey": "A"}"#,
                arc,
                ":1: choices has 1 texts and 2 labels",
            ),
            (
                r#"{"question": "q", "choices": {"text": ["x", "y"], "label": ["A", "B"]}, "answerKey": "E"}"#,
                arc,
                ":1: field answerKey = \"E\": must be one of choices.label, [\"A\", \"B\"]",
            ),
        ] {
            let said = read(text, format).unwrap_err();
            assert!(said.starts_with(sentence), "{text}: {said}");
        }
    }
}
