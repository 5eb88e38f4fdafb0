//! `hearth scale`.

mod outcome;
mod picture;
mod show;

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::atomic::Ordering,
};

use anyhow::{Context, bail};
use clap::Args;
use hearth_train::{
    TrainConfig,
    devices::{DeviceChoice, OpenDevice, open},
    report::FrontKind,
    run::{DataSize, data_size, stop_on_ctrl_c},
    scale::{Budget, Check, Choices, Ladder, LadderOptions, Machine, Measured, Point, Runner, duration, fit},
};

use outcome::Outcome;

use crate::{output::tell, overrides::Overrides};

/// How much more the target is than the ladder's budget where none is given: a law should not be trusted much further.
const USUAL_TARGET: f64 = 10.0;

/// Train a ladder of small models, fit the law that their losses follow, and say which size to train for a larger budget.
#[derive(Args)]
pub struct ScaleCommand {
    /// The configuration: sizes have its head width and its blocks to the width, and all else is as it says.
    config: PathBuf,
    #[command(flatten)]
    overrides: Overrides,
    /// auto, cpu, wgpu or wgpu:N (see `hearth devices`).
    #[arg(long, default_value_t)]
    device: DeviceChoice,
    /// What all runs of the ladder may take: FLOPs, as 1e15, or a duration, as 90s, 10m, 8h or 2d.
    #[arg(long, default_value = "10m")]
    budget: Budget,
    /// The budget to advise for, as --budget; by default ten times that.
    #[arg(long, value_name = "BUDGET")]
    target: Option<Budget>,
    /// Number of sizes, 3 to 16; each has about half the parameters of the next, and two runs.
    #[arg(long, default_value_t = 5)]
    sizes: usize,
    /// Training tokens of each parameter in the longer run of each size; the shorter has a quarter.
    #[arg(long, value_name = "TOKENS", default_value_t = 20.0, allow_negative_numbers = true)]
    tokens_per_parameter: f64,
    /// The folder of the ladder's runs, of scale.svg and of target.toml, which is the run that is advised. Runs that are
    /// finished there are not run again; by default runs/ and the configuration's name with -scale.
    #[arg(long)]
    out: Option<PathBuf>,
    /// Print the ladder only: train nothing and write nothing.
    #[arg(long)]
    dry_run: bool,
    /// Say nothing while it trains.
    #[arg(long)]
    quiet: bool,
    /// Print one JSON object instead of tables.
    #[arg(long)]
    json: bool,
}

impl ScaleCommand {
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let mut config = TrainConfig::read(&self.config, &self.overrides.all())?;
        config.data.require_source(&self.config.display().to_string())?;
        let data = data_size(&config)?;
        require_validation(&self.config, &data)?;
        if config.model.vocab_size == 0 {
            config.model.vocab_size = data.vocab_size;
        }
        config.kernels.apply();
        let device = open(self.device)?;
        device.note.iter().for_each(tell);
        let machine = Machine::of(&device);
        let Self { budget, sizes, tokens_per_parameter, .. } = self;
        let ladder = Ladder::plan(&config, &machine, LadderOptions { budget, sizes, tokens_per_parameter })?;
        ladder.too_large.iter().for_each(tell);
        let mut out = io::stdout().lock();
        if self.dry_run {
            match self.json {
                true => writeln!(out, "{}", show::json(&ladder, None))?,
                false => show::ladder(&ladder, &device.name, &data, &mut out)?,
            }
            return Ok(ExitCode::SUCCESS);
        }
        if !self.json {
            show::ladder(&ladder, &device.name, &data, &mut out)?;
        }
        // Before anything is trained, so that no run is in vain.
        Choices::of(&config, &machine, self.target())?;
        let Some(measured) = self.train(&ladder, &device)? else { return Ok(ExitCode::SUCCESS) };
        let outcome = self.conclude(&config, machine, &ladder, measured)?;
        let folder = self.out();
        picture::write(&ladder, &outcome, &config, &folder)?;
        let target = folder.join("target.toml");
        fs::write(&target, outcome.advice.rung.config.to_toml())
            .with_context(|| format!("writing {}", target.display()))?;
        match self.json {
            true => writeln!(out, "{}", show::json(&ladder, Some(&outcome)))?,
            false => show::outcome(&ladder, &outcome, &data, &folder, &mut out)?,
        }
        Ok(ExitCode::SUCCESS)
    }

    fn target(&self) -> Budget {
        self.target.unwrap_or(self.budget.times(USUAL_TARGET))
    }

    fn out(&self) -> PathBuf {
        let usual = || {
            let mut name = self.config.file_stem().unwrap_or("run".as_ref()).to_owned();
            name.push("-scale");
            Path::new("runs").join(name)
        };
        self.out.clone().unwrap_or_else(usual)
    }

    /// Trains what is not finished; none where the user ended it.
    fn train(&self, ladder: &Ladder, device: &OpenDevice) -> anyhow::Result<Option<Vec<Measured>>> {
        let (out, stop) = (self.out(), stop_on_ctrl_c());
        let front = if self.quiet { FrontKind::Quiet } else { FrontKind::Progress };
        let runner = Runner { out: &out, device, front, stop: stop.clone() };
        let mut there = ladder.rungs.iter().map(|rung| runner.finished(rung)).collect::<Result<Vec<_>, _>>()?;
        let mut measured = Vec::new();
        for (at, rung) in ladder.rungs.iter().enumerate() {
            let say = |what: &str| {
                if !self.quiet {
                    tell(format_args!("run {} of {}: {}{what}", at + 1, ladder.rungs.len(), rung.name()));
                }
            };
            let trained = match there[at].take() {
                Some(finished) => {
                    say(", finished before");
                    Some(finished)
                }
                None => {
                    say(&rung
                        .seconds
                        .as_ref()
                        .map_or(String::new(), |seconds| format!(", about {}", duration(*seconds))));
                    runner.train(rung)?
                }
            };
            let is_last = at + 1 == ladder.rungs.len();
            match trained {
                Some(it) if is_last || !stop.load(Ordering::Relaxed) => measured.push(it),
                _ => {
                    tell("stopped: the same command goes on with the ladder");
                    return Ok(None);
                }
            }
        }
        Ok(Some(measured))
    }

    fn conclude(
        &self,
        config: &TrainConfig,
        machine: Machine,
        ladder: &Ladder,
        measured: Vec<Measured>,
    ) -> anyhow::Result<Outcome> {
        let points: Vec<Point> = measured.iter().map(|it| it.point).collect();
        let Some(fitted) = fit(&points) else {
            bail!("{}: no law can be fitted to these losses; give more --sizes", self.out().display());
        };
        // Of the largest size, whose speed is nearest to that of what is advised.
        let last = ladder.rungs.iter().zip(&measured).next_back();
        let speed = last.and_then(|(rung, it)| Some((rung, rung.seconds.as_ref().ok()?, it.tokens_per_second?)));
        let machine = match speed {
            Some((rung, planned, speed)) => machine.corrected(*planned, rung.tokens as f64 / speed),
            None => machine,
        };
        let target = self.target();
        let advice = Choices::of(config, &machine, target)?.best(&fitted, &points);
        Ok(Outcome { check: Check::of(&points), measured, fit: fitted, target, advice })
    }
}

/// # Errors
/// Nothing is held out: losses on it are what a law is fitted to.
fn require_validation(config: &Path, data: &DataSize) -> anyhow::Result<()> {
    if !data.validates {
        bail!(
            "{}: the data has no validation part, whose loss a law is fitted to; set data.validation_fraction, as to 0.1, or \
             prepare the folder with --validation-fraction 0.1",
            config.display()
        );
    }
    Ok(())
}
