//! Rows of PIQA (Bisk et al. 2019).

use serde_json::{Map, Value};

use super::fields::{Parts, label, text};

pub(super) fn parse(row: &Map<String, Value>) -> Result<Parts, String> {
    let goal = text(row, "goal")?;
    let choices = vec![text(row, "sol1")?.to_owned(), text(row, "sol2")?.to_owned()];
    let gold = label(row, choices.len())?;
    Ok((format!("Question: {goal}\nAnswer:"), choices, gold))
}
