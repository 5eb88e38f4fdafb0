//! Standard output and standard error of the program: whoever reads them may go away, as in `hearth devices | head -1`.

use std::{
    io::{self, ErrorKind, Write},
    process::ExitCode,
};

use clap::ValueEnum;
use log::LevelFilter;

/// The exit code that a shell gives for a program that SIGPIPE ended, 128 and the signal's number: neither success nor failure.
const READER_IS_GONE: u8 = 128 + 13;

/// Says `text` on standard error; where nobody reads that, nobody is told.
pub fn tell(text: impl std::fmt::Display) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// How much is logged.
#[derive(Clone, Copy, ValueEnum)]
pub enum LogLevel {
    Off,
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

/// Has what libraries log be told as the program tells it, a line each: so much, or as RUST_LOG says.
pub fn log_as_told(level: Option<LogLevel>) {
    let mut logger = env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("error,hearth=info"));
    if let Some(level) = level {
        logger.filter_level(match level {
            LogLevel::Off => LevelFilter::Off,
            LogLevel::Error => LevelFilter::Error,
            LogLevel::Warn => LevelFilter::Warn,
            LogLevel::Info => LevelFilter::Info,
            LogLevel::Debug => LevelFilter::Debug,
            LogLevel::Trace => LevelFilter::Trace,
        });
    }
    logger.format(|out, record| {
        let level = match record.level() {
            log::Level::Warn => "warning: ",
            log::Level::Error => "error: ",
            _ => "",
        };
        writeln!(out, "{level}{}", record.args())
    });
    logger.init();
}

/// The exit code for what a command came to. An error is told in one sentence, unless it is that the reader of standard
/// output has gone away: then the program ends without a word.
pub fn exit_code(result: anyhow::Result<ExitCode>) -> ExitCode {
    match result {
        Ok(code) => code,
        Err(error) if is_broken_pipe(&error) => ExitCode::from(READER_IS_GONE),
        Err(error) => {
            // One with a context says itself what it is about.
            let is_of_output = error.is::<io::Error>() && error.chain().count() == 1;
            let what = if is_of_output { "standard output cannot be written: " } else { "" };
            tell(format_args!("error: {what}{error}"));
            ExitCode::FAILURE
        }
    }
}

/// Whether the error is one of writing to standard output, and not of some file of the run, whose errors name it.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use hearth_train::TrainError;

    use super::*;

    #[test]
    fn only_standard_output_ends_quietly() {
        let broken = || io::Error::from(ErrorKind::BrokenPipe);
        assert!(is_broken_pipe(&broken().into()));
        assert!(!is_broken_pipe(&io::Error::from(ErrorKind::StorageFull).into()));
        let of_a_file = TrainError::Io { action: "reading", path: "file".into(), cause: broken() };
        assert!(!is_broken_pipe(&of_a_file.into()));
    }
}
