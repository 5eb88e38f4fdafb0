//! `hearth plot`.

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use anyhow::bail;
use clap::{Args, ValueEnum};
use hearth_train::{
    report::{Axis, LossPicture, PlotOptions, RunCurves, read},
    run::RunFolder,
};

use crate::runs::named;

/// Draw the loss curves of a run, or of several over one another.
#[derive(Args)]
pub struct PlotCommand {
    /// Runs, by their folders or by their names in `runs`.
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<PathBuf>,
    /// The picture, an SVG or a PNG.
    #[arg(long, default_value = "plot.svg")]
    out: PathBuf,
    /// What the losses are drawn against.
    #[arg(long, default_value = "steps")]
    x: AxisName,
    /// Steps that the training loss is averaged over, 1 for none; by default a fortieth of each run.
    #[arg(long, value_name = "STEPS", value_parser = clap::value_parser!(u64).range(1..))]
    smooth: Option<u64>,
}

#[derive(Clone, Copy, ValueEnum)]
enum AxisName {
    Steps,
    Tokens,
    Seconds,
}

impl PlotCommand {
    pub fn run(self) -> anyhow::Result<ExitCode> {
        if !["svg", "png"].iter().any(|end| self.out.extension().is_some_and(|it| it.eq_ignore_ascii_case(end))) {
            bail!("--out {}: give a name that ends in .svg or .png", self.out.display());
        }
        let mut runs = Vec::new();
        for path in &self.runs {
            let folder = named(path)?;
            runs.push((RunFolder::existing(folder.clone()).name(), read(&folder.join("metrics.jsonl"))?));
        }
        let axis = match self.x {
            AxisName::Steps => Axis::Steps,
            AxisName::Tokens => Axis::Tokens,
            AxisName::Seconds => Axis::Seconds,
        };
        let curves: Vec<_> = runs.iter().map(|(name, metrics)| RunCurves { name, about: "", metrics }).collect();
        let smooth = self.smooth.map(|steps| usize::try_from(steps).unwrap_or(usize::MAX));
        LossPicture::new(&curves, PlotOptions { axis, smooth }).write(&self.out)?;
        writeln!(io::stdout().lock(), "{}", self.out.display())?;
        Ok(ExitCode::SUCCESS)
    }
}
