//! The exponential and what is made of it, the same for every kernel.

use pulp::Simd;

use super::Vector;

/// `e^x`, within 1.1 units in the last place of the true value for every f32 (found by trying them all); 0 and infinity where
/// that is beyond f32, NaN of NaN.
///
/// `x = n ln 2 + r` with `|r| <= ln 2 / 2`, and a polynomial for `e^r` (Cephes, `expf.c`). `2^n` is multiplied in in two
/// steps, so that results below the smallest normal number are what they should be.
#[inline(always)]
pub fn exp<S: Simd>(x: Vector<S>) -> Vector<S> {
    // Adding it leaves the nearest whole number in the last bits.
    const ROUND: f32 = 12_582_912.0; // 1.5 2^23
    const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];
    let simd = x.simd;
    let splat = |value| Vector::splat(simd, value);
    // Beyond these bounds nothing changes any more. NaN passes both.
    let x = x.where_less(splat(-105.0), splat(-105.0), x);
    let x = splat(89.0).where_less(x, splat(89.0), x);
    let shifted = x.affine(std::f32::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    let r = n.mul_add(splat(-LN_2[1]), n.mul_add(splat(-LN_2[0]), x));
    let p = r.affine(1.987_569_1e-4, 1.398_199_9e-3);
    let p = p.mul_add(r, splat(8.333_452e-3));
    let p = p.mul_add(r, splat(4.166_579_6e-2));
    let p = p.mul_add(r, splat(1.666_666_6e-1));
    let p = p.mul_add(r, splat(0.5));
    let p = p.mul_add(r * r, r) + 1.0;
    // 2^(n / 2) and 2^(n - n / 2), by their exponents' bits.
    let half = (n * 0.5 + ROUND) - ROUND;
    p * power_of_2(half) * power_of_2(n - half)
}

/// `2^n` of a whole number from -126 to 127.
#[inline(always)]
fn power_of_2<S: Simd>(n: Vector<S>) -> Vector<S> {
    // With 2^23 in it, a float's last bits are its whole number.
    const WHOLE: f32 = 8_388_608.0;
    let simd = n.simd;
    let biased = simd.transmute_u32s_f32s((n + (127.0 + WHOLE)).lanes);
    let exponent = simd.wrapping_dyn_shl_u32s(biased, simd.splat_u32s(23));
    Vector::new(simd, simd.transmute_f32s_u32s(exponent))
}

/// `1 / (1 + e^-x)`.
#[inline(always)]
pub fn sigmoid<S: Simd>(x: Vector<S>) -> Vector<S> {
    Vector::splat(x.simd, 1.0) / (exp(-x) + 1.0)
}

/// The hyperbolic tangent, within 2 units in the last place for every f32 (found by trying them all).
///
/// A polynomial near 0 (Cephes, `tanhf.c`), and `1 - 2 / (e^2|x| + 1)` with the sign of `x` elsewhere.
#[inline(always)]
pub fn tanh<S: Simd>(x: Vector<S>) -> Vector<S> {
    let simd = x.simd;
    let splat = |value| Vector::splat(simd, value);
    let square = x * x;
    let p = square.affine(-5.704_988_7e-3, 2.063_908_8e-2);
    let p = p.mul_add(square, splat(-5.373_971_5e-2));
    let p = p.mul_add(square, splat(1.333_144_2e-1));
    let p = p.mul_add(square, splat(-3.333_328e-1));
    let near = (p * square).mul_add(x, x);
    let size = x.abs();
    let far = splat(1.0) - splat(2.0) / (exp(size * 2.0) + 1.0);
    let far = x.where_less(splat(0.0), -far, far);
    size.where_less(splat(0.625), near, far)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::vector::{map, vectorized};

    vectorized! {
        fn exps(simd: S, x: &'a [f32], y: &'a mut [f32]) -> () {
            map(simd, [x], [y], |[x]| [exp(x)]);
        }

        fn tanhs(simd: S, x: &'a [f32], y: &'a mut [f32]) -> () {
            map(simd, [x], [y], |[x]| [tanh(x)]);
        }
    }

    /// The largest error in units in the last place of the result, and where it is, over every `step`-th f32.
    fn worst(step: usize, found: impl Fn(&[f32], &mut [f32]), expected: impl Fn(f64) -> f64) -> (f64, f32) {
        const BLOCK: usize = 1 << 16;
        let mut worst = (0.0, 0.0);
        let mut values = vec![0.0; BLOCK];
        let all: Vec<u32> = (0..=u32::MAX).step_by(step).collect();
        for block in all.chunks(BLOCK) {
            let arguments: Vec<f32> = block.iter().map(|bits| f32::from_bits(*bits)).collect();
            let values = &mut values[..arguments.len()];
            found(&arguments, values);
            for (x, value) in arguments.iter().zip(&*values) {
                let expected = expected(f64::from(*x));
                let error = match (expected as f32).is_finite() {
                    true => (f64::from(*value) - expected).abs() / unit(expected),
                    // Infinite or NaN: the same.
                    false if *value == expected as f32 || value.is_nan() && expected.is_nan() => 0.0,
                    false => f64::INFINITY,
                };
                if error > worst.0 {
                    worst = (error, *x);
                }
            }
        }
        worst
    }

    /// One in the last place of the f32 at `value`.
    fn unit(value: f64) -> f64 {
        let exponent = value.abs().log2().floor().max(-126.0);
        2f64.powf(exponent - 23.0)
    }

    // By themselves they want both slices to live as long as one another.
    #[allow(clippy::redundant_closure)]
    fn check(step: usize) {
        let (of_exp, at) = worst(step, |x, y| exps(x, y), f64::exp);
        eprintln!("exp: {of_exp:.3} units in the last place at {at:e}");
        let (of_tanh, at_tanh) = worst(step, |x, y| tanhs(x, y), f64::tanh);
        eprintln!("tanh: {of_tanh:.3} units in the last place at {at_tanh:e}");
        assert!(of_exp < 1.1, "exp({at:e}) is off by {of_exp}");
        assert!(of_tanh < 2.0, "tanh({at_tanh:e}) is off by {of_tanh}");
    }

    #[test]
    fn a_sample_of_all_numbers_is_within_the_bounds() {
        check(4099);
    }

    #[test]
    #[ignore = "slow: .ci/slow runs it"]
    fn all_numbers_are_within_the_bounds() {
        check(1);
    }
}
