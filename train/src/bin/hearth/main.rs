//! The program `hearth`: one file a subcommand.

mod bench;
mod certify;
mod chat;
mod check;
mod devices;
mod eval;
mod export;
mod generate;
mod init;
mod output;
mod overrides;
mod plan;
mod plot;
mod prepare;
mod presets;
mod runs;
mod scale;
mod shell;
mod table;
mod train;

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use output::LogLevel;

const VERSION: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    " (",
    env!("HEARTH_COMMIT"),
    ", Burn ",
    env!("HEARTH_BURN"),
    ", wgpu ",
    env!("HEARTH_WGPU"),
    ")"
);

/// Trains language models on the GPU you already own.
#[derive(Parser)]
#[command(name = "hearth", version = VERSION, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// What is logged on standard error, of libraries too; RUST_LOG says it for each by itself.
    #[arg(long, global = true, value_enum, value_name = "LEVEL")]
    log_level: Option<LogLevel>,
}

#[derive(Subcommand)]
enum Command {
    Init(init::InitCommand),
    Check(check::CheckCommand),
    Presets(presets::PresetsCommand),
    Devices(devices::DevicesCommand),
    Prepare(prepare::PrepareCommand),
    Plan(plan::PlanCommand),
    Bench(bench::BenchCommand),
    Train(train::TrainCommand),
    Scale(scale::ScaleCommand),
    Generate(generate::GenerateCommand),
    Export(export::ExportCommand),
    Chat(chat::ChatCommand),
    Eval(eval::EvalCommand),
    Runs(runs::RunsCommand),
    Plot(plot::PlotCommand),
    Certify(certify::CertifyCommand),
    Completions(shell::CompletionsCommand),
    Man(shell::ManCommand),
}

/// The program's arguments. A value may begin with a minus and a digit: then it is the number that is wrong, not an argument that
/// nobody knows.
fn program() -> clap::Command {
    Arguments::command().mut_subcommands(|command| {
        command.mut_args(|argument| match argument.get_action().takes_values() {
            true => argument.allow_negative_numbers(true),
            false => argument,
        })
    })
}

fn main() -> ExitCode {
    hearth_train::devices::keep_freed_host_memory();
    hearth_train::devices::quiet_drivers();
    let arguments = match program().try_get_matches().and_then(|found| Arguments::from_arg_matches(&found)) {
        Ok(arguments) => arguments,
        // Help and version are output like any other.
        Err(error) => {
            let code = ExitCode::from(error.exit_code() as u8);
            return output::exit_code(error.print().map(|()| code).map_err(Into::into));
        }
    };
    output::log_as_told(arguments.log_level);
    output::exit_code(match arguments.command {
        Command::Init(command) => command.run(),
        Command::Check(command) => command.run(),
        Command::Presets(command) => command.run(),
        Command::Devices(command) => command.run(),
        Command::Prepare(command) => command.run(),
        Command::Plan(command) => command.run(),
        Command::Bench(command) => command.run(),
        Command::Train(command) => command.run(),
        Command::Scale(command) => command.run(),
        Command::Generate(command) => command.run(),
        Command::Export(command) => command.run(),
        Command::Chat(command) => command.run(),
        Command::Eval(command) => command.run(),
        Command::Runs(command) => command.run(),
        Command::Plot(command) => command.run(),
        Command::Certify(command) => command.run(),
        Command::Completions(command) => command.run(program()),
        Command::Man(command) => command.run(program()),
    })
}
