//! Memory over a step, one line a policy.

use std::path::Path;

use plotters::{prelude::*, style::register_font};

use crate::Row;

/// Policies that are drawn; groups in between would only fill the gap.
const DRAWN: [(&str, RGBColor); 6] = [
    ("burn", RGBColor(120, 120, 120)),
    ("keep", RGBColor(200, 60, 50)),
    ("recompute-1", RGBColor(30, 110, 180)),
    ("recompute-6", RGBColor(140, 190, 230)),
    ("offload", RGBColor(40, 140, 80)),
    ("parameter-offload", RGBColor(150, 80, 170)),
];

/// Draws the rows' samples to an SVG file.
pub fn draw(rows: &[Row], title: &str, picture: &Path) -> anyhow::Result<()> {
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let most = rows.iter().flat_map(|row| &row.samples).map(|(_, bytes)| mib(*bytes)).fold(0.0, f64::max);
    // For the size of the texts; the SVG's reader has a font of its own.
    let registered = register_font("sans-serif", FontStyle::Normal, epaint_default_fonts::HACK_REGULAR);
    anyhow::ensure!(registered.is_ok(), "a font of a crate is one");
    let area = SVGBackend::new(picture, (820, 420)).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .caption(title, ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(56)
        .build_cartesian_2d(0.0..100.0, 0.0..1.08 * most)?;
    chart
        .configure_mesh()
        .x_desc("share of the step's time, %")
        .y_desc("device memory in use, MiB")
        .light_line_style(WHITE)
        .draw()?;
    for (name, colour) in DRAWN {
        let Some(row) = rows.iter().find(|row| row.name == name) else { continue };
        let points = row.samples.iter().map(|(at, bytes)| (100.0 * at, mib(*bytes)));
        let series = chart.draw_series(LineSeries::new(points, colour.stroke_width(2)))?;
        series.label(name).legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperRight)
        .background_style(WHITE.mix(0.8))
        .border_style(RGBColor(200, 200, 200))
        .draw()?;
    area.present()?;
    Ok(())
}
