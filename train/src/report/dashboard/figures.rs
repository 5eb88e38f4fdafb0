//! The newest figures on the dashboard.

use ratatui::{
    Frame,
    layout::Rect,
    style::Style,
    text::{Line, Span},
    widgets::{Block, Paragraph},
};

use super::{board::Board, palette::Palette};
use crate::report::line::{speed, utilisation};

/// Columns of a figure's name.
const NAME: usize = 11;

/// Draws the newest figures; the first ones are those that a small terminal must have.
pub(super) fn draw_figures(frame: &mut Frame, area: Rect, board: &Board, palette: &Palette) {
    let shown = &board.shown;
    let plain = Style::default();
    let figures = [
        ("training", shown.train_loss.map(|loss| format!("{loss:.4}")), palette.train),
        ("validation", shown.val_loss.map(|loss| format!("{loss:.4}")), palette.validation),
        ("best", board.best.map(|best| format!("{:.4}", best.loss)), palette.good),
        ("  at step", board.best.map(|best| best.step.to_string()), palette.good),
        ("tokens/s", shown.tokens_per_second.map(speed), plain),
        ("MFU", shown.mfu.map(utilisation), plain),
        ("memory", resident().map(bytes), plain),
        ("norm", shown.grad_norm.map(|norm| format!("{norm:.3}")), plain),
        ("rate", shown.lr.map(|rate| format!("{rate:.2e}")), plain),
        ("saved at", board.saved.map(|step| format!("step {step}")), plain),
    ];
    let lines: Vec<Line> = figures
        .into_iter()
        .map(|(name, figure, style)| {
            let figure = figure.unwrap_or_else(|| "-".into());
            Line::from(vec![Span::raw(format!("{name:NAME$}")), Span::styled(figure, style)])
        })
        .collect();
    let block = Block::bordered().title(" now ").border_style(palette.faint);
    frame.render_widget(Paragraph::new(lines).block(block), area);
}

/// Bytes of memory that the process has, those of its device not counted; `None` where the system does not say.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib << 10)
}

fn bytes(bytes: u64) -> String {
    match bytes as f64 / f64::from(1 << 20) {
        mib if mib >= 10_240.0 => format!("{:.1} GiB", mib / 1024.0),
        mib => format!("{mib:.0} MiB"),
    }
}
