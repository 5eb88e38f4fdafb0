//! Losses of several sizes against the operations that they took, and a law that was fitted to them.

use std::path::Path;

use plotters::style::RGBColor;

use super::{
    chart::{Along, Chart, Line, Ring, Stroke},
    curve::{Axis, Curve, curve, smooth, thin, usual_window},
    theme::{COLOURS, INK},
};
use crate::{report::ReportError, session::Metrics};

/// How far above the highest loss that was measured at a run's end the picture goes, as a part of all the range of these and of
/// what the law predicts: a run's beginning would leave no room for its end.
const HEADROOM: f64 = 0.5;
/// How far left of the first end of a run training losses are drawn, as a factor of operations.
const MARGIN: f64 = 1.5;

/// The runs of one size.
#[derive(Clone, Debug)]
pub struct SizeCurves<'a> {
    /// Its name.
    pub name: String,
    /// Floating-point operations of training on one token.
    pub flops_per_token: f64,
    /// The figures of each run.
    pub runs: Vec<&'a [Metrics]>,
    /// Operations and validation loss at the end of each.
    pub measured: Vec<(f64, f64)>,
    /// Operations and loss of this size by the law.
    pub fitted: Vec<(f64, f64)>,
}

/// What is drawn of a ladder of sizes. Operations are floating-point ones of training, losses in nats per token.
#[derive(Clone, Debug)]
pub struct ScalingCurves<'a> {
    /// What stands above.
    pub title: String,
    /// What stands below that: the law.
    pub subtitle: String,
    /// The sizes.
    pub sizes: Vec<SizeCurves<'a>>,
    /// Operations and loss of the best size for each budget by the law, up to the largest budget.
    pub best: Vec<(f64, f64)>,
    /// Operations, loss and description of the run that the law advises.
    pub advised: Option<(f64, f64, String)>,
}

/// A picture of a ladder of sizes and its law.
#[derive(Clone, Debug)]
pub struct ScalingPicture {
    chart: Chart,
}

impl ScalingPicture {
    /// Of these.
    pub fn new(curves: ScalingCurves) -> Self {
        let ScalingCurves { title, subtitle, sizes, best, advised } = curves;
        let (first, ceiling) = (first_end(&sizes) / MARGIN, ceiling(&sizes, &best));
        let mut lines = Vec::new();
        for (size, colour) in sizes.into_iter().zip(COLOURS.into_iter().cycle()) {
            lines.extend(size.runs.iter().map(|run| trained(run, size.flops_per_token, [first, ceiling], colour)));
            let fitted = Line { name: None, points: logarithms(&size.fitted), colour, stroke: Stroke::Solid };
            let points = logarithms(&size.measured);
            lines.extend([fitted, Line { name: Some(size.name), points, colour, stroke: Stroke::Dots }]);
        }
        let name = Some("the best size for each budget, by the law".into());
        lines.push(Line { name, points: logarithms(&best), colour: INK, stroke: Stroke::Dashed });
        // What is faint lies under the rest.
        lines.sort_by_key(|line| line.stroke != Stroke::Faint);
        let ring = advised.map(|(flops, loss, name)| Ring { at: (flops.log10(), loss), name, colour: INK });
        Self { chart: Chart { title, subtitle, along: Along::LogFlops, lines, ring } }
    }

    /// Writes it beside `path` and renames it: as PNG if `path` ends in `.png`, else as SVG.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), ReportError> {
        self.chart.write(path)
    }
}

fn ceiling(sizes: &[SizeCurves], best: &[(f64, f64)]) -> f64 {
    let ends = || sizes.iter().flat_map(|size| &size.measured).map(|(_, loss)| *loss);
    let highest = ends().fold(f64::NEG_INFINITY, f64::max);
    let lowest = ends().chain(best.iter().map(|(_, loss)| *loss)).fold(f64::INFINITY, f64::min);
    highest + HEADROOM * (highest - lowest)
}

fn logarithms(points: &[(f64, f64)]) -> Curve {
    points.iter().map(|(flops, loss)| (flops.log10(), *loss)).collect()
}

/// Operations of the run that ended first.
fn first_end(sizes: &[SizeCurves]) -> f64 {
    sizes.iter().flat_map(|size| &size.measured).map(|(flops, _)| *flops).fold(f64::INFINITY, f64::min)
}

/// The training loss of one run, from so many operations on, as far as it is not above `ceiling`.
fn trained(run: &[Metrics], flops_per_token: f64, [first, ceiling]: [f64; 2], colour: RGBColor) -> Line {
    let train = curve(run, Axis::Tokens, |it| it.train_loss);
    let smoothed = smooth(&train, usual_window(&train));
    let all = smoothed.into_iter().map(|(tokens, loss)| (tokens * flops_per_token, loss));
    let shown: Curve = all.filter(|(flops, loss)| *flops >= first && *loss <= ceiling).collect();
    let points = thin(logarithms(&shown));
    Line { name: None, points, colour, stroke: Stroke::Faint }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_their_law_are_there() {
        let run: Vec<Metrics> = (0..300)
            .map(|step| Metrics {
                step,
                tokens: 1000 * step,
                train_loss: Some(4.0 - step as f64 / 150.0),
                ..Metrics::default()
            })
            .collect();
        let size = |name: &str, flops_per_token: f64| SizeCurves {
            name: name.into(),
            flops_per_token,
            runs: vec![&run],
            measured: vec![(3e5 * flops_per_token, 2.1)],
            fitted: vec![(1e5 * flops_per_token, 2.5), (4e5 * flops_per_token, 2.0)],
        };
        let picture = ScalingPicture::new(ScalingCurves {
            title: "two sizes".into(),
            subtitle: "a law".into(),
            sizes: vec![size("small", 1e6), size("large", 4e6)],
            best: (0..100).map(|at| (1e11 * 1.1_f64.powi(at), 2.5 - f64::from(at) / 100.0)).collect(),
            advised: Some((1e15, 1.5, "the next".into())),
        });
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("scale.svg");
        picture.write(&path).unwrap();
        let svg = std::fs::read_to_string(path).unwrap();
        for said in ["two sizes", "a law", "small", "large", "by the law", "the next", "training FLOPs", "1.0e12"] {
            assert!(svg.contains(said), "{said}: {svg}");
        }
        assert!(svg.contains("#2563EB") && svg.contains("#C2410C") && svg.contains("prefers-color-scheme:dark"));
    }
}
