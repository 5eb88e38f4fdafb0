//! `hearth completions` and `hearth man`: what a shell and `man` know of the program.

use std::{
    fs,
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use anyhow::Context;
use clap::{Args, Command};
use clap_complete::Shell;

/// Print the completions of a shell, as in `hearth completions bash > ~/.local/share/bash-completion/completions/hearth`.
#[derive(Args)]
pub struct CompletionsCommand {
    /// The shell.
    shell: Shell,
}

/// Write the manual pages, as in `hearth man --out ~/.local/share/man/man1`; without a folder, print the first.
#[derive(Args)]
pub struct ManCommand {
    /// The folder that the pages go to: hearth.1, and one for each command.
    #[arg(long)]
    out: Option<PathBuf>,
}

impl CompletionsCommand {
    pub fn run(self, mut program: Command) -> anyhow::Result<ExitCode> {
        // Written in one go: the generator itself ends the program where nobody reads.
        let mut text = Vec::new();
        clap_complete::generate(self.shell, &mut program, "hearth", &mut text);
        io::stdout().write_all(&text)?;
        Ok(ExitCode::SUCCESS)
    }
}

impl ManCommand {
    pub fn run(self, program: Command) -> anyhow::Result<ExitCode> {
        let Some(folder) = self.out else {
            let mut text = Vec::new();
            clap_mangen::Man::new(program).render(&mut text)?;
            io::stdout().write_all(&text)?;
            return Ok(ExitCode::SUCCESS);
        };
        let written = fs::create_dir_all(&folder).and_then(|()| clap_mangen::generate_to(program, &folder));
        written.with_context(|| format!("--out {}: the pages cannot be written", folder.display()))?;
        writeln!(io::stdout(), "manual pages in {}", folder.display())?;
        Ok(ExitCode::SUCCESS)
    }
}
