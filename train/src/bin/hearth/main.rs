//! The program `hearth`: one file a subcommand.

mod certify;
mod devices;
mod generate;
mod plan;
mod prepare;
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
    Devices(devices::Devices),
    Prepare(prepare::Prepare),
    Plan(plan::Plan),
    Train(train::Train),
    Generate(generate::Generate),
    Certify(certify::Certify),
}

fn main() -> ExitCode {
    hearth_train::devices::keep_freed_host_memory();
    let arguments = Arguments::parse();
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("error,hearth=info")).init();
    let result = match arguments.command {
        Command::Devices(command) => command.run(),
        Command::Prepare(command) => command.run(),
        Command::Plan(command) => command.run(),
        Command::Train(command) => command.run(),
        Command::Generate(command) => command.run(),
        Command::Certify(command) => command.run(),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
