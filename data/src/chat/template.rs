//! A chat template and what it renders.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use minijinja::value::{Kwargs, Value};
use minijinja::{Environment, Error, State};
use serde::Serialize;

use super::date::DateTime;
use super::environment::{TEMPLATE, environment, render_error, strftime_at};
use super::fault::json_value;
use super::generation::FUNCTION;
use super::{ChatError, Content, Message};

/// Most bytes of a rendered chat.
const MAX_TEXT: usize = 1 << 26;

/// The Jinja template by which a model was taught to chat, rendered as transformers' `apply_chat_template` renders it.
///
/// A template is data that came with a model: its steps, the depth of its recursion and the size of its text are bounded, and
/// it reaches neither files nor the clock. A clone is cheap, and any number of threads can render with one.
#[derive(Clone)]
pub struct ChatTemplate {
    environment: Arc<Environment<'static>>,
    /// What the template finds beside the messages.
    variables: BTreeMap<String, Value>,
    now: Option<DateTime>,
    has_generation_blocks: bool,
    takes_parts: OnceLock<bool>,
    source_hash: [u8; 32],
}

/// A rendered chat and the spans of its generation blocks, in bytes.
pub(super) struct Rendered {
    pub(super) text: String,
    pub(super) generated: Vec<Range<usize>>,
}

impl ChatTemplate {
    /// The template of a Jinja source, as a GGUF file or chat_template.jinja has it; without any special token's name.
    ///
    /// # Errors
    /// When it cannot be compiled.
    pub fn new(source: &str) -> Result<Self, ChatError> {
        let (environment, has_generation_blocks) = environment(source)?;
        Ok(Self {
            environment: Arc::new(environment),
            variables: BTreeMap::new(),
            now: None,
            has_generation_blocks,
            takes_parts: OnceLock::new(),
            source_hash: blake3::hash(source.as_bytes()).into(),
        })
    }

    /// This template with a variable: `bos_token` and others of a source that is without them, `tools`, or what a model's card
    /// names, as `enable_thinking`.
    ///
    /// # Errors
    /// When the value has no JSON form.
    pub fn with_variable(self, name: &str, value: impl Serialize) -> Result<Self, ChatError> {
        let json = json_value(name, value)?;
        Ok(self.with_value(name, json))
    }

    /// This template with the date that it takes for today's. Without one, templates that ask whether `strftime_now` is defined
    /// use the date that is written in them, and others are refused.
    #[must_use]
    pub fn with_now(self, now: DateTime) -> Self {
        Self { now: Some(now), takes_parts: OnceLock::new(), ..self }
    }

    /// The text of a chat, followed by what opens the assistant's next turn where `add_generation_prompt` is set.
    ///
    /// # Errors
    /// When the template refuses the chat, fails on it, or does not come to an end.
    pub fn render(&self, messages: &[Message], add_generation_prompt: bool) -> Result<String, ChatError> {
        Ok(self.rendered(messages, add_generation_prompt)?.text)
    }

    /// Whether the template marks what the assistant says.
    pub fn has_generation_blocks(&self) -> bool {
        self.has_generation_blocks
    }

    /// Equal for templates of the same source with the same variables and date.
    pub fn hash(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.source_hash);
        for (name, value) in &self.variables {
            let value = serde_json::to_string(value).unwrap_or_default();
            hasher.update(format!("{} {name} {} {value}", name.len(), value.len()).as_bytes());
        }
        hasher.update(format!("{:?}", self.now).as_bytes());
        hasher.finalize().into()
    }

    pub(super) fn eos_token(&self) -> Option<&str> {
        self.variables.get("eos_token")?.as_str()
    }

    pub(super) fn with_value(mut self, name: &str, value: Value) -> Self {
        self.variables.insert(name.to_owned(), value);
        Self { takes_parts: OnceLock::new(), ..self }
    }

    pub(super) fn rendered(&self, messages: &[Message], add_generation_prompt: bool) -> Result<Rendered, ChatError> {
        let as_parts = messages.iter().any(Message::has_parts) && self.takes_parts();
        self.render_as(messages, add_generation_prompt, as_parts)
    }

    /// Whether the template can read content that is a list of parts: whether it writes the text of one, not the list.
    fn takes_parts(&self) -> bool {
        const TEXT: &str = "What is the answer?";
        *self.takes_parts.get_or_init(|| {
            let probe = Message::new("user", Content::Parts(vec![TEXT.to_owned()]));
            let rendered = self.render_as(&[probe], false, true);
            let is_list = |text: &str| ["'type': 'text'", "\"type\": \"text\""].iter().any(|item| text.contains(item));
            rendered.is_ok_and(|Rendered { text, .. }| text.contains(TEXT) && !is_list(&text))
        })
    }

    fn render_as(
        &self,
        messages: &[Message],
        add_generation_prompt: bool,
        as_parts: bool,
    ) -> Result<Rendered, ChatError> {
        let written = Arc::new(AtomicUsize::new(0));
        let generated = Arc::new(Mutex::new(Vec::new()));
        let mut context: BTreeMap<&str, Value> = BTreeMap::from([("tools", ().into()), ("documents", ().into())]);
        context.extend(self.variables.iter().map(|(name, value)| (name.as_str(), value.clone())));
        context.extend(self.now.map(|now| ("strftime_now", strftime_at(now))));
        context.insert("messages", messages.iter().map(|message| message.to_value(as_parts)).collect());
        context.insert("add_generation_prompt", add_generation_prompt.into());
        context.insert(FUNCTION, tracker(Arc::clone(&written), Arc::clone(&generated)));

        let mut text = Text { bytes: Vec::new(), written };
        let template = self.environment.get_template(TEMPLATE).map_err(|error| render_error(&error))?;
        template.render_captured_to(Value::from_pairs(context), &mut text).map_err(|error| render_error(&error))?;
        let generated = std::mem::take(&mut *generated.lock().unwrap_or_else(PoisonError::into_inner));
        // The engine writes whole strings.
        let text = String::from_utf8_lossy(&text.bytes).into_owned();
        Ok(Rendered { text, generated })
    }
}

impl fmt::Debug for ChatTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let variables = self.variables.keys();
        f.debug_struct("ChatTemplate").field("variables", &variables).field("now", &self.now).finish_non_exhaustive()
    }
}

/// What a generation block calls: notes where its text is going to be written.
fn tracker(written: Arc<AtomicUsize>, generated: Arc<Mutex<Vec<Range<usize>>>>) -> Value {
    Value::from_function(move |state: &mut State, options: Kwargs| -> Result<Value, Error> {
        let body: Value = options.get("caller")?;
        let text = body.call(state, &[])?;
        let start = written.load(Ordering::Relaxed);
        let end = start + text.as_str().map_or(0, str::len);
        generated.lock().unwrap_or_else(PoisonError::into_inner).push(start..end);
        Ok(text)
    })
}

/// A text that is written piece by piece, and how much there is of it.
struct Text {
    bytes: Vec<u8>,
    written: Arc<AtomicUsize>,
}

impl io::Write for Text {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > MAX_TEXT {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(bytes);
        self.written.store(self.bytes.len(), Ordering::Relaxed);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
