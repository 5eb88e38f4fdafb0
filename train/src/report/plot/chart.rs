//! A chart of losses.

use std::{ops::Range, path::Path, sync::Once};

use epaint_default_fonts::{HACK_REGULAR, UBUNTU_LIGHT};
use plotters::{
    coord::{Shift, types::RangedCoordf64},
    prelude::*,
    style::{
        register_font,
        text_anchor::{HPos, Pos, VPos},
    },
};

use super::{
    bitmap::{self, Zoomed},
    curve::{Axis, Curve, FEW, ranges},
    theme::{GRID, INK, PAPER, for_both},
};
use crate::report::{ReportError, file::write_whole};

/// Width and height in pixels.
const SIZE: (u32, u32) = (900, 520);

type Area<B> = DrawingArea<B, Shift>;
type Plane<'a, B> = ChartContext<'a, B, Cartesian2d<RangedCoordf64, RangedCoordf64>>;
type Drawn<B> = Result<(), DrawingAreaErrorKind<<B as DrawingBackend>::ErrorType>>;

/// How a curve is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stroke {
    /// Faint, as what another curve is the mean of.
    Faint,
    /// A line; its points have dots if they are few.
    Solid,
    /// A bold line; its points have dots if they are few.
    Bold,
    /// A dashed line; its points have dots if they are few.
    Dashed,
    /// Points alone.
    Dots,
}

/// A curve of a chart.
#[derive(Clone, Debug)]
pub struct Line {
    /// What the legend says of it; none where it is left out there.
    pub name: Option<String>,
    pub points: Curve,
    pub colour: RGBColor,
    pub stroke: Stroke,
}

/// A point with a ring around it.
#[derive(Clone, Debug)]
pub struct Ring {
    pub at: (f64, f64),
    pub name: String,
    pub colour: RGBColor,
}

/// What a chart's horizontal axis shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Along {
    /// A figure of a run.
    Run(Axis),
    /// Floating-point operations of training, by their decimal logarithms.
    LogFlops,
}

/// What a chart shows.
#[derive(Clone, Debug)]
pub struct Chart {
    pub title: String,
    pub subtitle: String,
    pub along: Along,
    pub lines: Vec<Line>,
    pub ring: Option<Ring>,
}

impl Chart {
    /// Writes it beside `path` and renames it: as PNG, in light, if `path` ends in `.png`; else as an SVG with colours for light
    /// and for dark, of which the reader's program takes those that its user prefers.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), ReportError> {
        let draw = |reason| ReportError::Draw { path: path.to_owned(), reason };
        let picture = match path.extension() {
            Some(end) if end.eq_ignore_ascii_case("png") => self.png(),
            _ => self.svg().map(|svg| for_both(&svg).into_bytes()),
        };
        write_whole(path, &picture.map_err(draw)?)
    }

    /// Draws it, in light, as SVG.
    ///
    /// # Errors
    /// What the plotting library says.
    fn svg(&self) -> Result<String, String> {
        let mut svg = String::new();
        self.draw(&SVGBackend::with_string(&mut svg, SIZE).into_drawing_area(), Font::READERS)
            .map_err(|error| error.to_string())?;
        Ok(svg)
    }

    /// Draws it, in light, as PNG, twice as large.
    ///
    /// # Errors
    /// What the plotting library or the encoder says.
    fn png(&self) -> Result<Vec<u8>, String> {
        bitmap::png(SIZE, |pixels| {
            self.draw(&Zoomed::new(pixels, SIZE).into_drawing_area(), Font::OURS).map_err(|error| error.to_string())
        })
    }

    fn draw<B: DrawingBackend>(&self, area: &Area<B>, font: Font) -> Drawn<B> {
        area.fill(&PAPER)?;
        let body =
            area.margin(16, 12, 16, 28).titled(&self.title, font.size(24))?.titled(&self.subtitle, font.size(15))?;
        let first = match self.along {
            Along::Run(_) => Some(0.0),
            Along::LogFlops => None,
        };
        match ranges(self.lines.iter().flat_map(|line| &line.points), first) {
            Some(ranges) => self.draw_curves(&body, font, ranges)?,
            None => {
                let (width, height) = body.dim_in_pixel();
                let centred = font.size(20).pos(Pos::new(HPos::Center, VPos::Center));
                body.draw(&Text::new("no data", (width as i32 / 2, height as i32 / 2), centred))?;
            }
        }
        area.present()
    }

    fn draw_curves<B: DrawingBackend>(&self, area: &Area<B>, font: Font, [along, losses]: [Range<f64>; 2]) -> Drawn<B> {
        let decimals = if losses.end - losses.start < 1.0 { 2 } else { 1 };
        let scale = Scale::of(self.along, along.end);
        let mut chart = ChartBuilder::on(area)
            .x_label_area_size(48)
            .y_label_area_size(64)
            .margin_top(8)
            .build_cartesian_2d(along, losses)?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .bold_line_style(GRID)
            .light_line_style(TRANSPARENT)
            .axis_style(INK)
            .label_style(font.size(16))
            .axis_desc_style(font.size(18))
            .x_labels(scale.labels)
            .y_labels(8)
            .x_label_formatter(&|x| scale.label(*x))
            .y_label_formatter(&|loss| format!("{loss:.decimals$}"))
            .x_desc(scale.name)
            .y_desc("loss (nats per token)")
            .draw()?;
        self.lines.iter().try_for_each(|line| draw_line(&mut chart, line))?;
        if let Some(Ring { at, name, colour }) = &self.ring {
            let style = colour.stroke_width(2);
            let sample = move |(x, y)| EmptyElement::at((x, y)) + Circle::new((12, 0), 6, style);
            chart.draw_series([Circle::new(*at, 6, style)])?.label(name).legend(sample);
        }
        if self.lines.iter().any(|line| line.name.is_some()) {
            // A curve that rises ends where the legend is otherwise.
            let rises = self.ring.is_some() && self.along != Along::LogFlops;
            chart
                .configure_series_labels()
                .position(if rises { SeriesLabelPosition::UpperMiddle } else { SeriesLabelPosition::UpperRight })
                .legend_area_size(32)
                .margin(12)
                .background_style(PAPER)
                .border_style(GRID)
                .label_font(font.size(16))
                .draw()?;
        }
        Ok(())
    }
}

fn draw_line<B: DrawingBackend>(chart: &mut Plane<B>, line: &Line) -> Drawn<B> {
    let style = style(line);
    let radius = if line.stroke != Stroke::Faint && line.points.len() <= FEW { 3 } else { 0 };
    let points = line.points.iter().copied();
    let drawn = match line.stroke {
        Stroke::Dots => chart.draw_series(points.map(|at| Circle::new(at, 5, style.filled())))?,
        Stroke::Dashed => {
            chart.draw_series(points.clone().map(|at| Circle::new(at, radius, style.filled())))?;
            chart.draw_series(DashedLineSeries::new(points, 6, 4, style))?
        }
        _ => chart.draw_series(LineSeries::new(points, style.filled()).point_size(radius))?,
    };
    if let Some(name) = &line.name {
        drawn.label(name).legend(move |(x, y)| PathElement::new([(x, y), (x + 24, y)], style));
    }
    Ok(())
}

fn style(line: &Line) -> ShapeStyle {
    match line.stroke {
        Stroke::Faint => line.colour.mix(0.3).stroke_width(1),
        Stroke::Bold => line.colour.stroke_width(3),
        Stroke::Solid | Stroke::Dashed | Stroke::Dots => line.colour.stroke_width(2),
    }
}

/// What is written with.
#[derive(Clone, Copy)]
struct Font(&'static str);

impl Font {
    /// Of an SVG, whose reader has a font of its own: room is made for a wide one.
    const READERS: Self = Self("sans-serif");
    /// Of a picture of pixels.
    const OURS: Self = Self("Ubuntu");

    fn size(self, size: u32) -> TextStyle<'static> {
        static REGISTERED: Once = Once::new();
        REGISTERED.call_once(|| {
            for (font, bytes) in [(Self::READERS, HACK_REGULAR), (Self::OURS, UBUNTU_LIGHT)] {
                assert!(
                    register_font(font.0, FontStyle::Normal, bytes).is_ok(),
                    "{}: a font that a crate brings",
                    font.0
                );
            }
        });
        (self.0, size).into_font().color(&INK)
    }
}

/// The unit of the horizontal axis.
struct Scale {
    name: &'static str,
    unit: f64,
    suffix: &'static str,
    decimals: usize,
    /// Whether what is drawn is the decimal logarithm.
    is_logarithm: bool,
    /// Number of labels at most.
    labels: usize,
}

impl Scale {
    fn of(along: Along, last: f64) -> Self {
        let axis = match along {
            Along::Run(axis) => axis,
            Along::LogFlops => return Self::LOG_FLOPS,
        };
        let (name, unit, suffix) = match axis {
            Axis::Steps => ("step", 1.0, ""),
            Axis::Tokens if last >= 2e9 => ("training tokens", 1e9, "G"),
            Axis::Tokens if last >= 2e6 => ("training tokens", 1e6, "M"),
            Axis::Tokens if last >= 2e3 => ("training tokens", 1e3, "k"),
            Axis::Tokens => ("training tokens", 1.0, ""),
            Axis::Seconds if last >= 7200.0 => ("hours", 3600.0, ""),
            Axis::Seconds if last >= 300.0 => ("minutes", 60.0, ""),
            Axis::Seconds => ("seconds", 1.0, ""),
        };
        let decimals = if axis != Axis::Steps && last / unit < 10.0 { 1 } else { 0 };
        Self { name, unit, suffix, decimals, is_logarithm: false, labels: 11 }
    }

    const LOG_FLOPS: Self =
        Self { name: "training FLOPs", unit: 1.0, suffix: "", decimals: 0, is_logarithm: true, labels: 8 };

    fn label(&self, x: f64) -> String {
        if self.is_logarithm {
            return format!("{:.1e}", 10.0_f64.powf(x));
        }
        let decimals = self.decimals;
        format!("{:.decimals$}{}", x / self.unit, self.suffix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_has_the_unit_that_fits() {
        let label = |axis, last| {
            let scale = Scale::of(Along::Run(axis), last);
            format!("{} {}", scale.label(last), scale.name)
        };
        assert_eq!(label(Axis::Steps, 800.0), "800 step");
        assert_eq!(label(Axis::Tokens, 2_500_000.0), "2.5M training tokens");
        assert_eq!(label(Axis::Tokens, 25_000.0), "25k training tokens");
        assert_eq!(label(Axis::Seconds, 90.0), "90 seconds");
        assert_eq!(label(Axis::Seconds, 450.0), "7.5 minutes");
        assert_eq!(label(Axis::Seconds, 90_000.0), "25 hours");
        assert_eq!(Scale::of(Along::LogFlops, 13.0).label(12.5), "3.2e12");
    }
}
