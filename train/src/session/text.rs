//! Text from a model: what a prompt becomes, and what is drawn behind it.

use std::ops::ControlFlow;

use hearth_data::{DataError, TextStream, Tokenizer, TokenizerError};
use hearth_model::{Generator, ModelError, Sampling, Transformer};

use crate::TrainError;

/// What a text begins with: the ids that the model reads first, and what of them is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompt {
    /// At least one.
    pub ids: Vec<u32>,
    /// Shown before what is drawn.
    pub text: String,
}

impl Prompt {
    /// The prompt of a text; with `special`, names of special tokens in it mean those tokens. Without a text, or with an empty
    /// one, a text begins as documents do: behind the token between them or, where there is none, at the start of a line.
    ///
    /// # Errors
    /// A character that the tokenizer does not have; `source` is what the user gave the text as.
    pub fn new(tokenizer: &Tokenizer, text: Option<&str>, special: bool, source: &str) -> Result<Self, TrainError> {
        let text = text.unwrap_or_default();
        if text.is_empty() {
            return Ok(Self::beginning(tokenizer));
        }
        let ids = if special { tokenizer.encode_with_special(text) } else { tokenizer.encode(text) };
        let ids = ids.map_err(|error| match error {
            DataError::Tokenizer(TokenizerError::UnknownCharacter { character, .. }) => TrainError::Config {
                source_name: source.into(),
                reason: format!(
                    "{character:?} is none of the characters that the model was trained on: leave it out, or give no prompt"
                ),
            },
            other => other.into(),
        })?;
        match ids.is_empty() {
            true => Ok(Self { text: text.into(), ..Self::beginning(tokenizer) }),
            false => Ok(Self { ids, text: text.into() }),
        }
    }

    fn beginning(tokenizer: &Tokenizer) -> Self {
        if let Some(end) = tokenizer.end_of_text() {
            return Self { ids: vec![end], text: String::new() };
        }
        let lines = ["\n", " "].into_iter();
        let found = lines.filter_map(|text| Some((tokenizer.encode(text).ok().filter(|ids| !ids.is_empty())?, text)));
        let first = || (vec![0], String::new());
        let (ids, text) = found.map(|(ids, text)| (ids, text.to_string())).next().unwrap_or_else(first);
        Self { ids, text }
    }
}

/// What was drawn behind a prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Drawn {
    /// Tokens that the model gave, the last included where it is not shown.
    pub tokens: usize,
    /// Why there are no more.
    pub end: TextEnd,
}

/// Why a text ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextEnd {
    /// It has all tokens that were asked for.
    Tokens,
    /// At the end-of-text token.
    EndOfText,
    /// Before a stop.
    Stop,
    /// Whoever it was shown to wanted no more.
    Interrupted,
}

impl TextEnd {
    /// Its name in records.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tokens => "tokens",
            Self::EndOfText => "end_of_text",
            Self::Stop => "stop",
            Self::Interrupted => "interrupted",
        }
    }
}

/// How text is drawn.
#[derive(Clone, Debug)]
pub struct DrawOptions<'a> {
    /// Tokens, at most.
    pub tokens: usize,
    /// How each is drawn.
    pub sampling: Sampling,
    /// Tokens that end the text and are not shown.
    pub ends: &'a [u32],
    /// Texts that end it, and are not shown; none is empty.
    pub stops: &'a [String],
}

/// Draws up to `tokens` tokens behind `prompt` and gives their text to `show`, in pieces, as it becomes certain; `show` ends it by
/// breaking. Returns how many there were, and why it ended. It ends before the first of `stops`, which are not empty, and with the
/// document: at the end-of-text token, which is not shown. No id is drawn that the tokenizer does not have.
///
/// # Errors
/// A prompt or settings that the model cannot take; a device that fails.
pub async fn draw(
    model: &Transformer,
    tokenizer: &Tokenizer,
    prompt: &Prompt,
    (tokens, sampling): (usize, Sampling),
    stops: &[String],
    show: impl AsyncFnMut(&str) -> ControlFlow<()>,
) -> Result<Drawn, TrainError> {
    let ends: Vec<u32> = tokenizer.end_of_text().into_iter().collect();
    let mut generator = Generator::new(model, prompt.ids.len().saturating_add(tokens));
    draw_on(&mut generator, tokenizer, &prompt.ids, DrawOptions { tokens, sampling, ends: &ends, stops }, show).await
}

/// As [`draw`], by a generator that may have read the beginning of `prompt` before.
///
/// # Errors
/// As [`draw`].
pub async fn draw_on(
    generator: &mut Generator<'_>,
    tokenizer: &Tokenizer,
    prompt: &[u32],
    options: DrawOptions<'_>,
    mut show: impl AsyncFnMut(&str) -> ControlFlow<()>,
) -> Result<Drawn, TrainError> {
    let DrawOptions { tokens, sampling, ends, stops } = options;
    let never = (0..generator.model().config().vocab_size as u32).filter(|id| !tokenizer.is_known(*id)).collect();
    let sampling = Sampling { never, ..sampling };
    let mut stream = TextStream::after(tokenizer, prompt)?;
    let mut held = Held { text: String::new(), stops, is_stopped: false };
    let mut fault = None;
    let mut end = TextEnd::Tokens;
    let on_token = async |id| {
        if ends.contains(&id) {
            end = TextEnd::EndOfText;
            return ControlFlow::Break(());
        }
        let flow = match stream.push(id) {
            Ok(text) => held.push(&text, &mut show).await,
            Err(error) => {
                fault = Some(error);
                ControlFlow::Break(())
            }
        };
        if flow.is_break() {
            end = if held.is_stopped { TextEnd::Stop } else { TextEnd::Interrupted };
        }
        flow
    };
    let drawn = generator.continue_text(prompt, tokens, &sampling, on_token).await;
    let ids = drawn.map_err(|error| match error {
        ModelError::Generate(reason) => TrainError::Config { source_name: "the text".into(), reason },
        other => other.into(),
    })?;
    if let Some(error) = fault {
        return Err(error.into());
    }
    if matches!(end, TextEnd::Tokens | TextEnd::EndOfText) {
        if held.push(&stream.finish(), &mut show).await.is_continue() {
            // What might have become a stop did not.
            let _ = show(&held.text).await;
        } else if held.is_stopped {
            end = TextEnd::Stop;
        }
    }
    Ok(Drawn { tokens: ids.len(), end })
}

/// Text that is not shown yet, for it may be the beginning of a stop.
struct Held<'a> {
    text: String,
    stops: &'a [String],
    /// Whether one of the stops came.
    is_stopped: bool,
}

impl Held<'_> {
    /// Shows what is no part of a stop; breaks where one is whole.
    async fn push(&mut self, text: &str, show: &mut impl AsyncFnMut(&str) -> ControlFlow<()>) -> ControlFlow<()> {
        self.text.push_str(text);
        if let Some(at) = self.stops.iter().filter_map(|stop| self.text.find(stop.as_str())).min() {
            self.is_stopped = true;
            let _ = show(&self.text[..at]).await;
            return ControlFlow::Break(());
        }
        let is_begun = |at: &usize| self.stops.iter().any(|stop| stop.starts_with(&self.text[*at..]));
        let certain = self.text.char_indices().map(|(at, _)| at).find(is_begun).unwrap_or(self.text.len());
        let shown: String = self.text.drain(..certain).collect();
        if shown.is_empty() { ControlFlow::Continue(()) } else { show(&shown).await }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use hearth_model::TransformerConfig;

    use super::*;

    /// What is shown of these pieces, one after the other, and whether a stop ended it.
    fn shown(pieces: &[&str], stops: &[&str]) -> (Vec<String>, bool) {
        let stops: Vec<String> = stops.iter().map(ToString::to_string).collect();
        let mut held = Held { text: String::new(), stops: &stops, is_stopped: false };
        let mut seen = Vec::new();
        for piece in pieces {
            let mut show = async |text: &str| {
                seen.push(text.to_string());
                ControlFlow::Continue(())
            };
            if pollster::block_on(held.push(piece, &mut show)).is_break() {
                return (seen, true);
            }
        }
        seen.push(held.text);
        (seen, false)
    }

    #[test]
    fn a_stop_ends_the_text_wherever_tokens_are_cut() {
        let texts = |list: &[&str]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(shown(&["ab", "cd"], &[]), (texts(&["ab", "cd", ""]), false));
        // Inside of a token, over two, and the first of several.
        assert_eq!(shown(&["ab.\ncd"], &["\n"]), (texts(&["ab."]), true));
        assert_eq!(shown(&["ab<", "en", "d>cd"], &["<end>"]), (texts(&["ab", ""]), true));
        assert_eq!(shown(&["abcd"], &["d", "b"]), (texts(&["a"]), true));
        // What only looks like one is shown when that is certain.
        assert_eq!(shown(&["a<", "en", "t"], &["<end>"]), (texts(&["a", "<ent", ""]), false));
        assert_eq!(shown(&["aé<"], &["<end>", "é!"]), (texts(&["aé", "<"]), false));
    }

    #[test]
    fn it_is_said_why_a_text_ended() {
        let tokenizer = Tokenizer::train_bpe(["abcabcab bcabc".repeat(9)].into_iter(), 260).unwrap();
        let config = TransformerConfig::llama(tokenizer.vocab_size(), 16, 1, 16, 2);
        let model = config.init(1, &Device::flex()).unwrap();
        let prompt = Prompt::new(&tokenizer, Some("abc"), false, "").unwrap();
        let drawn = |tokens: usize, stops: &[&str], most: usize| {
            let stops: Vec<String> = stops.iter().map(ToString::to_string).collect();
            let mut pieces = 0;
            let mut text = String::new();
            let show = async |piece: &str| {
                pieces += 1;
                text.push_str(piece);
                if pieces < most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            };
            let sampling = Sampling { temperature: 1.0, ..Sampling::default() };
            let drawn = draw(&model, &tokenizer, &prompt, (tokens, sampling), &stops, show);
            (pollster::block_on(drawn).unwrap(), text)
        };
        let all = usize::MAX;
        assert_eq!(drawn(3, &[], all).0, Drawn { tokens: 3, end: TextEnd::Tokens });
        // With weights that are near nothing, every token is as likely.
        let (ended, text) = drawn(20_000, &[], all);
        assert!(ended.end == TextEnd::EndOfText && ended.tokens < 20_000, "{ended:?}");
        assert!(!text.contains("<|endoftext|>") && text.len() > 10, "{text}");
        let stop = text.chars().nth(5).unwrap().to_string();
        assert_eq!(drawn(20_000, &[&stop], all).0.end, TextEnd::Stop);
        assert_eq!(drawn(20_000, &[], 2).0.end, TextEnd::Interrupted);
    }

    #[test]
    fn a_text_begins_as_documents_do() {
        let beginning = |text: &str| Prompt::new(&Tokenizer::chars_of(text).unwrap(), None, false, "").unwrap();
        assert_eq!(beginning("a\nb"), Prompt { ids: vec![0], text: "\n".into() });
        assert_eq!(beginning("b a"), Prompt { ids: vec![0], text: " ".into() });
        assert_eq!(beginning("ab"), Prompt { ids: vec![0], text: String::new() });
        let empty = Prompt::new(&Tokenizer::byte(), Some(""), false, "").unwrap();
        assert_eq!(empty, Prompt { ids: vec![10], text: "\n".into() });
        let error = Prompt::new(&Tokenizer::chars_of("ab").unwrap(), Some("abc"), false, "--prompt").unwrap_err();
        assert!(error.to_string().starts_with("--prompt: 'c' is none of the characters"), "{error}");
    }
}
