//! Curves as lists of points, and how they are made ready for a picture.

use std::ops::Range;

use crate::session::Metrics;

/// A curve is thinned to this many points: the picture has no room for more.
const MOST_POINTS: usize = 2000;
/// Up to here a curve is shown as it is: each point may be seen by itself.
pub const FEW: usize = 60;
/// Unless it is said, so many windows of smoothing stand side by side in a curve.
const WINDOWS: usize = 40;

/// What a curve is drawn against.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Axis {
    /// Steps.
    #[default]
    Steps,
    /// Training tokens.
    Tokens,
    /// Wall time of the loop.
    Seconds,
}

impl Axis {
    fn of(self, metrics: &Metrics) -> f64 {
        match self {
            Self::Steps => metrics.step as f64,
            Self::Tokens => metrics.tokens as f64,
            Self::Seconds => metrics.seconds,
        }
    }
}

pub type Curve = Vec<(f64, f64)>;

/// The finite values of one figure against `axis`.
pub fn curve(events: &[Metrics], axis: Axis, figure: impl Fn(&Metrics) -> Option<f64>) -> Curve {
    let point = |event| figure(event).filter(|loss| loss.is_finite()).map(|loss| (axis.of(event), loss));
    events.iter().filter_map(point).collect()
}

/// The number of points that are averaged where the user says none: 1 for a curve of few points.
pub fn usual_window(curve: &Curve) -> usize {
    if curve.len() <= FEW { 1 } else { curve.len() / WINDOWS }
}

/// At each point the mean of `window` points around it; of those that there are at the end, and of as many on both sides at
/// the beginning, where a curve is steep.
pub fn smooth(curve: &Curve, window: usize) -> Curve {
    let half = window / 2;
    let mut sums = vec![0.0];
    sums.extend(curve.iter().scan(0.0, |sum, (_, value)| {
        *sum += value;
        Some(*sum)
    }));
    let mean = |at: usize| {
        let before = half.min(at);
        let (first, end) = (at - before, (at + before + 1).min(curve.len()));
        (sums[end] - sums[first]) / (end - first) as f64
    };
    curve.iter().enumerate().map(|(at, (x, _))| (*x, mean(at))).collect()
}

/// At most as many points as there is room for: of each stretch the lowest and the highest, so that no spike is lost.
pub fn thin(curve: Curve) -> Curve {
    if curve.len() <= MOST_POINTS {
        return curve;
    }
    let extremes = |stretch: &[(f64, f64)]| {
        let by_loss = |&a: &usize, &b: &usize| stretch[a].1.total_cmp(&stretch[b].1);
        let low = (0..stretch.len()).min_by(by_loss).expect("chunks are not empty");
        let high = (0..stretch.len()).max_by(by_loss).expect("chunks are not empty");
        [stretch[low.min(high)], stretch[low.max(high)]]
    };
    curve.chunks(curve.len().div_ceil(MOST_POINTS / 2)).flat_map(extremes).collect()
}

/// The highest loss that is worth its room: the curve's highest, unless a few spikes alone are far above its beginning and
/// all the rest.
pub fn ceiling(curve: &Curve) -> Option<f64> {
    let mut sorted: Vec<f64> = curve.iter().map(|(_, loss)| *loss).collect();
    sorted.sort_by(f64::total_cmp);
    let (lowest, highest) = (sorted.first()?, sorted.last()?);
    let usual = sorted[(sorted.len() - 1) * 199 / 200].max(curve[0].1);
    let reach = usual + 0.5 * (usual - lowest);
    Some(if *highest > reach && curve.len() > FEW { usual } else { *highest })
}

/// The axes' ends: from `first`, or the first point, to the last point, and all losses with some air around them.
pub fn ranges<'a>(points: impl Iterator<Item = &'a (f64, f64)>, first: Option<f64>) -> Option<[Range<f64>; 2]> {
    let ([mut left, mut low], [mut right, mut high]) = ([f64::INFINITY; 2], [f64::NEG_INFINITY; 2]);
    for &(x, loss) in points {
        (left, right) = (left.min(x), right.max(x));
        (low, high) = (low.min(loss), high.max(loss));
    }
    let left = first.unwrap_or(left);
    let air = if high > low { 0.05 * (high - low) } else { 0.5 };
    let right = if right > left { right } else { left + 1.0 };
    (low <= high).then_some([left..right, low - air..high + air])
}

/// The lowest point.
pub fn lowest(curve: &Curve) -> Option<(f64, f64)> {
    curve.iter().min_by(|a, b| a.1.total_cmp(&b.1)).copied()
}

/// The lowest point, if the curve has risen since by more than it wavers: by a hundredth of what it fell.
pub fn best_before_the_end(curve: &Curve) -> Option<(f64, f64)> {
    let (first, last) = (curve.first()?, curve.last()?);
    let best = lowest(curve)?;
    (last.1 - best.1 > 0.01 * (first.1 - best.1)).then_some(best)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(losses: &[f64]) -> Curve {
        (0..).zip(losses).map(|(step, loss)| (f64::from(step), *loss)).collect()
    }

    #[test]
    fn figures_stand_against_what_is_asked_for() {
        let at = |step, train_loss| Metrics { step, tokens: 8 * step, seconds: 0.5, train_loss, ..Metrics::default() };
        let events = [at(1, Some(4.0)), at(2, Some(f64::INFINITY)), at(3, None), at(4, Some(2.0))];
        let drawn = |axis| curve(&events, axis, |event| event.train_loss);
        assert_eq!(drawn(Axis::Steps), [(1.0, 4.0), (4.0, 2.0)]);
        assert_eq!(drawn(Axis::Tokens), [(8.0, 4.0), (32.0, 2.0)]);
        assert_eq!(drawn(Axis::Seconds), [(0.5, 4.0), (0.5, 2.0)]);
    }

    #[test]
    fn the_ranges_leave_air() {
        let losses = [(1.0, 4.0), (3.0, 2.0)];
        assert_eq!(ranges(losses.iter(), Some(0.0)).unwrap(), [0.0..3.0, 1.9..4.1]);
        assert_eq!(ranges(losses.iter(), None).unwrap(), [1.0..3.0, 1.9..4.1]);
        assert_eq!(ranges([(0.0, 2.0)].iter(), Some(0.0)).unwrap(), [0.0..1.0, 1.5..2.5]);
        assert_eq!(ranges([].iter(), None), None);
    }

    #[test]
    fn thinning_keeps_the_spikes() {
        let mut long: Curve = (0..10_001).map(|step| (f64::from(step), 2.0)).collect();
        (long[5_003].1, long[5_001].1) = (9.0, 1.0);
        let thinned = thin(long.clone());
        assert!(thinned.len() <= 2000, "{}", thinned.len());
        assert!(thinned.contains(&(5_003.0, 9.0)) && thinned.contains(&(5_001.0, 1.0)));
        assert!(thinned.is_sorted_by(|a, b| a.0 <= b.0));
        assert_eq!(thin(long[..2000].to_vec()), long[..2000]);
    }

    #[test]
    fn a_mean_stands_in_the_middle_of_its_points() {
        let curve = values(&[9.0, 3.0, 3.0, 6.0, 0.0, 3.0]);
        assert_eq!(smooth(&curve, 1), curve);
        assert_eq!(smooth(&curve, 3), values(&[9.0, 5.0, 4.0, 3.0, 3.0, 1.5]));
        // At the end of those that there are.
        assert_eq!(smooth(&curve, 5), values(&[9.0, 5.0, 4.2, 3.0, 3.0, 3.0]));
        assert_eq!((usual_window(&curve), usual_window(&vec![(0.0, 1.0); 800])), (1, 20));
        assert!(smooth(&vec![], 3).is_empty());
    }

    #[test]
    fn spikes_do_not_flatten_the_rest() {
        let mut curve: Curve = (0..1000).map(|step| (f64::from(step), 4.0 - f64::from(step) / 500.0)).collect();
        assert_eq!(ceiling(&curve), Some(4.0));
        curve[500].1 = 4.5;
        assert_eq!(ceiling(&curve), Some(4.5));
        curve[500].1 = 900.0;
        assert_eq!(ceiling(&curve), Some(4.0));
        assert_eq!(ceiling(&values(&[1.0, 900.0])), Some(900.0));
        assert_eq!(ceiling(&vec![]), None);
    }

    #[test]
    fn overfitting_is_seen() {
        assert_eq!(best_before_the_end(&values(&[4.0, 3.0, 2.0, 2.005])), None);
        assert_eq!(best_before_the_end(&values(&[4.0, 3.0, 2.5, 2.75])), Some((2.0, 2.5)));
        assert_eq!(best_before_the_end(&vec![]), None);
    }
}
