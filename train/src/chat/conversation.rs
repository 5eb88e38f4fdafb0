//! A conversation.

use std::ops::ControlFlow;

use hearth_data::chat::{ChatTemplate, Message};
use hearth_model::{Generator, Sampling};

use crate::{
    TrainError,
    run::TrainedModel,
    session::{DrawOptions, Drawn, draw_on},
};

/// A chat with a model. Of each turn only what is new is read: the keys and values of what came before are kept.
pub struct Conversation<'a> {
    trained: &'a TrainedModel,
    generator: Generator<'a>,
    template: ChatTemplate,
    /// The tokens that end a turn.
    ends: Vec<u32>,
    system: Option<String>,
    /// What was said, the user first and in turn.
    turns: Vec<Message>,
    /// Tokens of the history and an answer, at most.
    context: usize,
}

/// How an answer is drawn.
#[derive(Clone, Debug)]
pub struct ReplyOptions {
    /// Tokens of the answer, at most.
    pub max_tokens: usize,
    /// How each is drawn.
    pub sampling: Sampling,
}

/// What became of a turn.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reply {
    /// The answer.
    pub text: String,
    /// How many tokens it has, and why it ended.
    pub drawn: Drawn,
    /// Tokens that the model read for it: those that it had not read before.
    pub read: usize,
    /// Messages that were dropped from the beginning of the chat, for it had become longer than the context.
    pub dropped: usize,
    /// Whether the answer had less room than it was allowed.
    pub short_of_room: bool,
}

impl<'a> Conversation<'a> {
    /// A chat that has not begun, by a template of the model's, whose turns end at one of `ends`. It has at most `context` tokens,
    /// and never more than the model's own context.
    pub fn new(trained: &'a TrainedModel, template: ChatTemplate, ends: Vec<u32>, context: usize) -> Self {
        let context = context.min(trained.model.config().context_length);
        let generator = Generator::new(&trained.model, context);
        Self { trained, generator, template, ends, system: None, turns: Vec::new(), context }
    }

    /// Has the chat begin with this message of the system from now on; without one, as the template has it.
    pub fn set_system(&mut self, text: Option<String>) {
        self.system = text;
    }

    /// Forgets what was said.
    pub fn reset(&mut self) {
        self.turns.clear();
    }

    /// Takes the last message and its answer back; says whether there was one.
    pub fn undo(&mut self) -> bool {
        let left = self.turns.len().saturating_sub(2);
        let was_one = !self.turns.is_empty();
        self.turns.truncate(left);
        was_one
    }

    /// Messages of the user and the model so far.
    pub fn messages(&self) -> &[Message] {
        &self.turns
    }

    /// Says `text` and gives the answer to `show` as it becomes certain; `show` ends it by breaking. What came of it until then is
    /// the answer. After an error the chat is as it was before.
    ///
    /// # Errors
    /// A message that is longer than the context, one that the template refuses, a device that fails.
    pub async fn say(
        &mut self,
        text: &str,
        options: &ReplyOptions,
        mut show: impl AsyncFnMut(&str) -> ControlFlow<()>,
    ) -> Result<Reply, TrainError> {
        let before = self.turns.clone();
        self.turns.push(Message::new("user", text));
        let mut answer = String::new();
        let show = async |piece: &str| {
            answer.push_str(piece);
            show(piece).await
        };
        match self.answer(options, show).await {
            Ok(reply) => {
                self.turns.push(Message::new("assistant", answer.as_str()));
                Ok(Reply { text: answer, ..reply })
            }
            Err(error) => {
                self.turns = before;
                Err(error)
            }
        }
    }

    async fn answer(
        &mut self,
        options: &ReplyOptions,
        show: impl AsyncFnMut(&str) -> ControlFlow<()>,
    ) -> Result<Reply, TrainError> {
        let (prompt, dropped) = self.prompt(options.max_tokens)?;
        let room = self.context - prompt.len();
        let same = self.generator.read().iter().zip(&prompt).take_while(|(read, id)| read == id).count();
        let draw = DrawOptions {
            tokens: options.max_tokens.min(room),
            sampling: options.sampling.clone(),
            ends: &self.ends,
            stops: &[],
        };
        let drawn = draw_on(&mut self.generator, &self.trained.tokenizer, &prompt, draw, show).await?;
        let read = prompt.len() - same.min(prompt.len() - 1);
        Ok(Reply { text: String::new(), drawn, read, dropped, short_of_room: room < options.max_tokens })
    }

    /// The ids of the chat up to where the answer begins, and how many messages were dropped so that it has room.
    fn prompt(&mut self, max_tokens: usize) -> Result<(Vec<u32>, usize), TrainError> {
        // An answer has at least a quarter of the context, if it may have as much.
        let most = self.context - max_tokens.min(self.context / 4).max(1);
        let ids = self.encoded()?;
        if ids.len() <= most {
            return Ok((ids, 0));
        }
        // More than is needed, so that not every turn from here on reads the whole chat again.
        let mut dropped = 0;
        while self.turns.len() > 2 {
            self.turns.drain(..2);
            dropped += 2;
            let ids = self.encoded()?;
            if ids.len() <= 2 * most / 3 {
                return Ok((ids, dropped));
            }
        }
        let ids = self.encoded()?;
        match ids.len() <= most {
            true => Ok((ids, dropped)),
            false => {
                let reason = format!(
                    "has {} tokens with what the template and the system's message add, and the context leaves {most} for it: \
                     shorten it, or give a larger --context",
                    ids.len()
                );
                Err(TrainError::Config { source_name: "the message".into(), reason })
            }
        }
    }

    fn encoded(&self) -> Result<Vec<u32>, TrainError> {
        let system = self.system.as_ref().map(|text| Message::new("system", text.as_str()));
        let messages: Vec<Message> = system.into_iter().chain(self.turns.iter().cloned()).collect();
        let failed = |reason: String| TrainError::Config { source_name: "the chat".into(), reason };
        let text = self.template.render(&messages, true).map_err(|error| failed(error.to_string()))?;
        let ids = self.trained.tokenizer.encode_with_special(&text)?;
        match ids.is_empty() {
            true => Err(failed("the chat template writes nothing: give another with --template FILE".into())),
            false => Ok(ids),
        }
    }
}
