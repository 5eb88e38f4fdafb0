//! The program `hearth`: one file a subcommand.

mod bench;
mod certify;
mod check;
mod devices;
mod generate;
mod init;
mod output;
mod overrides;
mod plan;
mod prepare;
mod presets;
mod train;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Trains language models on the GPU you already own.
#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
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
    Generate(generate::GenerateCommand),
    Certify(certify::CertifyCommand),
}

fn main() -> ExitCode {
    hearth_train::devices::keep_freed_host_memory();
    let arguments = Arguments::parse();
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("error,hearth=info")).init();
    output::exit_code(match arguments.command {
        Command::Init(command) => command.run(),
        Command::Check(command) => command.run(),
        Command::Presets(command) => command.run(),
        Command::Devices(command) => command.run(),
        Command::Prepare(command) => command.run(),
        Command::Plan(command) => command.run(),
        Command::Bench(command) => command.run(),
        Command::Train(command) => command.run(),
        Command::Generate(command) => command.run(),
        Command::Certify(command) => command.run(),
    })
}
