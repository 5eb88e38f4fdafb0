//! Where a model's chat template is found.

use std::{
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use hearth_data::{
    Tokenizer,
    chat::{ChatError, ChatTemplate, DateTime},
};

use super::files::{folders, gguf, is_gguf, named, text};
use crate::TrainError;

/// The template by which the model at `path` chats: of a published folder its `chat_template.jinja` or `tokenizer_config.json`, of a
/// GGUF file what it holds, of a run the `chat_template.jinja` in its folder, which stands for its checkpoints too. `own` is the
/// file of another one that is to be taken instead. With today's date, and the names of special tokens.
///
/// # Errors
/// There is no template, or it cannot be read or compiled.
pub fn template_of(path: &Path, tokenizer: &Tokenizer, own: Option<&Path>) -> Result<ChatTemplate, TrainError> {
    let template = match own {
        Some(file) => own_template(file, path, tokenizer)?,
        None => match is_gguf(path) {
            true => in_gguf(path)?,
            false => in_folders(path, tokenizer)?,
        },
    };
    Ok(match today() {
        Some(today) => template.with_now(today),
        None => template,
    })
}

fn own_template(file: &Path, path: &Path, tokenizer: &Tokenizer) -> Result<ChatTemplate, TrainError> {
    let missing = || named(file, "there is no such file: give that of a template in --template".into());
    let source = text(file)?.ok_or_else(missing)?;
    let broken = |error: ChatError| named(file, error.to_string());
    if is_gguf(path) {
        let template = ChatTemplate::new(&source).map_err(broken)?;
        return with_tokens_of_gguf(template, path);
    }
    for folder in folders(path) {
        if let Some(config) = text(&folder.join("tokenizer_config.json"))? {
            return ChatTemplate::from_config(&config, Some(&source)).map_err(broken);
        }
    }
    with_end_of_text(ChatTemplate::new(&source).map_err(broken)?, tokenizer).map_err(broken)
}

fn in_gguf(path: &Path) -> Result<ChatTemplate, TrainError> {
    let file = gguf(path)?;
    let source = file.get_str("tokenizer.chat_template").map_err(|_| without(path))?;
    let template = ChatTemplate::new(source).map_err(|error| named(path, error.to_string()))?;
    with_tokens_of_gguf(template, path)
}

fn in_folders(path: &Path, tokenizer: &Tokenizer) -> Result<ChatTemplate, TrainError> {
    for folder in folders(path) {
        let found = match folder.join("tokenizer_config.json").exists() {
            true => ChatTemplate::from_folder(&folder),
            false => match text(&folder.join("chat_template.jinja"))? {
                Some(source) => ChatTemplate::new(&source).and_then(|found| with_end_of_text(found, tokenizer)),
                None => continue,
            },
        };
        match found {
            Ok(template) => return Ok(template),
            Err(ChatError::NoTemplateIn { .. }) => {}
            Err(error) => return Err(named(&folder, error.to_string())),
        }
    }
    Err(without(path))
}

fn without(path: &Path) -> TrainError {
    let reason = "has no chat template, as models that only continue texts have none: use `hearth generate`, or give a template \
                  with --template FILE";
    named(path, reason.into())
}

/// With the special tokens that the file names.
fn with_tokens_of_gguf(mut template: ChatTemplate, path: &Path) -> Result<ChatTemplate, TrainError> {
    let file = gguf(path)?;
    let tokens = file.get_strings("tokenizer.ggml.tokens").unwrap_or_default();
    for (name, key) in [("bos_token", "bos"), ("eos_token", "eos"), ("unk_token", "unknown"), ("pad_token", "padding")]
    {
        let id = file.get_u64(&format!("tokenizer.ggml.{key}_token_id")).ok();
        if let Some(token) = id.and_then(|id| tokens.get(usize::try_from(id).ok()?)) {
            template = template.with_variable(name, token).map_err(|error| named(path, error.to_string()))?;
        }
    }
    Ok(template)
}

/// With the token between documents as the one that ends a turn, where nothing names another.
fn with_end_of_text(template: ChatTemplate, tokenizer: &Tokenizer) -> Result<ChatTemplate, ChatError> {
    match tokenizer.end_of_text().and_then(|id| tokenizer.decode(&[id]).ok()) {
        Some(name) => template.with_variable("eos_token", name),
        None => Ok(template),
    }
}

/// The date of now in Greenwich.
fn today() -> Option<DateTime> {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs();
    let (year, month, day) = civil(seconds / 86_400);
    let [hour, minute, second] = [seconds / 3600 % 24, seconds / 60 % 60, seconds % 60];
    DateTime::new(u16::try_from(year).ok()?, month, day)?.at(hour as u8, minute as u8, second as u8)
}

/// Year, month and day so many days after the first of January 1970: Howard Hinnant's `civil_from_days`.
fn civil(days: u64) -> (u64, u8, u8) {
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year + u64::from(month <= 2), month as u8, day as u8)
}

#[cfg(test)]
mod tests {
    use super::civil;

    #[test]
    fn days_are_dates() {
        // Of Python's date.fromordinal(719163 + days).
        for (days, date) in [
            (0, (1970, 1, 1)),
            (59, (1970, 3, 1)),
            (11_016, (2000, 2, 29)),
            (20_785, (2026, 11, 28)),
            (47_540, (2100, 2, 28)),
            (47_541, (2100, 3, 1)),
        ] {
            assert_eq!(civil(days), date, "{days}");
        }
    }
}
