//! Rows of ARC (Clark et al. 2018).

use serde_json::{Map, Value};

use super::fields::{Parts, text, texts};

pub(super) fn parse(row: &Map<String, Value>) -> Result<Parts, String> {
    let question = text(row, "question")?;
    let choices = row.get("choices").ok_or("field choices is missing: must be an object with text and label")?;
    let (texts, labels) = (texts(choices.get("text"), "choices.text")?, texts(choices.get("label"), "choices.label")?);
    if texts.len() != labels.len() {
        return Err(format!("choices has {} texts and {} labels: must be as many", texts.len(), labels.len()));
    }
    let key = text(row, "answerKey")?;
    let gold = labels.iter().position(|label| label == key);
    let gold = gold.ok_or_else(|| format!("field answerKey = {key:?}: must be one of choices.label, {labels:?}"))?;
    Ok((format!("Question: {question}\nAnswer:"), texts, gold))
}
