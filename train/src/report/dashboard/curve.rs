//! A curve that is drawn on a few hundred columns, of a run of any length.

/// Most points that are kept.
const MOST: usize = 1024;

/// Points of step and value; when there are too many, neighbours become their mean.
#[derive(Debug)]
pub(super) struct Curve {
    points: Vec<(f64, f64)>,
    /// Values that make a point.
    merged: u64,
    /// Sums of steps and values of the point that is being made, and how many they are.
    open: (f64, f64, u64),
}

impl Default for Curve {
    fn default() -> Self {
        Self { points: Vec::new(), merged: 1, open: (0.0, 0.0, 0) }
    }
}

impl Curve {
    /// Adds a value; one that is no number has no place on a curve.
    pub fn push(&mut self, step: u64, value: f64) {
        if !value.is_finite() {
            return;
        }
        let (steps, values, count) = &mut self.open;
        (*steps, *values, *count) = (*steps + step as f64, *values + value, *count + 1);
        if *count < self.merged {
            return;
        }
        let (steps, values, count) = std::mem::take(&mut self.open);
        self.points.push((steps / count as f64, values / count as f64));
        if self.points.len() == MOST {
            self.points = self.points.chunks(2).map(mean).collect();
            self.merged *= 2;
        }
    }

    /// The curve in at most `columns` points, the newest value in it.
    pub fn points(&self, columns: usize) -> Vec<(f64, f64)> {
        let (steps, values, count) = self.open;
        let open = (count > 0).then(|| (steps / count as f64, values / count as f64));
        let all: Vec<_> = self.points.iter().copied().chain(open).collect();
        all.chunks(all.len().div_ceil(columns.max(1)).max(1)).map(mean).collect()
    }
}

fn mean(points: &[(f64, f64)]) -> (f64, f64) {
    let count = points.len() as f64;
    let (steps, values) = points.iter().fold((0.0, 0.0), |sum, point| (sum.0 + point.0, sum.1 + point.1));
    (steps / count, values / count)
}

/// Lowest and highest value to be drawn: all of `validation`, and what of `train` is not among its outermost hundredths, so
/// that a spike does not flatten the rest. `None` where there are no points.
pub(super) fn bounds(train: &[(f64, f64)], validation: &[(f64, f64)]) -> Option<[f64; 2]> {
    let mut values: Vec<f64> = train.iter().map(|point| point.1).collect();
    values.sort_by(f64::total_cmp);
    let outer = values.len() / 50;
    let kept = values.get(outer..values.len() - outer).unwrap_or_default();
    let all = || kept.iter().copied().chain(validation.iter().map(|point| point.1));
    let (low, high) = (all().reduce(f64::min)?, all().reduce(f64::max)?);
    let margin = (0.05 * (high - low)).max(0.01);
    Some([low - margin, high + margin])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_curve_is_kept_in_means() {
        let mut curve = Curve::default();
        (0..1_000_000).for_each(|step| curve.push(step, 2.0 * step as f64));
        curve.push(1_000_000, f64::NAN);
        let points = curve.points(100);
        assert!((50..=100).contains(&points.len()) && curve.points.len() < MOST);
        assert!(points.iter().all(|(step, value)| (value - 2.0 * step).abs() < 1e-6));
        assert!(points[0].0 < 20_000.0 && points[points.len() - 1].0 > 980_000.0, "{points:?}");
    }

    #[test]
    fn a_short_curve_is_kept_as_it_is() {
        let mut curve = Curve::default();
        [(0, 4.0), (1, 3.0), (2, 2.5)].into_iter().for_each(|(step, value)| curve.push(step, value));
        assert_eq!(curve.points(100), [(0.0, 4.0), (1.0, 3.0), (2.0, 2.5)]);
        assert_eq!(curve.points(2), [(0.5, 3.5), (2.0, 2.5)]);
    }

    #[test]
    fn a_spike_does_not_flatten_the_rest() {
        let mut train: Vec<(f64, f64)> = (0..100).map(|step| (step.into(), 2.0 + f64::from(step) / 100.0)).collect();
        train[50].1 = 900.0;
        let [low, high] = bounds(&train, &[(0.0, 3.5)]).unwrap();
        assert!(low < 2.02 && low > 1.8 && high > 3.5 && high < 3.7, "{low} to {high}");
        assert_eq!(bounds(&[], &[]), None);
        assert_eq!(bounds(&[(0.0, 1.0)], &[]), Some([0.99, 1.01]));
    }
}
