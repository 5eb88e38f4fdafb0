//! `hearth chat`.

mod input;
mod interrupt;
mod slash;

use std::{
    io::{self, IsTerminal, Write},
    ops::ControlFlow,
    path::PathBuf,
    process::ExitCode,
    time::Instant,
};

use anyhow::bail;
use clap::Args;
use hearth_model::Sampling;
use hearth_train::{
    chat::{Conversation, Reply, ReplyOptions, SamplingDefaults, template_of, turn_ends},
    devices::{DeviceChoice, open},
    run::{RunFolder, told_at},
    session::TextEnd,
};

use self::{
    input::{ChatInput, Line},
    interrupt::Interrupt,
    slash::Slash,
};
use crate::output::tell;

/// Tokens of a chat where --context does not say it: keys and values of more take gigabytes.
const CONTEXT: usize = 8192;

/// Chat with a model in the terminal. From a pipe each line is a message, and answers alone are printed.
#[derive(Args)]
pub struct ChatCommand {
    /// The folder that `hearth train` made, one of its checkpoints, or a published model: a folder of Hugging Face's, or a .gguf file.
    run: PathBuf,
    /// What the system says before the chat.
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    system: Option<String>,
    /// A file with a chat template (Jinja), instead of the model's own.
    #[arg(long, value_name = "FILE")]
    template: Option<PathBuf>,
    /// Tokens of an answer, at most.
    #[arg(long, default_value_t = 1024, value_name = "N")]
    max_tokens: usize,
    /// Tokens of the chat, at most; where it has more, the oldest messages are dropped [default: the model's, 8192 at most].
    #[arg(long, value_name = "N")]
    context: Option<usize>,
    /// Divides the logits; 0 always takes the likeliest token [default: the model's generation_config.json, else 0.8].
    #[arg(long)]
    temperature: Option<f64>,
    /// Draw among so many likeliest tokens; 0 for all [default: the model's, else 0].
    #[arg(long)]
    top_k: Option<usize>,
    /// Draw among the likeliest tokens that together reach this probability [default: the model's, else 1].
    #[arg(long)]
    top_p: Option<f64>,
    /// The same seed and messages give the same answers.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Say nothing on standard error but errors.
    #[arg(long)]
    quiet: bool,
    /// auto, cpu, wgpu or wgpu:N (see `hearth devices`).
    #[arg(long, default_value_t)]
    device: DeviceChoice,
}

impl ChatCommand {
    pub fn run(self) -> anyhow::Result<ExitCode> {
        if self.max_tokens == 0 {
            bail!("--max-tokens 0: must be at least 1");
        }
        let folder = RunFolder::existing(self.run.clone());
        let sampling = self.sampling()?;
        let device = open(self.device)?;
        let trained = folder.load(&device.device)?;
        let told = told_at(&self.run);
        let template = template_of(&told, &trained.tokenizer, self.template.as_deref())?;
        let ends = turn_ends(&told, &trained.tokenizer, &template)?;
        if !self.quiet {
            trained.note.iter().for_each(tell);
        }
        let longest = trained.model.config().context_length;
        let context = self.context.unwrap_or(longest.min(CONTEXT));
        if !(8..=longest).contains(&context) {
            bail!("--context {context}: must be from 8 to {longest}, the model's context");
        }
        let mut conversation = Conversation::new(&trained, template, ends, context);
        conversation.set_system(self.system.clone());
        let interrupt = Interrupt::install();
        let mut chat = Chat { command: &self, sampling, interrupt, answers: 0, is_interactive: false };
        let mut input = ChatInput::open()?;
        chat.is_interactive = input.is_terminal();
        if chat.is_interactive && !self.quiet {
            tell(slash::HELP);
        }
        while let Some(line) = input.next()? {
            if chat.line(&mut conversation, &line)?.is_break() {
                break;
            }
        }
        Ok(ExitCode::SUCCESS)
    }

    /// The sampling that is asked for, or else the model's own.
    fn sampling(&self) -> anyhow::Result<Sampling> {
        let defaults = SamplingDefaults::of(&told_at(&self.run))?;
        let plain = Sampling::default();
        let sampling = Sampling {
            temperature: self.temperature.or(defaults.temperature).unwrap_or(plain.temperature),
            top_k: self.top_k.or(defaults.top_k).unwrap_or(plain.top_k),
            top_p: self.top_p.or(defaults.top_p).unwrap_or(plain.top_p),
            seed: self.seed,
            ..plain
        };
        sampling.validate()?;
        if defaults != SamplingDefaults::default() && !self.quiet {
            let Sampling { temperature, top_k, top_p, .. } = sampling;
            tell(format_args!(
                "generation_config.json and the command line: temperature {temperature}, top-k {top_k}, top-p {top_p}"
            ));
        }
        Ok(sampling)
    }
}

/// The chat as the terminal has it.
struct Chat<'a> {
    command: &'a ChatCommand,
    sampling: Sampling,
    interrupt: Interrupt,
    /// Answers so far, for each has a seed of its own.
    answers: u64,
    is_interactive: bool,
}

impl Chat<'_> {
    /// Does what a line says; breaks where it ends the chat.
    fn line(&mut self, conversation: &mut Conversation<'_>, line: &Line) -> anyhow::Result<ControlFlow<()>> {
        if line.text.trim().is_empty() {
            return Ok(ControlFlow::Continue(()));
        }
        let done = match Slash::parse(&line.text) {
            Ok(None) => self.say(conversation, &line.text),
            Ok(Some(Slash::Quit)) => return Ok(ControlFlow::Break(())),
            Ok(Some(slash)) => {
                self.obey(conversation, slash);
                Ok(())
            }
            Err(error) => Err(anyhow::Error::msg(error)),
        };
        match done {
            Ok(()) => Ok(ControlFlow::Continue(())),
            // Of whoever reads the answers.
            Err(error) if error.is::<io::Error>() => Err(error),
            Err(error) if self.is_interactive => {
                tell(format_args!("error: {error}"));
                Ok(ControlFlow::Continue(()))
            }
            Err(error) => bail!("line {}: {error}", line.number),
        }
    }

    fn obey(&self, conversation: &mut Conversation<'_>, slash: Slash) {
        let said = match slash {
            Slash::Reset => {
                conversation.reset();
                "the chat begins anew"
            }
            Slash::System(text) => {
                conversation.set_system(text);
                "the system's message is set, from the beginning of the chat on"
            }
            Slash::Undo if conversation.undo() => "the last message and its answer are taken back",
            Slash::Undo => "there is no message to take back",
            Slash::Help | Slash::Quit => slash::HELP,
        };
        if self.is_interactive {
            tell(said);
        }
    }

    /// Says a message and shows the answer.
    fn say(&mut self, conversation: &mut Conversation<'_>, text: &str) -> anyhow::Result<()> {
        let sampling = Sampling { seed: self.sampling.seed.wrapping_add(self.answers), ..self.sampling.clone() };
        let options = ReplyOptions { max_tokens: self.command.max_tokens, sampling };
        let mut out = io::stdout().lock();
        let mut written = Ok(());
        let answering = self.interrupt.answering();
        let show = async |piece: &str| {
            written = write!(out, "{piece}").and_then(|()| out.flush());
            if written.is_err() || answering.is_stopped() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let begun = Instant::now();
        let reply = pollster::block_on(conversation.say(text, &options, show));
        drop(answering);
        written?;
        let reply = reply?;
        self.answers += 1;
        writeln!(out)?;
        out.flush()?;
        drop(out);
        if !self.command.quiet {
            self.tell_of(&reply, begun.elapsed().as_secs_f64());
        }
        Ok(())
    }

    fn tell_of(&self, reply: &Reply, seconds: f64) {
        if reply.dropped > 0 {
            tell(format_args!(
                "[the chat is longer than the context: its {} oldest messages were dropped]",
                reply.dropped
            ));
        }
        match reply.drawn.end {
            TextEnd::Tokens if reply.short_of_room => tell("[the answer was cut where the context ends]"),
            TextEnd::Tokens => tell(format_args!("[the answer was cut at --max-tokens {}]", self.command.max_tokens)),
            TextEnd::Interrupted => tell("[stopped]"),
            TextEnd::EndOfText | TextEnd::Stop => {}
        }
        if self.is_interactive && io::stderr().is_terminal() {
            let (tokens, read) = (reply.drawn.tokens, reply.read);
            let speed = tokens as f64 / seconds.max(1e-9);
            tell(format_args!("[{read} tokens read, {tokens} written, {speed:.1} a second]"));
        }
    }
}
