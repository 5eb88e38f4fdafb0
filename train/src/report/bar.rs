//! The progress bar, as text for a terminal of any width.

use super::line::{clock, speed, utilisation};
use crate::session::Metrics;

/// Columns of the bar itself: fewer show nothing, more are no use.
const NARROWEST: usize = 8;
const WIDEST: usize = 40;

/// What a bar shows.
#[derive(Clone, Debug, Default)]
pub(super) struct Bar {
    /// Steps that are done, and all.
    pub steps: [u64; 2],
    /// The newest of each figure.
    pub shown: Metrics,
    /// Seconds to the end.
    pub left: Option<f64>,
}

/// How much is told, and how tersely.
#[derive(Clone, Copy)]
struct Form {
    gap: &'static str,
    bar: bool,
    clock: bool,
    mfu: bool,
    terse: bool,
    /// Which of speed, validation loss and training loss are told: those below their place.
    figures: usize,
}

const FULL: Form = Form { gap: "  ", bar: true, clock: true, mfu: true, terse: false, figures: 3 };
const FORMS: [Form; 9] = [
    FULL,
    Form { clock: false, ..FULL },
    Form { clock: false, mfu: false, ..FULL },
    Form { clock: false, mfu: false, bar: false, ..FULL },
    Form { gap: " ", clock: false, mfu: false, bar: false, ..FULL },
    Form { gap: " ", clock: false, mfu: false, bar: false, terse: true, ..FULL },
    Form { gap: " ", clock: false, mfu: false, bar: false, terse: true, figures: 2 },
    Form { gap: " ", clock: false, mfu: false, bar: false, terse: true, figures: 1 },
    Form { gap: " ", clock: false, mfu: false, bar: false, terse: true, figures: 0 },
];

impl Bar {
    /// The bar after `elapsed` seconds, in at most `width` columns where they are 32 or more.
    pub fn text(&self, elapsed: f64, width: usize) -> String {
        let texts = FORMS.iter().map(|form| self.in_form(form, elapsed, width));
        let fits = |text: &String| text.chars().count() <= width;
        let mut texts = texts.skip_while(|text| !fits(text));
        texts.next().unwrap_or_else(|| self.in_form(&FORMS[FORMS.len() - 1], elapsed, width))
    }

    fn in_form(&self, form: &Form, elapsed: f64, width: usize) -> String {
        let Self { steps: [done, all], shown, left } = self;
        let share = if *all == 0 { 1.0 } else { (*done as f64 / *all as f64).min(1.0) };
        // 100 only at the end.
        let percent = (100.0 * share).floor();
        let loss = |name, loss: f64| match form.terse {
            true => format!("{name} {loss:.*}", if loss < 10.0 { 2 } else { 1 }),
            false => format!("{name} {loss:.3}"),
        };
        let figures = [
            shown.train_loss.map(|it| loss("loss", it)),
            shown.val_loss.map(|it| loss("val", it)),
            shown.tokens_per_second.map(|rate| format!("{} tok/s", speed(rate))),
        ];
        let figures = figures.into_iter().take(form.figures).flatten();
        let mfu = shown.mfu.filter(|_| form.mfu).map(|mfu| format!("MFU {}", utilisation(mfu)));
        let left = left.map(|left| format!("left {}", if form.terse { terse_clock(left) } else { clock(left) }));
        let head = form.clock.then(|| clock(elapsed));
        let percent = if form.terse { format!("{percent}%") } else { format!("{percent:>3} %") };
        let tail = [Some(percent), Some(format!("{done}/{all}"))].into_iter().flatten();
        let tail: Vec<_> = tail.chain(figures).chain(mfu).chain(left).collect();
        let tail = tail.join(form.gap);
        if !form.bar {
            return tail;
        }
        let head = head.map_or(String::new(), |head| head + " ");
        let room = width.saturating_sub(head.len() + tail.len() + "[] ".len()).clamp(NARROWEST, WIDEST);
        let filled = (share * room as f64) as usize;
        let (full, rest) = ("=".repeat(filled), " ".repeat(room - filled));
        let full = if filled > 0 && filled < room { format!("{}>", &full[1..]) } else { full };
        format!("{head}[{full}{rest}] {tail}")
    }
}

/// `2:10`, `23h45m`, `4d02h`.
fn terse_clock(seconds: f64) -> String {
    let minutes = (seconds / 60.0) as u64;
    match minutes {
        0..60 => clock(seconds),
        60..6000 => format!("{}h{:02}m", minutes / 60, minutes % 60),
        _ => format!("{}d{:02}h", minutes / 1440, minutes / 60 % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bar(steps: [u64; 2], losses: [f64; 2], speed: f64, left: f64) -> Bar {
        let [train_loss, val_loss] = losses.map(Some);
        let (tokens_per_second, mfu) = (Some(speed), Some(0.171));
        let shown = Metrics { train_loss, val_loss, tokens_per_second, mfu, ..Metrics::default() };
        Bar { steps, shown, left: Some(left) }
    }

    #[test]
    fn a_bar_tells_all_that_fits() {
        let bar = bar([411, 500], [2.477, 2.353], 17_000.0, 1.0);
        let figures = " 82 %  411/500  loss 2.477  val 2.353  17.0k tok/s";
        assert_eq!(
            bar.text(3.0, 120),
            format!("0:03 [===============================>        ] {figures}  MFU 17 %  left 0:01")
        );
        assert_eq!(bar.text(3.0, 80), format!("[============>   ] {figures}  left 0:01"));
        assert_eq!([80, 120].map(|width| bar.text(3.0, width).len()), [80, 119]);
        assert_eq!(bar.text(3.0, 60), " 82 % 411/500 loss 2.477 val 2.353 17.0k tok/s left 0:01");
        assert_eq!(bar.text(3.0, 40), "82% 411/500 loss 2.48 val 2.35 left 0:01");
    }

    #[test]
    fn nothing_is_cut_off_at_60_columns() {
        for (steps, losses, speed, left) in [
            ([99_999, 100_000], [10.953, 10.877], 999_900.0, 85_500.0),
            ([411, 600_000], [10.953, 10.877], 123_400.0, 900_000.0),
            ([1_999, 2_000], [2.1, 1.9], 950.0, 59.0),
        ] {
            let bar = bar(steps, losses, speed, left);
            for width in [60, 80, 100] {
                let text = bar.text(5e5, width);
                assert!(text.chars().count() <= width, "{text}");
                for part in ["%", &format!("{}/{}", steps[0], steps[1]), "loss ", "val ", " tok/s", "left "] {
                    assert!(text.contains(part), "{part} is not in {text}");
                }
            }
        }
    }

    #[test]
    fn a_bar_without_figures_has_steps() {
        let bar = Bar { steps: [0, 20], ..Bar::default() };
        assert_eq!(bar.text(38.0, 80), format!("0:38 [{}]   0 %  0/20", " ".repeat(40)));
        let done = Bar { steps: [20, 20], ..Bar::default() };
        assert_eq!(done.text(38.0, 30), format!("0:38 [{}] 100 %  20/20", "=".repeat(10)));
    }

    #[test]
    fn long_times_are_short() {
        let clocks = [59.0, 3_600.0, 85_500.0, 900_000.0].map(terse_clock);
        assert_eq!(clocks, ["0:59", "1h00m", "23h45m", "10d10h"].map(String::from));
    }
}
