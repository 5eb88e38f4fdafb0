//! The loss curve of a run, as a picture.

use std::{ops::Range, path::Path};

use plotters::{
    coord::Shift,
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};

use super::{ReportError, file::write_whole};
use crate::session::Metrics;

/// Width and height in pixels.
const SIZE: (u32, u32) = (900, 520);
/// A curve is thinned to this many points: the picture has no room for more.
const MOST_POINTS: usize = 2000;
/// Up to here each point may be seen by itself: dots do not hide their line, and a bolder line is no smear.
const FEW: usize = 60;

const TRAIN: RGBColor = RGBColor(120, 168, 218);
const VALIDATION: RGBColor = RGBColor(200, 80, 40);
const INK: RGBColor = RGBColor(50, 50, 50);
const GRID: RGBColor = RGBColor(228, 228, 228);

type Curve = Vec<(f64, f64)>;
type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn<'a> = Result<(), DrawingAreaErrorKind<<SVGBackend<'a> as DrawingBackend>::ErrorType>>;

/// Draws training and validation loss against the step into the SVG file `path`, written beside and renamed.
/// Losses that are not finite are left out; without any loss the picture says "no data".
///
/// # Errors
/// If the file cannot be written.
pub fn draw_loss(events: &[Metrics], title: &str, path: &Path) -> Result<(), ReportError> {
    let train = thin(curve(events, |event| event.train_loss), MOST_POINTS);
    let validation = thin(curve(events, |event| event.val_loss), MOST_POINTS);
    let mut svg = String::new();
    draw(&SVGBackend::with_string(&mut svg, SIZE).into_drawing_area(), title, &train, &validation)
        .map_err(|error| ReportError::Draw { path: path.to_owned(), reason: error.to_string() })?;
    write_whole(path, &svg)
}

/// The finite values of one figure with their steps.
fn curve(events: &[Metrics], figure: impl Fn(&Metrics) -> Option<f64>) -> Curve {
    let point = |event| figure(event).filter(|loss| loss.is_finite()).map(|loss| (event.step as f64, loss));
    events.iter().filter_map(point).collect()
}

/// At most `most` points: of each stretch the lowest and the highest, so that no spike is lost.
fn thin(curve: Curve, most: usize) -> Curve {
    if curve.len() <= most {
        return curve;
    }
    let extremes = |stretch: &[(f64, f64)]| {
        let by_loss = |&a: &usize, &b: &usize| stretch[a].1.total_cmp(&stretch[b].1);
        let low = (0..stretch.len()).min_by(by_loss).expect("chunks are not empty");
        let high = (0..stretch.len()).max_by(by_loss).expect("chunks are not empty");
        [stretch[low.min(high)], stretch[low.max(high)]]
    };
    curve.chunks(curve.len().div_ceil(most / 2)).flat_map(extremes).collect()
}

/// The axes' ends: from step 0 to the last, and all losses with some air around them.
fn ranges<'a>(points: impl Iterator<Item = &'a (f64, f64)>) -> Option<[Range<f64>; 2]> {
    let (mut last, mut low, mut high) = (1.0_f64, f64::INFINITY, f64::NEG_INFINITY);
    for &(step, loss) in points {
        (last, low, high) = (last.max(step), low.min(loss), high.max(loss));
    }
    let air = if high > low { 0.05 * (high - low) } else { 0.5 };
    (low <= high).then_some([0.0..last, low - air..high + air])
}

fn draw<'a>(area: &Area<'a>, title: &str, train: &Curve, validation: &Curve) -> Drawn<'a> {
    area.fill(&WHITE)?;
    match ranges(train.iter().chain(validation)) {
        Some(ranges) => draw_curves(area, title, ranges, [train, validation])?,
        None => draw_nothing(area, title)?,
    }
    area.present()
}

fn font<'a>(size: u32) -> TextStyle<'a> {
    ("sans-serif", size).into_font().color(&INK)
}

fn draw_nothing<'a>(area: &Area<'a>, title: &str) -> Drawn<'a> {
    let body = area.margin(16, 16, 16, 16).titled(title, font(24))?;
    let (width, height) = body.dim_in_pixel();
    let centred = font(20).pos(Pos::new(HPos::Center, VPos::Center));
    body.draw(&Text::new("no data", (width as i32 / 2, height as i32 / 2), centred))
}

fn draw_curves<'a>(area: &Area<'a>, title: &str, axes: [Range<f64>; 2], curves: [&Curve; 2]) -> Drawn<'a> {
    let ([steps, losses], [train, validation]) = (axes, curves);
    let decimals = if losses.end - losses.start < 1.0 { 2 } else { 1 };
    let mut chart = ChartBuilder::on(area)
        .caption(title, font(24))
        .margin(16)
        .margin_right(28)
        .x_label_area_size(48)
        .y_label_area_size(64)
        .build_cartesian_2d(steps, losses)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .bold_line_style(GRID)
        .light_line_style(TRANSPARENT)
        .axis_style(INK)
        .label_style(font(16))
        .axis_desc_style(font(18))
        .y_labels(8)
        .x_label_formatter(&|step| format!("{step:.0}"))
        .y_label_formatter(&|loss| format!("{loss:.decimals$}"))
        .x_desc("step")
        .y_desc("loss (nats per token)")
        .draw()?;

    let thin_line = if train.len() <= FEW { 2 } else { 1 };
    let series = [("train", train, TRAIN, thin_line, 1), ("validation", validation, VALIDATION, 3, FEW)];
    for (name, points, colour, width, most_dots) in series {
        let style = colour.stroke_width(width).filled();
        if !points.is_empty() {
            let radius = if points.len() <= most_dots { 4 } else { 0 };
            let line = LineSeries::new(points.iter().copied(), style).point_size(radius);
            let sample = move |(x, y)| PathElement::new([(x, y), (x + 24, y)], style);
            chart.draw_series(line)?.label(name).legend(sample);
        }
    }
    let best = best_before_the_end(validation);
    if let Some((step, loss)) = best {
        let dot = |at| Circle::new(at, 6, VALIDATION.stroke_width(2));
        let name = format!("lowest, {loss:.3} at step {step:.0}: later steps overfit");
        chart
            .draw_series([dot((step, loss))])?
            .label(name)
            .legend(move |(x, y)| EmptyElement::at((x, y)) + Circle::new((12, 0), 6, VALIDATION.stroke_width(2)));
    }
    chart
        .configure_series_labels()
        // A curve that rises ends where the legend is otherwise.
        .position(if best.is_some() { SeriesLabelPosition::UpperMiddle } else { SeriesLabelPosition::UpperRight })
        .legend_area_size(32)
        .margin(12)
        .background_style(WHITE)
        .border_style(GRID)
        .label_font(font(17))
        .draw()
}

/// The lowest point, if the curve has risen since by more than it wavers: by a hundredth of what it fell.
fn best_before_the_end(curve: &Curve) -> Option<(f64, f64)> {
    let (first, last) = (curve.first()?, curve.last()?);
    let best = curve.iter().min_by(|a, b| a.1.total_cmp(&b.1))?;
    (last.1 - best.1 > 0.01 * (first.1 - best.1)).then_some(*best)
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

    fn drawn(events: &[Metrics]) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("loss.svg");
        draw_loss(events, "a <title>", &path).unwrap();
        std::fs::read_to_string(path).unwrap()
    }

    #[test]
    fn nothing_to_draw_is_said() {
        for events in [vec![], losses(&[f64::NAN, f64::INFINITY], &[])] {
            let svg = drawn(&events);
            assert!(svg.contains("no data") && svg.contains("a &lt;title&gt;"), "{svg}");
        }
    }

    #[test]
    fn one_point_is_a_dot_and_only_what_there_is_has_a_legend() {
        let svg = drawn(&losses(&[2.5], &[]));
        assert!(svg.contains("<circle") && svg.contains("loss (nats per token)"));
        assert!(svg.contains(">\ntrain\n") && !svg.contains(">\nvalidation\n"));
    }

    #[test]
    fn both_curves_and_the_legend_are_there() {
        let svg = drawn(&losses(&[4.0, 3.0, f64::NAN, 2.5], &[3.5, 2.75]));
        assert!(svg.contains(">\ntrain\n") && svg.contains(">\nvalidation\n"));
        assert_eq!(svg.matches("<circle").count(), 2);
    }

    #[test]
    fn overfitting_is_seen() {
        let falling = drawn(&losses(&[], &[4.0, 3.0, 2.0, 2.005]));
        assert!(!falling.contains("lowest"));
        let svg = drawn(&losses(&[3.9, 2.9, 1.9, 0.9], &[4.0, 3.0, 2.5, 2.75]));
        assert!(svg.contains(">\nlowest, 2.500 at step 3: later steps overfit\n"), "{svg}");
    }

    #[test]
    fn the_ranges_leave_air() {
        let events = losses(&[4.0, f64::INFINITY, 2.0], &[]);
        let [steps, loss] = ranges(curve(&events, |event| event.train_loss).iter()).unwrap();
        assert_eq!((steps, loss), (0.0..3.0, 1.9..4.1));
        assert_eq!(ranges([(0.0, 2.0)].iter()).unwrap(), [0.0..1.0, 1.5..2.5]);
        assert_eq!(ranges([].iter()), None);
    }

    #[test]
    fn thinning_keeps_the_spikes() {
        let mut long: Curve = (0..10_001).map(|step| (f64::from(step), 2.0)).collect();
        (long[5_003].1, long[5_001].1) = (9.0, 1.0);
        let thinned = thin(long.clone(), 2000);
        assert!(thinned.len() <= 2000, "{}", thinned.len());
        assert!(thinned.contains(&(5_003.0, 9.0)) && thinned.contains(&(5_001.0, 1.0)));
        assert!(thinned.is_sorted_by(|a, b| a.0 <= b.0));
        assert_eq!(thin(long[..2000].to_vec(), 2000), long[..2000]);
    }
}
