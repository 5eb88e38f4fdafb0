//! What `hearth eval` shows while it goes on.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};

use crate::output::tell;

/// Between two lines where there is no terminal to draw a bar on.
const BETWEEN_LINES: Duration = Duration::from_secs(10);

/// A bar, or lines.
pub struct EvalDisplay {
    bar: ProgressBar,
    name: String,
    /// What is counted.
    unit: &'static str,
    quiet: bool,
    start: Instant,
    last_line: Instant,
}

impl EvalDisplay {
    pub fn new(path: &Path, unit: &'static str, quiet: bool) -> Self {
        let name: String = path.file_name().unwrap_or_default().to_string_lossy().chars().take(30).collect();
        let template = format!("{{elapsed_precise}} [{{bar:24}}] {{pos}}/{{len}} {unit}  {{wide_msg}}  left {{eta}}");
        let style = ProgressStyle::with_template(&template);
        let style = style.expect("the template is fixed").progress_chars("=> ");
        let bar = if quiet { ProgressBar::hidden() } else { ProgressBar::no_length() };
        let now = Instant::now();
        Self { bar: bar.with_style(style), name, unit, quiet, start: now, last_line: now }
    }

    pub fn show(&mut self, done: u64, all: u64) {
        let speed = done as f64 / self.start.elapsed().as_secs_f64().max(1e-9);
        if !self.bar.is_hidden() {
            self.bar.set_length(all);
            self.bar.set_message(format!("{}  {speed:.0}/s", self.name));
            self.bar.set_position(done);
        } else if !self.quiet && self.last_line.elapsed() >= BETWEEN_LINES {
            self.last_line = Instant::now();
            tell(format_args!("{}: {done} of {all} {}, {speed:.0}/s", self.name, self.unit));
        }
    }

    pub fn finish(self) {
        self.bar.finish_and_clear();
    }
}
