//! Loss curves as pictures.

mod bitmap;
mod chart;
mod curve;
mod scaling;
mod theme;

use std::path::Path;

use chart::{Along, Chart, Line, Ring, Stroke};
pub use curve::Axis;
use curve::{Curve, best_before_the_end, ceiling, curve, lowest, smooth, thin, usual_window};
pub use scaling::{ScalingCurves, ScalingPicture, SizeCurves};
use theme::COLOURS;

use super::ReportError;
use crate::session::Metrics;

/// The figures of one run.
#[derive(Clone, Copy, Debug)]
pub struct RunCurves<'a> {
    /// Its name.
    pub name: &'a str,
    /// What it is, in short: its model and its device.
    pub about: &'a str,
    /// Its figures.
    pub metrics: &'a [Metrics],
}

/// How curves are drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PlotOptions {
    /// What they are drawn against.
    pub axis: Axis,
    /// Number of steps that the training loss is averaged over; `None` takes a fortieth of the run, 1 none.
    pub smooth: Option<usize>,
}

/// A picture of training and validation losses, of one run or of several over one another.
///
/// Losses that are not finite are left out; without any the picture says "no data".
#[derive(Clone, Debug)]
pub struct LossPicture {
    chart: Chart,
}

impl LossPicture {
    /// Of these runs.
    pub fn new(runs: &[RunCurves], options: PlotOptions) -> Self {
        let chart = match runs {
            [run] => one(run, options),
            runs => several(runs, options),
        };
        Self { chart }
    }

    /// Writes it beside `path` and renames it: as PNG, in light, if `path` ends in `.png`; else as an SVG with colours for light
    /// and for dark, of which the reader's program takes those that its user prefers.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), ReportError> {
        self.chart.write(path)
    }
}

/// The losses of one run, ready to be drawn.
struct Losses {
    train: Curve,
    smoothed: Option<Curve>,
    window: usize,
    validation: Curve,
    last: Option<f64>,
}

impl Losses {
    fn of(run: &RunCurves, options: PlotOptions) -> Self {
        let mut train = curve(run.metrics, options.axis, |it| it.train_loss);
        let validation = curve(run.metrics, options.axis, |it| it.val_loss);
        let last = train.last().map(|(_, loss)| *loss);
        if let Some(ceiling) = ceiling(&train) {
            train.iter_mut().for_each(|(_, loss)| *loss = loss.min(ceiling));
        }
        let window = options.smooth.unwrap_or_else(|| usual_window(&train));
        let smoothed = (window > 1).then(|| thin(smooth(&train, window)));
        Self { train: thin(train), smoothed, window, validation: thin(validation), last }
    }

    /// The training loss: its mean over each step's own, or that alone.
    fn lines(&mut self, colour: plotters::style::RGBColor, name: String) -> Vec<Line> {
        let train = std::mem::take(&mut self.train);
        if train.is_empty() {
            return Vec::new();
        }
        match self.smoothed.take() {
            None => vec![Line { name: Some(name), points: train, colour, stroke: Stroke::Solid }],
            Some(mean) => vec![
                Line { name: None, points: train, colour, stroke: Stroke::Faint },
                Line { name: Some(name), points: mean, colour, stroke: Stroke::Solid },
            ],
        }
    }

    /// The training loss at the end: that of the curve which is drawn.
    fn mean(&self) -> Option<f64> {
        self.smoothed.as_ref()?.last().map(|(_, loss)| *loss)
    }

    fn smoothing(&self) -> Option<String> {
        self.smoothed.as_ref().map(|_| format!("training loss over {} steps, faint: each step", self.window))
    }
}

/// Training and validation in two colours.
fn one(run: &RunCurves, options: PlotOptions) -> Chart {
    let mut losses = Losses::of(run, options);
    let about = [(!run.about.is_empty()).then(|| run.about.to_string()), losses.smoothing()];
    let subtitle = about.into_iter().flatten().collect::<Vec<_>>().join(" · ");
    let last = losses.last.unwrap_or(f64::NAN);
    let mean = losses.mean().map_or(String::new(), |mean| format!(", mean {mean:.4}"));
    let mut lines = losses.lines(COLOURS[0], format!("train, last {last:.4}{mean}"));
    let validation = losses.validation;
    let best_step = |best: (f64, f64)| step_of(run, best.1);
    let ring = best_before_the_end(&validation).map(|at| Ring {
        at,
        name: format!("lowest, {:.4} at step {}: later steps overfit", at.1, best_step(at)),
        colour: COLOURS[1],
    });
    if let (Some(last), Some(best)) = (validation.last(), lowest(&validation)) {
        let best = format!(", best {:.4} at step {}", best.1, best_step(best));
        let name = format!("validation, last {:.4}{}", last.1, if ring.is_some() { "" } else { &best });
        lines.push(Line { name: Some(name), points: validation, colour: COLOURS[1], stroke: Stroke::Bold });
    }
    Chart { title: run.name.into(), subtitle, along: Along::Run(options.axis), lines, ring }
}

/// A colour for each run; validation is dashed.
fn several(runs: &[RunCurves], options: PlotOptions) -> Chart {
    let mut lines = Vec::new();
    let mut subtitles = Vec::new();
    for (run, colour) in runs.iter().zip(COLOURS.into_iter().cycle()) {
        let mut losses = Losses::of(run, options);
        subtitles.extend(losses.smoothing());
        let last = losses.mean().or(losses.last).map(|loss| format!("train {loss:.4}"));
        let best = lowest(&losses.validation).map(|best| format!("best validation {:.4}", best.1));
        let figures: Vec<_> = [last, best].into_iter().flatten().collect();
        let name = format!("{}: {}", run.name, figures.join(", "));
        let of_train = losses.lines(colour, name.clone());
        let name = of_train.is_empty().then_some(name);
        lines.extend(of_train);
        if !losses.validation.is_empty() {
            lines.push(Line { name, points: losses.validation, colour, stroke: Stroke::Dashed });
        }
    }
    // What is faint lies under the rest.
    lines.sort_by_key(|line| line.stroke != Stroke::Faint);
    subtitles.dedup();
    let smoothing = if subtitles.len() == 1 { subtitles.pop() } else { None };
    let has_validation = lines.iter().any(|line| line.stroke == Stroke::Dashed);
    let dashed = has_validation.then(|| "dashed: validation".to_string());
    let subtitle = smoothing.into_iter().chain(dashed).collect::<Vec<_>>().join(" · ");
    Chart { title: format!("{} runs", runs.len()), subtitle, along: Along::Run(options.axis), lines, ring: None }
}

/// The step of the evaluation that had this loss.
fn step_of(run: &RunCurves, loss: f64) -> u64 {
    run.metrics.iter().find(|it| it.val_loss == Some(loss)).map_or(0, |it| it.step)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn losses(train: &[f64], val: &[f64]) -> Vec<Metrics> {
        let event = |step, train_loss, val_loss| Metrics { step, train_loss, val_loss, ..Metrics::default() };
        let train = (1..).zip(train).map(|(step, loss)| event(step, Some(*loss), None));
        let val = (1..).zip(val).map(|(step, loss)| event(step, None, Some(*loss)));
        train.chain(val).collect()
    }

    fn drawn_of(runs: &[(&str, Vec<Metrics>)], options: PlotOptions) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("loss.svg");
        let runs: Vec<_> = runs.iter().map(|(name, metrics)| RunCurves { name, about: "a model", metrics }).collect();
        LossPicture::new(&runs, options).write(&path).unwrap();
        std::fs::read_to_string(path).unwrap()
    }

    fn drawn(events: Vec<Metrics>) -> String {
        drawn_of(&[("a <title>", events)], PlotOptions::default())
    }

    #[test]
    fn nothing_to_draw_is_said() {
        for events in [vec![], losses(&[f64::NAN, f64::INFINITY], &[])] {
            let svg = drawn(events);
            assert!(svg.contains("no data") && svg.contains("a &lt;title&gt;") && svg.contains("a model"), "{svg}");
        }
    }

    #[test]
    fn one_point_is_a_dot_and_only_what_there_is_has_a_legend() {
        let svg = drawn(losses(&[2.5], &[]));
        assert!(svg.contains("<circle") && svg.contains("loss (nats per token)"));
        assert!(svg.contains(">\ntrain, last 2.5000\n") && !svg.contains(">\nvalidation"), "{svg}");
    }

    #[test]
    fn both_curves_and_the_legend_are_there() {
        let svg = drawn(losses(&[4.0, 3.0, f64::NAN, 2.5], &[3.5, 2.75]));
        assert!(svg.contains(">\ntrain, last 2.5000\n"), "{svg}");
        assert!(svg.contains(">\nvalidation, last 2.7500, best 2.7500 at step 2\n"), "{svg}");
        assert_eq!(svg.matches("<circle").count(), 5);
        assert!(svg.contains("prefers-color-scheme:dark"));
    }

    #[test]
    fn overfitting_is_seen() {
        let falling = drawn(losses(&[], &[4.0, 3.0, 2.0, 2.005]));
        assert!(!falling.contains("overfit"));
        let svg = drawn(losses(&[3.9, 2.9, 1.9, 0.9], &[4.0, 3.0, 2.5, 2.75]));
        assert!(svg.contains(">\nlowest, 2.5000 at step 3: later steps overfit\n"), "{svg}");
    }

    #[test]
    fn a_long_curve_is_smoothed_and_says_so() {
        let long: Vec<f64> = (0..400).map(|step| 4.0 - f64::from(step) / 200.0).collect();
        let svg = drawn(losses(&long, &[]));
        assert!(
            svg.contains("training loss over 10 steps, faint: each step") && svg.contains("opacity=\"0.3\""),
            "{svg}"
        );
        let raw = drawn_of(&[("a", losses(&long, &[]))], PlotOptions { smooth: Some(1), ..PlotOptions::default() });
        assert!(!raw.contains("faint") && !raw.contains("opacity=\"0.3\""), "{raw}");
    }

    #[test]
    fn each_run_has_its_colour_and_its_figures() {
        let runs = [
            ("one", losses(&[4.0, 3.0], &[3.5, 2.75])),
            ("two", losses(&[4.5, 2.5], &[])),
            ("three", losses(&[], &[2.0, 2.25])),
        ];
        let svg = drawn_of(&runs, PlotOptions::default());
        for said in [
            ">\none: train 3.0000, best validation 2.7500\n",
            ">\ntwo: train 2.5000\n",
            ">\nthree: best validation 2.0000\n",
        ] {
            assert!(svg.contains(said), "{said}: {svg}");
        }
        assert!(svg.contains("3 runs") && svg.contains("dashed: validation"), "{svg}");
        assert!(["#2563EB", "#C2410C", "#15803D"].iter().all(|colour| svg.contains(&format!("stroke=\"{colour}\""))));
    }
}
