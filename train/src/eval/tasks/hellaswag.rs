//! Rows of HellaSwag (Zellers et al. 2019), as the harness' `hellaswag/utils.py` reads them.

use serde_json::{Map, Value};

use super::fields::{Parts, label, text, texts};

pub(super) fn parse(row: &Map<String, Value>) -> Result<Parts, String> {
    let context = match row.contains_key("ctx_a") {
        true => format!("{} {}", text(row, "ctx_a")?, capitalized(text(row, "ctx_b")?)),
        false => text(row, "ctx")?.to_owned(),
    };
    let query = match row.contains_key("activity_label") {
        true => format!("{}: {context}", text(row, "activity_label")?),
        false => context,
    };
    let choices: Vec<String> = texts(row.get("endings"), "endings")?.iter().map(|ending| cleaned(ending)).collect();
    let gold = label(row, choices.len())?;
    Ok((cleaned(&query), choices, gold))
}

/// Python's `str.capitalize`.
fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    letters
        .next()
        .map_or(String::new(), |first| first.to_uppercase().collect::<String>() + &letters.as_str().to_lowercase())
}

/// Without what WikiHow's pages leave in brackets.
fn cleaned(text: &str) -> String {
    let text = text.trim().replace(" [title]", ". ");
    let mut kept = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(open) = rest.find('[') {
        // A bracket that is not closed on its line stays.
        let line = rest[open..].find('\n').map_or(rest.len(), |at| open + at);
        match rest[open..line].find(']') {
            Some(close) => {
                kept.push_str(&rest[..open]);
                rest = &rest[open + close + 1..];
            }
            None => {
                kept.push_str(&rest[..=open]);
                rest = &rest[open + 1..];
            }
        }
    }
    kept.push_str(rest);
    kept.replace("  ", " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Python's `preprocess` gives.
    #[test]
    fn brackets_are_left_out() {
        for (text, expected) in [
            (" [header] How to [title] Do it. [step] Now ", " How to. Do it. Now"),
            ("a [b", "a [b"),
            ("a [b\nc] d [e] f", "a [b\nc] d f"),
            ("a   b    c", "a  b  c"),
            ("[[x]]y", "]y"),
            ("", ""),
        ] {
            assert_eq!(cleaned(text), expected, "{text:?}");
        }
        assert_eq!(["", "he GOES to Paris", "élan X"].map(capitalized), ["", "He goes to paris", "Élan x"]);
    }
}
