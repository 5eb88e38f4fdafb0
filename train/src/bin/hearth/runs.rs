//! `hearth runs`.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::bail;
use clap::Args;
use hearth_train::{
    report::with_separators,
    run::{RunOverview, RunStatus, is_run, runs_in, unlike},
};

use crate::{output::tell, table};

/// List runs, or compare some: figures side by side, and what differs in their configurations.
#[derive(Args)]
pub struct RunsCommand {
    /// A folder of runs to list; or runs to compare, by their folders or by their names in `runs`.
    #[arg(value_name = "FOLDER|RUN")]
    paths: Vec<PathBuf>,
    /// Print JSON instead of a table.
    #[arg(long)]
    json: bool,
}

impl RunsCommand {
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let mut out = io::stdout().lock();
        match &self.paths[..] {
            [] => list(Path::new("runs"), self.json, &mut out)?,
            [folder] if folder.is_dir() && !is_run(folder) => list(folder, self.json, &mut out)?,
            runs => {
                let runs = runs.iter().map(|path| named(path)).collect::<anyhow::Result<Vec<_>>>()?;
                let runs: Result<Vec<_>, _> = runs.iter().map(|path| RunOverview::read(path)).collect();
                compare(&runs?, self.json, &mut out)?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The folder of the run that is meant: this one, or the one of that name in `runs`.
pub fn named(path: &Path) -> anyhow::Result<PathBuf> {
    let beside = Path::new("runs").join(path);
    if !path.exists() && is_run(&beside) {
        return Ok(beside);
    }
    if !is_run(path) {
        let there = runs_in(Path::new("runs")).unwrap_or_default();
        let names: Vec<_> = there.iter().map(|path| path.display().to_string()).collect();
        let there = match &names[..] {
            [] => "and in the folder `runs` is none either".to_string(),
            names => format!("those in the folder `runs` are {}", names.join(", ")),
        };
        bail!("{}: there is no run; {there}", path.display());
    }
    Ok(path.to_owned())
}

/// The runs in `folder`, the one that changed last first. One that cannot be read is told of, and the others are listed.
fn list(folder: &Path, json: bool, out: &mut impl Write) -> anyhow::Result<()> {
    if !folder.is_dir() {
        bail!(
            "{}: there is no such folder: `hearth train` makes it, or name the folder of your runs",
            folder.display()
        );
    }
    let mut runs = Vec::new();
    for path in runs_in(folder)? {
        match RunOverview::read(&path) {
            Ok(run) => runs.push(run),
            Err(error) => tell(format_args!("passed over: {error}")),
        }
    }
    runs.sort_by(|one, other| other.changed.total_cmp(&one.changed));
    if json {
        return Ok(writeln!(out, "{}", serde_json::to_string(&runs)?)?);
    }
    if runs.is_empty() {
        return Ok(writeln!(out, "no runs in {}", folder.display())?);
    }
    let head = ["run", "state", "steps", "loss", "val", "best", "at", "tok/s", "age", "device"];
    let mut rows = vec![head.map(String::from).to_vec()];
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |passed| passed.as_secs());
    rows.extend(runs.iter().map(|run| row(run, now)));
    Ok(table::write(&rows, &[2, 3, 4, 5, 6, 7, 8], out)?)
}

fn row(run: &RunOverview, now: u64) -> Vec<String> {
    vec![
        run.name.clone(),
        status(run.status).into(),
        format!("{}/{}", run.steps, run.total_steps),
        loss(run.train_loss),
        loss(run.val_loss),
        loss(run.best.map(|best| best.loss)),
        run.best.map_or("-".into(), |best| best.step.to_string()),
        run.tokens_per_second.map_or("-".into(), rate),
        age(now.saturating_sub(run.changed as u64)),
        run.device.clone().unwrap_or("-".into()),
    ]
}

fn compare(runs: &[RunOverview], json: bool, out: &mut impl Write) -> anyhow::Result<()> {
    let configs: Vec<_> = runs.iter().map(|run| &run.config).collect();
    let unlike = unlike(&configs);
    if json {
        let both = serde_json::json!({ "runs": runs, "differences": unlike });
        return Ok(writeln!(out, "{both}")?);
    }
    let line = |name: &str, figure: &dyn Fn(&RunOverview) -> String| -> Vec<String> {
        std::iter::once(name.to_string()).chain(runs.iter().map(figure)).collect()
    };
    let number = |value: Option<u64>| value.map_or("-".into(), |value: u64| value.to_string());
    let mut rows = vec![
        line("", &|run| run.name.clone()),
        line("state", &|run| status(run.status).into()),
        line("steps", &|run| format!("{}/{}", run.steps, run.total_steps)),
        line("tokens", &|run| with_separators(run.tokens)),
        line("train loss", &|run| loss(run.train_loss)),
        line("validation loss", &|run| loss(run.val_loss)),
        line("best validation", &|run| loss(run.best.map(|best| best.loss))),
        line("  at step", &|run| number(run.best.map(|best| best.step))),
        line("tokens/s", &|run| run.tokens_per_second.map_or("-".into(), rate)),
        line("MFU, %", &|run| run.mfu.map_or("-".into(), |mfu| format!("{:.1}", 100.0 * mfu))),
        line("seconds", &|run| format!("{:.1}", run.seconds)),
        line("parameters", &|run| with_separators(run.parameters)),
        line("last checkpoint", &|run| number(run.checkpoint)),
        line("device", &|run| run.device.clone().unwrap_or("-".into())),
    ];
    if runs.len() > 1 {
        rows.push(vec![String::new()]);
        rows.push(vec![if unlike.is_empty() { "the configurations are alike" } else { "configuration" }.into()]);
    }
    for (field, values) in unlike {
        rows.push(std::iter::once(field).chain(values.into_iter().map(|value| value.unwrap_or("-".into()))).collect());
    }
    table::write(&rows, &[], out)?;
    for run in runs {
        if let Some(error) = &run.error {
            writeln!(out, "\n{}: {error}", run.name)?;
        }
    }
    Ok(())
}

fn status(status: RunStatus) -> &'static str {
    match status {
        RunStatus::Running => "running",
        RunStatus::Finished => "finished",
        RunStatus::Stopped => "stopped",
        RunStatus::Patience => "no better",
        RunStatus::Failed => "failed",
        RunStatus::Unbegun => "not begun",
        _ => "killed",
    }
}

fn loss(loss: Option<f64>) -> String {
    loss.map_or("-".into(), |loss| if loss.abs() < 1e6 { format!("{loss:.4}") } else { format!("{loss:.3e}") })
}

/// A rate in three digits, as in 950, 12.3k, 1.23M.
fn rate(rate: f64) -> String {
    match rate {
        rate if rate >= 1e6 => format!("{:.2}M", rate / 1e6),
        rate if rate >= 1e3 => format!("{:.1}k", rate / 1e3),
        rate => format!("{rate:.0}"),
    }
}

/// A time that has passed, in its largest unit.
fn age(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_keep_few_digits() {
        assert_eq!([950.4, 12_345.0, 1_234_567.0].map(rate), ["950", "12.3k", "1.23M"].map(String::from));
        let ages = [0, 119, 120, 7_199, 7_200, 172_799, 172_800].map(age);
        assert_eq!(ages, ["0 s", "119 s", "2 min", "119 min", "2 h", "47 h", "2 d"].map(String::from));
        assert_eq!([loss(None), loss(Some(1.23456))], ["-", "1.2346"].map(String::from));
    }
}
