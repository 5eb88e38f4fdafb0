//! Where a chat template is found: in `tokenizer_config.json` or beside it, in a GGUF file, or in a file of its own.

use std::fs;
use std::io;
use std::path::Path;

use serde_json::{Map, Value};

use super::{ChatError, ChatTemplate};

/// The special tokens that transformers gives a template.
const SPECIAL_TOKENS: [&str; 7] =
    ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

impl ChatTemplate {
    /// The template of a model's folder: of its chat_template.jinja or its tokenizer_config.json, where it has both of the
    /// former; with the special tokens that the latter names.
    ///
    /// # Errors
    /// When the folder has no template, a file cannot be read, or the template cannot be compiled.
    pub fn from_folder(folder: impl AsRef<Path>) -> Result<Self, ChatError> {
        let folder = folder.as_ref();
        let config = read(&folder.join("tokenizer_config.json"))?;
        let jinja = read(&folder.join("chat_template.jinja"))?;
        let template = match (config, jinja) {
            (None, None) => Err(ChatError::NoTemplate { names: Vec::new() }),
            (None, Some(jinja)) => Self::new(&jinja),
            (Some(config), jinja) => Self::from_config(&config, jinja.as_deref()),
        };
        template.map_err(|error| match error {
            ChatError::NoTemplate { names } if names.is_empty() => ChatError::NoTemplateIn { folder: folder.into() },
            error => error,
        })
    }

    /// The template of a `tokenizer_config.json`: `jinja`, the content of the chat_template.jinja beside it, or else its
    /// `chat_template`; with the special tokens that it names.
    ///
    /// # Errors
    /// When it has no template, is not as transformers writes it, or the template cannot be compiled.
    pub fn from_config(config: &str, jinja: Option<&str>) -> Result<Self, ChatError> {
        let config: Map<String, Value> = serde_json::from_str(config.trim_start_matches('\u{feff}'))
            .map_err(|error| fault("the whole", error.to_string(), "an object of JSON"))?;
        let template = match jinja {
            Some(jinja) => Self::new(jinja)?,
            None => Self::new(chat_template(&config)?)?,
        };
        with_tokens(template, &config)
    }

    /// The template that goes with the tokenizer at `path`, a file, a folder or a `.gguf`: the Jinja source `jinja`, where it is
    /// given, with the special tokens that the tokenizer's files name, else the template among them; none where there is none.
    ///
    /// # Errors
    /// When a file cannot be read, is not as transformers or llama.cpp writes it, or the template cannot be compiled.
    pub fn of_tokenizer(path: impl AsRef<Path>, jinja: Option<&str>) -> Result<Option<Self>, ChatError> {
        let path = path.as_ref();
        #[cfg(not(target_family = "wasm"))]
        if path.extension().is_some_and(|it| it.eq_ignore_ascii_case("gguf")) {
            return super::gguf::template(path, jinja);
        }
        let folder = if path.is_dir() { path } else { path.parent().unwrap_or(Path::new("")) };
        match (jinja, read(&folder.join("tokenizer_config.json"))?) {
            (Some(jinja), Some(config)) => Self::from_config(&config, Some(jinja)).map(Some),
            (Some(jinja), None) => Self::new(jinja).map(Some),
            (None, _) => match Self::from_folder(folder) {
                Err(ChatError::NoTemplateIn { .. }) => Ok(None),
                template => template.map(Some),
            },
        }
    }
}

/// The template with the special tokens that `config` names.
fn with_tokens(template: ChatTemplate, config: &Map<String, Value>) -> Result<ChatTemplate, ChatError> {
    SPECIAL_TOKENS.into_iter().try_fold(template, |template, name| {
        Ok(match token(name, config.get(name).unwrap_or(&Value::Null))? {
            Some(token) => template.with_value(name, token.into()),
            None => template,
        })
    })
}

/// The text of a file; none where there is no such file.
fn read(path: &Path) -> Result<Option<String>, ChatError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(ChatError::Unreadable { path: path.into(), cause }),
    }
}

/// The template, or of several the one named `default`.
fn chat_template(config: &Map<String, Value>) -> Result<&str, ChatError> {
    const EXPECTED: &str = "a string, or a list of objects with `name` and `template`";
    match config.get("chat_template") {
        None | Some(Value::Null) => Err(ChatError::NoTemplate { names: Vec::new() }),
        Some(Value::String(template)) => Ok(template),
        Some(Value::Array(named)) => {
            let pair = |entry: &Value| Some((entry["name"].as_str()?.to_owned(), entry["template"].as_str()?.len()));
            let pairs: Option<Vec<_>> = named.iter().map(pair).collect();
            let pairs = pairs.ok_or_else(|| fault("chat_template", "a list of something else", EXPECTED))?;
            let default =
                pairs.iter().position(|(name, _)| name == "default").and_then(|at| named[at]["template"].as_str());
            default.ok_or_else(|| ChatError::NoTemplate { names: pairs.into_iter().map(|(name, _)| name).collect() })
        }
        Some(other) => Err(fault("chat_template", other.to_string(), EXPECTED)),
    }
}

/// The name of a special token, which stands alone or in an object with what else is known of it.
fn token<'a>(field: &'static str, value: &'a Value) -> Result<Option<&'a str>, ChatError> {
    match value {
        Value::Null => Ok(None),
        Value::String(token) => Ok(Some(token)),
        other => match other["content"].as_str() {
            Some(token) => Ok(Some(token)),
            None => Err(fault(field, other.to_string(), "a string, or an object with `content`")),
        },
    }
}

fn fault(field: &'static str, found: impl Into<String>, expected: &'static str) -> ChatError {
    ChatError::Config { field, found: found.into(), expected }
}
