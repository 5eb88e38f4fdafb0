//! The picture of the dashboard.

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::Style,
    text::{Line, Span},
    widgets::{Block, Paragraph},
};

use super::{board::Board, chart::draw_chart, figures::draw_figures, keys::HELP, palette::Palette};
use crate::report::{bar::Bar, line::clock};

/// Columns of the figures.
const FIGURES: u16 = 24;
/// A terminal of fewer columns has no panel for texts: they stand in the log.
const WIDE: u16 = 72;
/// A terminal of fewer rows has no curves.
const TALL: u16 = 16;

/// Draws all of it.
pub(super) fn draw(frame: &mut Frame, board: &Board, palette: &Palette) {
    let area = frame.area();
    let rows = [Constraint::Length(4), Constraint::Fill(5), Constraint::Fill(4), Constraint::Length(1)];
    if area.height < TALL {
        let rows = [Constraint::Length(4), Constraint::Fill(1), Constraint::Length(1)];
        let [head, middle, foot] = Layout::vertical(rows).areas(area);
        draw_head(frame, head, board, palette);
        draw_figures(frame, middle, board, palette);
        return draw_foot(frame, foot, palette);
    }
    let [head, middle, bottom, foot] = Layout::vertical(rows).areas(area);
    draw_head(frame, head, board, palette);
    let [curves, figures] = Layout::horizontal([Constraint::Fill(1), Constraint::Length(FIGURES)]).areas(middle);
    draw_chart(frame, curves, board, palette);
    draw_figures(frame, figures, board, palette);
    match (&board.sample, area.width >= WIDE) {
        (Some((step, text)), true) => {
            let [log, sample] = Layout::horizontal([Constraint::Fill(3), Constraint::Fill(2)]).areas(bottom);
            draw_log(frame, log, board, palette);
            draw_sample(frame, sample, (*step, text), palette);
        }
        _ => draw_log(frame, bottom, board, palette),
    }
    draw_foot(frame, foot, palette);
}

fn draw_head(frame: &mut Frame, area: Rect, board: &Board, palette: &Palette) {
    let outline = &board.outline;
    let (state, style) = match board {
        Board { is_ending: true, .. } => ("ending and saving", palette.warning),
        Board { is_paused: true, .. } => ("paused", palette.warning),
        _ if board.shown.train_loss.is_none() => ("starting", Style::default()),
        _ => ("training", palette.good),
    };
    let elapsed = board.opened.elapsed().as_secs_f64();
    let bar = Bar { steps: [board.steps_done(), outline.total_steps], left: board.left(), ..Bar::default() };
    let title = Line::from(vec![
        Span::styled(format!("hearth  {}", outline.name), palette.heading),
        Span::raw("  "),
        Span::styled(state, style),
        Span::raw(format!("  {}", clock(elapsed))),
    ]);
    let lines = vec![
        title,
        Line::raw(outline.to_string()),
        Line::raw(board.plan.as_str()),
        Line::raw(bar.text(elapsed, usize::from(area.width))),
    ];
    frame.render_widget(Paragraph::new(lines), area);
}

fn draw_log(frame: &mut Frame, area: Rect, board: &Board, palette: &Palette) {
    let block = Block::bordered().title(" log ").border_style(palette.faint);
    let inner = block.inner(area);
    let (rows, columns) = (usize::from(inner.height), usize::from(inner.width));
    let mut lines: Vec<Line> = Vec::new();
    // The newest lines that there is room for, long ones over several rows.
    for entry in board.log.iter().rev() {
        let style = if entry.is_warning { palette.warning } else { Style::default() };
        let parts = wrap(&entry.text, columns);
        lines.extend(parts.into_iter().rev().map(|part| Line::styled(part, style)));
        if lines.len() >= rows {
            break;
        }
    }
    lines.truncate(rows);
    lines.reverse();
    frame.render_widget(Paragraph::new(lines).block(block), area);
}

fn draw_sample(frame: &mut Frame, area: Rect, (step, text): (u64, &str), palette: &Palette) {
    let block = Block::bordered().title(format!(" text at step {step} ")).border_style(palette.faint);
    let columns = usize::from(block.inner(area).width);
    let lines: Vec<Line> = text.trim_start().lines().flat_map(|line| wrap(line, columns)).map(Line::raw).collect();
    frame.render_widget(Paragraph::new(lines).block(block), area);
}

fn draw_foot(frame: &mut Frame, area: Rect, palette: &Palette) {
    // Of the longest name a narrow terminal has the first word.
    let name = |what: &'static str| match area.width < WIDE {
        true => what.split(' ').next().unwrap_or(what),
        false => what,
    };
    let spans = HELP
        .iter()
        .flat_map(|(key, what)| [Span::styled(*key, palette.heading), Span::raw(format!(" {}  ", name(what)))]);
    frame.render_widget(Paragraph::new(Line::from_iter(spans)), area);
}

/// Text in lines of at most `columns` columns, cut between words where there are any.
fn wrap(text: &str, columns: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut used = 0;
    for word in text.split_inclusive(' ') {
        let word: String = word.chars().map(|char| if char.is_control() { ' ' } else { char }).collect();
        if used > 0 && used + width(word.trim_end()) > columns {
            lines.push(String::new());
            used = 0;
        }
        for char in word.chars() {
            let mut bytes = [0; 4];
            let room = width(char.encode_utf8(&mut bytes));
            if used + room > columns && used > 0 {
                if char == ' ' {
                    continue;
                }
                lines.push(String::new());
                used = 0;
            }
            lines.last_mut().expect("there is one from the start on").push(char);
            used += room;
        }
    }
    lines
}

/// Columns that a text takes: some characters take two.
fn width(text: &str) -> usize {
    Span::raw(text).width()
}

#[cfg(test)]
mod tests {
    use super::wrap;

    #[test]
    fn lines_are_cut_between_words() {
        assert_eq!(wrap("a bc def", 4), ["a bc", "def"]);
        assert_eq!(wrap("abcdefghij k", 4), ["abcd", "efgh", "ij k"]);
        assert_eq!(wrap("春眠不覚暁", 4), ["春眠", "不覚", "暁"]);
        assert_eq!(wrap("ab", 0), ["a", "b"]);
        assert_eq!(wrap("", 4), [""]);
        assert_eq!(wrap("tab\there", 80), ["tab here"]);
    }
}
