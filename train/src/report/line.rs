//! An event in words: the figures that a person watches.

use crate::session::Metrics;

/// One line of a log, `step  100/2000  loss 2.3456  val 2.4567  lr 1.0e-3  norm 0.52  12.3k tok/s  left 2:10`.
/// Figures that were not measured are left out.
pub(super) fn line(event: &Metrics, total_steps: u64, left: Option<f64>) -> String {
    let width = total_steps.to_string().len();
    let figures = [
        Some(format!("step {:>width$}/{total_steps}", event.step)),
        event.train_loss.map(|loss| format!("loss {loss:.4}")),
        event.val_loss.map(|loss| format!("val {loss:.4}")),
        event.lr.map(|lr| format!("lr {lr:.1e}")),
        event.grad_norm.map(|norm| format!("norm {norm:.2}")),
        event.router_overload.map(|overload| format!("overload {overload:.2}")),
        event.tokens_per_second.map(|rate| format!("{} tok/s", speed(rate))),
        event.mfu.map(|mfu| format!("MFU {}", utilisation(mfu))),
        left.map(|left| format!("left {}", clock(left))),
    ];
    figures.into_iter().flatten().collect::<Vec<_>>().join("  ")
}

/// Tokens a second, `12.3k`.
pub(super) fn speed(tokens_per_second: f64) -> String {
    match tokens_per_second {
        rate if rate >= 999_950.0 => format!("{:.2}M", rate / 1e6),
        rate if rate >= 1e3 => format!("{:.1}k", rate / 1e3),
        rate => format!("{rate:.0}"),
    }
}

pub(super) fn utilisation(mfu: f64) -> String {
    let decimals = if mfu < 0.1 { 1 } else { 0 };
    format!("{:.decimals$} %", 100.0 * mfu)
}

/// `2:10`, `1:02:10`.
pub(super) fn clock(seconds: f64) -> String {
    let seconds = seconds.round() as u64;
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("{minutes}:{seconds:02}"),
        _ => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event() -> Metrics {
        Metrics {
            step: 100,
            tokens: 84_158,
            seconds: 50.0,
            train_loss: Some(2.34561),
            val_loss: Some(2.45671),
            grad_norm: Some(0.519),
            lr: Some(1e-3),
            left_out: false,
            tokens_per_second: Some(12_300.0),
            mfu: Some(0.308),
            ..Metrics::default()
        }
    }

    #[test]
    fn a_line_has_every_figure() {
        let expected =
            "step  100/2000  loss 2.3456  val 2.4567  lr 1.0e-3  norm 0.52  12.3k tok/s  MFU 31 %  left 2:10";
        assert_eq!(line(&event(), 2000, Some(130.0)), expected);
    }

    #[test]
    fn what_is_not_known_is_left_out() {
        assert_eq!(line(&Metrics::default(), 10, None), "step  0/10");
        let bare = Metrics { step: 4, seconds: 8.0, train_loss: Some(f64::NAN), ..Metrics::default() };
        assert_eq!(line(&bare, 10, Some(12.0)), "step  4/10  loss NaN  left 0:12");
    }

    #[test]
    fn figures_keep_few_digits() {
        let speeds = [950.4, 12_345.0, 999_949.0, 999_960.0, 1_234_567.0].map(speed);
        assert_eq!(speeds, ["950", "12.3k", "999.9k", "1.00M", "1.23M"].map(String::from));
        assert_eq!([0.0042, 0.314].map(utilisation), ["0.4 %", "31 %"].map(String::from));
        let clocks = [0.4, 130.0, 3599.6, 93_784.0].map(clock);
        assert_eq!(clocks, ["0:00", "2:10", "1:00:00", "26:03:04"].map(String::from));
    }
}
