//! `hearth train`.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::bail;
use clap::{Args, ValueEnum};
use hearth_train::{
    TrainConfig,
    devices::{DeviceChoice, OpenDevice, open},
    parallel::Exchange,
    report::{FrontKind, with_separators},
    run::{Run, RunFolder, RunSummary, Start, stop_on_ctrl_c},
};
use serde::Serialize;

use crate::overrides::Overrides;

/// Train a model as a TOML file says.
#[derive(Args)]
pub struct TrainCommand {
    /// The configuration; with --resume PATH the one of that run, if none is given.
    #[arg(required_unless_present = "resume")]
    config: Option<PathBuf>,
    #[command(flatten)]
    overrides: Overrides,
    /// auto, cpu, wgpu or wgpu:N (see `hearth devices`); several, as in wgpu:0,cpu, share each batch by their speeds.
    #[arg(long, default_value = "auto", value_delimiter = ',')]
    device: Vec<DeviceChoice>,
    /// How several ranks are started: `threads`, one for each --device, or `mpi`, the processes of `mpirun -n N hearth train
    /// ...`, of which each takes one --device by its number on its machine (see docs/devices.md).
    #[arg(long, default_value = "threads")]
    parallel: Ranks,
    /// The run's folder; by default runs/ and the configuration's name, or the next free one.
    #[arg(long)]
    out: Option<PathBuf>,
    /// Go on with a run: `auto` takes the newest checkpoint in the run's folder and starts anew if there is none; a path
    /// is a checkpoint, or the folder of a run.
    #[arg(long, value_name = "auto|PATH")]
    resume: Option<PathBuf>,
    /// With --resume PATH: start a new run with the weights of that checkpoint.
    #[arg(long, requires = "resume")]
    fork: bool,
    /// With --resume: steps may have other sequences (batch.micro_batch * batch.accumulation) than the run had; it keeps its
    /// place in the data.
    #[arg(long, requires = "resume", conflicts_with = "fork")]
    change_batch: bool,
    /// Show a dashboard with curves, texts and keys instead of the progress bar; needs a terminal.
    #[arg(long, conflicts_with = "quiet")]
    tui: bool,
    /// Say nothing while it trains.
    #[arg(long)]
    quiet: bool,
    /// Print what the run came to as a JSON object.
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Object<'a> {
    run: &'a Path,
    /// `limit`, `stopped` or `patience`, as in metrics.jsonl.
    end: &'a str,
    steps: u64,
    tokens: u64,
    seconds: f64,
    /// Not there where no step was timed.
    tokens_per_second: Option<f64>,
    train_loss: f64,
    val_loss: Option<f64>,
    best_val_loss: Option<f32>,
    best_step: Option<u64>,
}

/// How several ranks are started.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Ranks {
    Threads,
    Mpi,
}

impl TrainCommand {
    pub fn run(mut self) -> anyhow::Result<ExitCode> {
        let (line, local_rank) = match self.parallel {
            Ranks::Threads => (None, 0),
            Ranks::Mpi => {
                let (line, local_rank) = join()?;
                (Some(line), local_rank)
            }
        };
        let config_path = self.config_path()?;
        let begin = self.begin()?;
        let config = TrainConfig::read(&config_path, &self.overrides.all())?;
        config.data.require_source(&config_path.display().to_string())?;
        let (device, others) = match &line {
            None => open_all(&self.device)?,
            Some(_) => (open(self.device[local_rank % self.device.len()])?, Vec::new()),
        };
        if line.as_ref().is_some_and(|line| line.rank() > 0) {
            Run::new(config, device, "").line(line).follow()?;
            return Ok(ExitCode::SUCCESS);
        }
        let takes_next = self.out.is_none();
        let summary = Run::new(config, device, self.folder(&begin))
            .begin(begin)
            .changes_batch(self.change_batch)
            .takes_next(takes_next)
            .others(others)
            .line(line)
            .front(match (self.tui, self.quiet) {
                (true, _) => FrontKind::Dashboard,
                (_, true) => FrontKind::Quiet,
                _ => FrontKind::Progress,
            })
            .stop(stop_on_ctrl_c())
            .go()?;
        let mut out = io::stdout().lock();
        match self.json {
            true => writeln!(out, "{}", serde_json::to_string(&Object::of(&summary))?)?,
            false => show(&summary, &mut out)?,
        }
        Ok(ExitCode::SUCCESS)
    }

    fn resumes_by_itself(&self) -> bool {
        self.resume.as_deref() == Some(Path::new("auto"))
    }

    /// The configuration that is named, or that of the run that goes on.
    fn config_path(&self) -> anyhow::Result<PathBuf> {
        match (&self.config, &self.resume) {
            (Some(config), _) => Ok(config.clone()),
            (None, Some(path)) if !self.resumes_by_itself() => {
                if !path.join("config.toml").exists() {
                    let what = if path.exists() { "is no run and no checkpoint" } else { "is not there" };
                    bail!(
                        "--resume {}: {what}; give the folder that `hearth train` made, as runs/NAME, or one of its \
                         checkpoints",
                        path.display()
                    );
                }
                Ok(path.join("config.toml"))
            }
            _ => bail!("--resume auto needs the configuration too, as in `hearth train CONFIG --resume auto`"),
        }
    }

    fn begin(&mut self) -> anyhow::Result<Start> {
        let auto = self.resumes_by_itself();
        Ok(match self.resume.take() {
            None => Start::New,
            Some(_) if auto && self.fork => bail!("--fork needs the checkpoint: give --resume PATH"),
            Some(_) if auto => Start::Auto,
            Some(path) if self.fork => Start::Fork(path),
            Some(path) if self.out.is_some() => bail!(
                "--out and --resume {}: a run goes on in its own folder; start a new one from it with --fork",
                path.display()
            ),
            Some(path) => Start::Resume(path),
        })
    }

    /// The run's folder: the one that is named, else one by the configuration's name.
    fn folder(&mut self, begin: &Start) -> PathBuf {
        // A fork without a configuration of its own has the name of the run that it comes from.
        let name = match (self.config.as_deref(), begin) {
            (None, Start::Fork(path)) if path.join("manifest.json").exists() => path.parent().and_then(Path::file_name),
            (None, Start::Fork(path)) => path.file_name(),
            (config, _) => config.and_then(Path::file_stem),
        };
        let name = name.unwrap_or("run".as_ref());
        let runs = Path::new("runs");
        match (self.out.take(), begin) {
            (Some(folder), _) => folder,
            // A run goes on in its own folder.
            (None, Start::Resume(folder)) => folder.clone(),
            (None, Start::Auto) => RunFolder::latest(runs, name),
            (None, Start::New | Start::Fork(_)) => RunFolder::next(runs, name),
        }
    }
}

impl<'a> Object<'a> {
    fn of(summary: &'a RunSummary) -> Self {
        Self {
            run: &summary.folder,
            end: match (summary.interrupted, summary.out_of_patience) {
                (true, _) => "stopped",
                (_, true) => "patience",
                _ => "limit",
            },
            steps: summary.steps,
            tokens: summary.tokens,
            seconds: summary.seconds,
            tokens_per_second: Some(summary.tokens_per_second).filter(|speed| speed.is_finite()),
            train_loss: summary.train_loss,
            val_loss: summary.val_loss,
            best_val_loss: summary.best.map(|best| best.loss),
            best_step: summary.best.map(|best| best.step),
        }
    }
}

/// What the run came to.
fn show(summary: &RunSummary, out: &mut impl Write) -> io::Result<()> {
    let speed = summary.tokens_per_second;
    let speed =
        if speed.is_finite() { format!(", {} tokens/s", with_separators(speed.round() as u64)) } else { String::new() };
    writeln!(
        out,
        "{} after {} steps ({} tokens, {:.1} s{}): train {:.4}{} nats per token",
        match (summary.interrupted, summary.out_of_patience) {
            (true, _) => "stopped",
            (_, true) => "ended for want of a better evaluation",
            _ => "finished",
        },
        summary.steps,
        with_separators(summary.tokens),
        summary.seconds,
        speed,
        summary.train_loss,
        summary.val_loss.map_or(String::new(), |loss| format!(", validation {loss:.4}")),
    )?;
    if let [Some(first), tenth] = summary.first_and_tenth {
        let tenth = tenth.map_or(String::new(), |tenth| format!(", the tenth after {tenth:.1} s"));
        writeln!(out, "first step after {first:.1} s, the evaluation before it included{tenth}")?;
    }
    if let Some(best) = summary.best.filter(|best| best.step < summary.steps) {
        writeln!(out, "best validation {:.4} at step {}", best.loss, best.step)?;
    }
    for device in &summary.devices {
        writeln!(out, "{device}")?;
    }
    let picture = summary.picture.as_ref().map_or(String::new(), |path| format!(", loss curve {}", path.display()));
    writeln!(out, "run folder {}{picture}", summary.folder.display())
}

/// The line to the ranks that were started together, and this one's number on its machine.
#[cfg(feature = "mpi")]
fn join() -> anyhow::Result<(Exchange, usize)> {
    let (line, local_rank) = hearth_train::parallel::join_mpi()?;
    if line.world() == 1 {
        bail!("--parallel mpi: this is one process alone; start it as `mpirun -n 2 hearth train ... --parallel mpi`");
    }
    Ok((line, local_rank))
}

#[cfg(not(feature = "mpi"))]
fn join() -> anyhow::Result<(Exchange, usize)> {
    bail!(
        "--parallel mpi: this hearth was built without MPI; install Open MPI and libclang, and build it with \
         `cargo build --release --features hearth-train/mpi`"
    )
}

/// The first device, and those beside it; each once.
pub fn open_all(choices: &[DeviceChoice]) -> anyhow::Result<(OpenDevice, Vec<OpenDevice>)> {
    if choices.len() > 1 && choices.contains(&DeviceChoice::Auto) {
        bail!("--device auto cannot be one of several: name them, as in wgpu:0,cpu (see `hearth devices`)");
    }
    let mut opened = choices.iter().map(|choice| open(*choice)).collect::<Result<Vec<_>, _>>()?;
    for (at, device) in opened.iter().enumerate() {
        if opened[..at].iter().any(|earlier| earlier.is_same(device)) {
            bail!("--device {}: {} is listed twice, and takes one replica; give each once", choices[at], device.name);
        }
    }
    Ok((opened.remove(0), opened))
}
