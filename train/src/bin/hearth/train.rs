//! `hearth train`.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;
use hearth_train::{
    TrainConfig,
    devices::{DeviceChoice, open},
    report::FrontKind,
    run::{Run, RunFolder, stop_on_ctrl_c},
};

/// Train a model as a TOML file says.
#[derive(Args)]
pub struct Train {
    /// The configuration.
    config: PathBuf,
    /// Override a field, as in `--set optimizer.learning_rate=3e-4`; may be given many times.
    #[arg(long, value_name = "SECTION.FIELD=VALUE")]
    set: Vec<String>,
    /// auto, cpu, wgpu or wgpu:N (see `hearth devices`).
    #[arg(long, default_value_t)]
    device: DeviceChoice,
    /// The run's folder; by default runs/ and the configuration's name, or the next free one.
    #[arg(long)]
    out: Option<PathBuf>,
    /// Show the terminal dashboard instead of a progress bar.
    #[arg(long)]
    tui: bool,
}

impl Train {
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let config = TrainConfig::read(&self.config, &self.set)?;
        let folder = self.out.unwrap_or_else(|| default_folder(&self.config));
        let summary = Run {
            config,
            text: None,
            device: open(self.device)?,
            folder: folder.clone(),
            front: if self.tui { FrontKind::Dashboard } else { FrontKind::Progress },
            stop: stop_on_ctrl_c(),
        }
        .go()?;
        println!(
            "{} after {} steps ({} tokens, {:.1} s, {:.0} tokens/s): train {:.4}, validation {:.4} nats per token",
            if summary.interrupted { "stopped" } else { "finished" },
            summary.steps,
            summary.tokens,
            summary.seconds,
            summary.tokens_per_second,
            summary.train_loss,
            summary.val_loss,
        );
        if let [Some(first), tenth] = summary.first_and_tenth {
            let tenth = tenth.map_or(String::new(), |tenth| format!(", the tenth after {tenth:.1} s"));
            println!("first step after {first:.1} s{tenth}");
        }
        println!("run folder {}, loss curve {}", folder.display(), summary.picture.display());
        Ok(ExitCode::SUCCESS)
    }
}

fn default_folder(config: &Path) -> PathBuf {
    RunFolder::free(Path::new("runs").join(config.file_stem().unwrap_or_default()))
}
