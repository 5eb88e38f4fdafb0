//! What `hearth prepare` shows beside its summary.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use hearth_data::{Counts, FileFaults, PrepareProgress};
use indicatif::{ProgressBar, ProgressStyle};

use crate::output::tell;

/// Between two lines where there is no terminal to draw a bar on.
const BETWEEN_LINES: Duration = Duration::from_secs(10);

/// Paths that are shown of those that are left out.
const SHOWN: usize = 8;

/// What is seen while it goes on.
pub struct ProgressDisplay {
    pub bar: ProgressBar,
    start: Instant,
    last_line: Instant,
}

impl ProgressDisplay {
    pub fn new(bytes: u64) -> Self {
        let style = ProgressStyle::with_template(
            "{elapsed_precise} [{bar:24}] {bytes}/{total_bytes}  {bytes_per_sec}  {wide_msg}  left {eta}",
        );
        let style = style.expect("the template is fixed").progress_chars("=> ");
        let now = Instant::now();
        // Nobody knows how much comes from standard input.
        let bar = if bytes == 0 { ProgressBar::no_length() } else { ProgressBar::new(bytes) };
        Self { bar: bar.with_style(style), start: now, last_line: now }
    }

    pub fn show(&mut self, progress: &PrepareProgress) {
        let PrepareProgress { bytes_read, documents, tokens } = *progress;
        let text = format!("{documents} documents, {tokens} tokens");
        if self.bar.is_hidden() {
            if self.last_line.elapsed() >= BETWEEN_LINES {
                self.last_line = Instant::now();
                let megabytes = bytes_read as f64 / 1e6;
                let speed = megabytes / self.start.elapsed().as_secs_f64();
                tell(format_args!("{megabytes:.0} MB read, {text}, {speed:.1} MB/s"));
            }
            return;
        }
        self.bar.set_position(bytes_read);
        self.bar.set_message(text);
    }
}

pub fn counts(counts: &Counts) -> String {
    format!("{} tokens, {} documents, {} shards", counts.tokens, counts.documents, counts.shards)
}

/// As [`counts`], of rows of chats.
pub fn row_counts(counts: &Counts, pairs: bool) -> String {
    let Counts { shards, tokens, documents, untrained, cut, left_out, .. } = *counts;
    let rows = if pairs { format!("{} pairs", documents / 2) } else { format!("{documents} rows") };
    let trained = tokens.saturating_sub(untrained);
    format!("{tokens} tokens, {trained} of them trained, {rows}, {shards} shards; {cut} rows cut, {left_out} left out")
}

/// Rows that were left out, by reason.
pub fn show_rows_left_out(faults: &FileFaults) {
    if faults.total() == 0 {
        return;
    }
    let kinds: Vec<String> = faults.counts().iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    tell(format_args!("left out: {} rows ({}), the first of them:", faults.total(), kinds.join(", ")));
    for fault in faults.first() {
        tell(format_args!("  {fault}"));
    }
}

pub fn show_faults(faults: &FileFaults) {
    if faults.total() == 0 {
        return;
    }
    tell(format_args!("left out: {} places, the first of them:", faults.total()));
    for fault in faults.first() {
        tell(format_args!("  {fault}"));
    }
}

pub fn show_left_out(paths: &[PathBuf]) {
    if paths.is_empty() {
        return;
    }
    let mut shown: Vec<String> = paths.iter().take(SHOWN).map(|path| path.display().to_string()).collect();
    if paths.len() > SHOWN {
        shown.push(format!("and {} more", paths.len() - SHOWN));
    }
    tell(format_args!(
        "not read, for they are no part of the data (name a file to have it read): {}",
        shown.join(", ")
    ));
}
