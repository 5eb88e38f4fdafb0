//! An event in words: the figures that a person watches.

use crate::session::Metrics;

/// One line of a log, `step  100/2000  loss 2.3456  val 2.4567  lr 1.0e-3  norm 0.52  12.3k tok/s  left 2:10`.
/// Figures that were not measured are left out.
pub(super) fn line(event: &Metrics, total_steps: u64) -> String {
    let width = total_steps.to_string().len();
    join([
        Some(format!("step {:>width$}/{total_steps}", event.step)),
        event.train_loss.map(|loss| format!("loss {loss:.4}")),
        event.val_loss.map(|loss| format!("val {loss:.4}")),
        event.lr.map(|lr| format!("lr {lr:.1e}")),
        event.grad_norm.map(|norm| format!("norm {norm:.2}")),
        event.tokens_per_second.map(speed),
        event.mfu.map(utilisation),
        left(event, total_steps).map(clock),
    ])
}

/// What stands to the right of a progress bar, `loss 2.346  val 2.457  12.3k tok/s  MFU 31 %  left 2:10`.
pub(super) fn message(event: &Metrics, total_steps: u64) -> String {
    join([
        event.train_loss.map(|loss| format!("loss {loss:.3}")),
        event.val_loss.map(|loss| format!("val {loss:.3}")),
        event.tokens_per_second.map(speed),
        event.mfu.map(utilisation),
        left(event, total_steps).map(clock),
    ])
}

fn join<const N: usize>(figures: [Option<String>; N]) -> String {
    figures.into_iter().flatten().collect::<Vec<_>>().join("  ")
}

fn speed(tokens_per_second: f64) -> String {
    match tokens_per_second {
        rate if rate >= 1e6 => format!("{:.2}M tok/s", rate / 1e6),
        rate if rate >= 1e3 => format!("{:.1}k tok/s", rate / 1e3),
        rate => format!("{rate:.0} tok/s"),
    }
}

fn utilisation(mfu: f64) -> String {
    let decimals = if mfu < 0.1 { 1 } else { 0 };
    format!("MFU {:.decimals$} %", 100.0 * mfu)
}

/// Seconds to the last step: at the speed of now where it is known, else at the mean speed so far. A run's first
/// steps, which compile and tune kernels, thus spoil the estimate only while they last.
fn left(event: &Metrics, total_steps: u64) -> Option<f64> {
    let steps = total_steps.saturating_sub(event.step) as f64;
    let tokens_per_step = event.tokens as f64 / event.step as f64;
    let per_step = match event.tokens_per_second {
        Some(rate) if rate > 0.0 => tokens_per_step / rate,
        _ => event.seconds / event.step as f64,
    };
    Some(steps * per_step).filter(|seconds| seconds.is_finite())
}

/// `left 2:10`, `left 1:02:10`.
fn clock(seconds: f64) -> String {
    let seconds = seconds.round() as u64;
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("left {minutes}:{seconds:02}"),
        _ => format!("left {hours}:{minutes:02}:{seconds:02}"),
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
        // 1900 steps of 841.58 tokens at 12.3k tokens a second: 130 s
        let expected =
            "step  100/2000  loss 2.3456  val 2.4567  lr 1.0e-3  norm 0.52  12.3k tok/s  MFU 31 %  left 2:10";
        assert_eq!(line(&event(), 2000), expected);
        assert_eq!(message(&event(), 2000), "loss 2.346  val 2.457  12.3k tok/s  MFU 31 %  left 2:10");
    }

    #[test]
    fn what_is_not_known_is_left_out() {
        assert_eq!(line(&Metrics::default(), 10), "step  0/10");
        let bare = Metrics { step: 4, seconds: 8.0, train_loss: Some(f64::NAN), ..Metrics::default() };
        assert_eq!(line(&bare, 10), "step  4/10  loss NaN  left 0:12");
    }

    #[test]
    fn the_last_step_leaves_nothing() {
        assert!(line(&event(), 100).ends_with("left 0:00"));
        assert!(line(&event(), 50).ends_with("left 0:00"));
    }

    #[test]
    fn figures_keep_few_digits() {
        assert_eq!(
            [950.4, 12_345.0, 1_234_567.0].map(speed),
            ["950 tok/s", "12.3k tok/s", "1.23M tok/s"].map(String::from)
        );
        assert_eq!([0.0042, 0.314].map(utilisation), ["MFU 0.4 %", "MFU 31 %"].map(String::from));
        assert_eq!(
            [0.4, 130.0, 3599.6, 93_784.0].map(clock),
            ["left 0:00", "left 2:10", "left 1:00:00", "left 26:03:04"].map(String::from)
        );
    }
}
