//! The loss curves on the dashboard.

use ratatui::{
    Frame,
    layout::Rect,
    symbols::Marker,
    text::{Line, Span},
    widgets::{Axis, Block, Chart, Dataset, GraphType, Paragraph, Wrap},
};

use super::{board::Board, curve::bounds, palette::Palette};

/// Draws both losses over the steps.
pub(super) fn draw_chart(frame: &mut Frame, area: Rect, board: &Board, palette: &Palette) {
    let title = Line::from(vec![
        Span::raw(" loss, nats per token: "),
        Span::styled("─ training", palette.train),
        Span::raw("  "),
        Span::styled("• validation ", palette.validation),
    ]);
    let block = Block::bordered().title(title).border_style(palette.faint);
    // A column has two dots.
    let columns = 2 * usize::from(area.width);
    let mut train = board.train.points(columns);
    let validation = board.validation.points(columns);
    let Some([low, high]) = bounds(&train, &validation) else {
        let text = "no figures yet: the first step, which may compile kernels, is under way";
        let text = Paragraph::new(text).style(palette.faint).wrap(Wrap { trim: true });
        return frame.render_widget(text.block(block), area);
    };
    // What is beyond the bounds stands at the edge; outside of them it would not be drawn at all.
    train.iter_mut().for_each(|point| point.1 = point.1.clamp(low, high));
    let first = train.iter().chain(&validation).map(|point| point.0).fold(f64::INFINITY, f64::min).floor();
    let last = (board.steps_done() as f64).max(first + 1.0);
    let datasets = vec![
        Dataset::default().marker(Marker::Braille).graph_type(GraphType::Line).style(palette.train).data(&train),
        Dataset::default()
            .marker(Marker::Dot)
            .graph_type(GraphType::Scatter)
            .style(palette.validation)
            .data(&validation),
    ];
    let labels = |[from, to]: [f64; 2], decimals: usize, count: usize| -> Vec<String> {
        let at = |index: usize| from + (to - from) * index as f64 / (count - 1) as f64;
        (0..count).map(|index| format!("{:.decimals$}", at(index))).collect()
    };
    let rows = if area.height < 10 { 3 } else { 5 };
    let x = Axis::default().bounds([first, last]).labels(labels([first, last], 0, 3)).style(palette.faint);
    let y = Axis::default().bounds([low, high]).labels(labels([low, high], 2, rows)).style(palette.faint);
    frame.render_widget(Chart::new(datasets).block(block).x_axis(x).y_axis(y).legend_position(None), area);
}
