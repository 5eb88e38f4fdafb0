//! Least sums of Huber's loss.

/// Constants that are looked for.
const CONSTANTS: usize = 5;
/// Up to here a residual counts by its square, beyond by its size: the paper's delta.
const DELTA: f64 = 1e-3;
/// Steps of a descent at most, and the relative gain under which it ends.
const STEPS: usize = 400;
const GAIN: f64 = 1e-12;

/// A residual that no step goes to.
pub const LARGE: f64 = 1e6;

/// Huber's loss of a residual.
fn huber(residual: f64) -> f64 {
    let size = residual.abs();
    if size <= DELTA { 0.5 * size * size } else { DELTA * (size - 0.5 * DELTA) }
}

/// Descends from `at` to a place where the sum of Huber's loss over `rows` residuals is least, and returns that sum.
/// `residual` gives each with its derivatives.
///
/// Levenberg and Marquardt's steps, with each row weighted so that its square has the slope of Huber's loss. They need no
/// line search, and end where L-BFGS on these few constants does.
pub fn minimise(
    at: &mut [f64; CONSTANTS],
    residual: impl Fn(&[f64; CONSTANTS], usize) -> (f64, [f64; CONSTANTS]),
    rows: usize,
) -> f64 {
    let cost = |at: &[f64; CONSTANTS]| (0..rows).map(|row| huber(residual(at, row).0)).sum::<f64>();
    let (mut best, mut damping) = (cost(at), 1e-2);
    for _ in 0..STEPS {
        let (mut matrix, mut slope) = ([[0.0; CONSTANTS]; CONSTANTS], [0.0; CONSTANTS]);
        for row in 0..rows {
            let (off, by) = residual(at, row);
            let weight = DELTA / off.abs().max(DELTA);
            for one in 0..CONSTANTS {
                slope[one] -= weight * by[one] * off;
                (0..CONSTANTS).for_each(|other| matrix[one][other] += weight * by[one] * by[other]);
            }
        }
        // What no residual depends on stands still.
        (0..CONSTANTS).for_each(|it| matrix[it][it] += damping * matrix[it][it] + 1e-14);
        let step = solve(matrix, slope);
        let next = std::array::from_fn(|it| at[it] + step[it]);
        let reached = cost(&next);
        if reached < best {
            let gain = (best - reached) / best;
            (*at, best) = (next, reached);
            damping = (damping * 0.3).max(1e-12);
            if gain < GAIN {
                break;
            }
        } else {
            damping *= 4.0;
            if damping > 1e12 {
                break;
            }
        }
    }
    best
}

/// Solves `matrix * x = right` by elimination with pivots.
fn solve(mut matrix: [[f64; CONSTANTS]; CONSTANTS], mut right: [f64; CONSTANTS]) -> [f64; CONSTANTS] {
    for column in 0..CONSTANTS {
        let by_size = |one: &usize, other: &usize| matrix[*one][column].abs().total_cmp(&matrix[*other][column].abs());
        let pivot = (column..CONSTANTS).max_by(by_size).expect("there are rows left");
        matrix.swap(column, pivot);
        right.swap(column, pivot);
        for row in column + 1..CONSTANTS {
            let factor = matrix[row][column] / matrix[column][column];
            (column..CONSTANTS).for_each(|it| matrix[row][it] -= factor * matrix[column][it]);
            right[row] -= factor * right[column];
        }
    }
    let mut solved = [0.0; CONSTANTS];
    for row in (0..CONSTANTS).rev() {
        let rest: f64 = (row + 1..CONSTANTS).map(|it| matrix[row][it] * solved[it]).sum();
        solved[row] = (right[row] - rest) / matrix[row][row];
    }
    solved
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equations_are_solved() {
        let known = [1.0, -2.0, 3.0, 0.5, 4.0];
        let matrix: [[f64; 5]; 5] = std::array::from_fn(|row| {
            std::array::from_fn(|column| if row == column { 0.0 } else { (row * column + row) as f64 + 1.0 })
        });
        let right = matrix.map(|row| row.iter().zip(known).map(|(it, value)| it * value).sum());
        let solved = solve(matrix, right);
        assert!(solved.iter().zip(known).all(|(found, value)| (found - value).abs() < 1e-9), "{solved:?}");
    }

    #[test]
    fn one_row_that_is_far_off_pulls_little() {
        // Four rows say 1, one says 100: the mean would be 20.8, and the median is 1.
        let says = [1.0, 1.0, 1.0, 1.0, 100.0];
        let mut at = [30.0, 0.0, 0.0, 0.0, 0.0];
        minimise(&mut at, |at, row| (at[0] - says[row], [1.0, 0.0, 0.0, 0.0, 0.0]), 5);
        assert!((at[0] - 1.0).abs() < 0.01 && at[1..] == [0.0; 4], "{at:?}");
    }
}
