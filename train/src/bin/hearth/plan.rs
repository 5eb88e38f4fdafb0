//! `hearth plan`.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;
use hearth_train::{
    TrainConfig,
    devices::{DeviceChoice, matmul_flops, open},
    plan::{Rates, Table, choose},
    run::tokenizer,
};

/// Show what a run would take in memory, and how it would be cut to fit.
#[derive(Args)]
pub struct Plan {
    /// The configuration of the run.
    config: PathBuf,
    /// Override a field, as in `--set memory.budget_mib=4096`; may be given many times.
    #[arg(long, value_name = "SECTION.FIELD=VALUE")]
    set: Vec<String>,
    /// auto, cpu, wgpu or wgpu:N (see `hearth devices`).
    #[arg(long, default_value_t)]
    device: DeviceChoice,
}

impl Plan {
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let mut config = TrainConfig::read(&self.config, &self.set)?;
        if config.model.vocab_size == 0 {
            // The tokenizer decides it, and the text may decide the tokenizer.
            config.model.vocab_size = tokenizer(&config.data)?.vocab_size();
        }
        config.kernels.apply();
        let device = open(self.device)?;
        let rates = Rates { flops: matmul_flops(&device.device), ..Rates::default() };
        let choice = choose(&config, &device.limits, &rates)?;
        println!("{}", device.name);
        print!("{}", Table { model: &config.model, choice: &choice });
        Ok(ExitCode::SUCCESS)
    }
}
