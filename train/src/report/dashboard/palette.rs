//! Colours of the dashboard.

use ratatui::style::{Color, Modifier, Style};

/// Colours of the dashboard, or none.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Palette {
    pub train: Style,
    pub validation: Style,
    pub heading: Style,
    pub faint: Style,
    pub warning: Style,
    pub good: Style,
}

impl Palette {
    /// What the user's environment asks for: see <https://no-color.org>.
    pub fn of_user() -> Self {
        Self::new(std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()))
    }

    /// With colours of the terminal's own sixteen, which a user has chosen to be readable, or by weight alone.
    pub fn new(has_colours: bool) -> Self {
        let heading = Style::new().add_modifier(Modifier::BOLD);
        if !has_colours {
            return Self { heading, warning: heading, ..Self::default() };
        }
        Self {
            train: Style::new().fg(Color::Cyan),
            validation: Style::new().fg(Color::Yellow),
            heading,
            faint: Style::new().add_modifier(Modifier::DIM),
            warning: Style::new().fg(Color::Red),
            good: Style::new().fg(Color::Green),
        }
    }
}
