//! The scores of a Unigram model, to the bit.

use serde_json::Value;

/// A saved tokenizer with the scores that `json` gives.
///
/// The library that saves it reads numbers with small errors, and writes digits that it itself reads right. Read by any other,
/// as when the tokenizer is opened again, they would be another score.
///
/// # Errors
/// When it is no JSON.
pub(super) fn as_given(saved: String, json: &Value) -> Result<String, serde_json::Error> {
    // A list is Unigram's alone.
    let Some(given) = json["model"]["vocab"].as_array() else { return Ok(saved) };
    let mut whole: Value = serde_json::from_str(&saved)?;
    let mut differs = false;
    let written = whole["model"]["vocab"].as_array_mut().into_iter().flatten();
    for (written, given) in written.zip(given) {
        if written[1].as_f64() != given[1].as_f64() {
            written[1] = given[1].clone();
            differs = true;
        }
    }
    if differs { serde_json::to_string(&whole) } else { Ok(saved) }
}
