//! The device's own measured rate of matrix products: what MFU is a share of.

use std::time::{Duration, Instant};

use burn::tensor::{Device, Distribution, Tensor};

/// Long enough that queueing does not matter.
const ENOUGH: Duration = Duration::from_millis(40);
const LARGEST: usize = 4096;

/// Floating-point operations a second of a square f32 matrix product, a multiply and an add counted as two.
///
/// Doubles the size until one product takes 40 ms, then takes the best of three.
pub fn matmul_flops(device: &Device) -> f64 {
    let mut size = 256;
    loop {
        let seconds = best_of_three(size, device);
        if seconds >= ENOUGH.as_secs_f64() || size == LARGEST {
            return 2.0 * (size as f64).powi(3) / seconds;
        }
        size *= 2;
    }
}

fn best_of_three(size: usize, device: &Device) -> f64 {
    let a = Tensor::<2>::random([size, size], Distribution::Default, device);
    let b = Tensor::<2>::random([size, size], Distribution::Default, device);
    let run = || {
        let start = Instant::now();
        let product = a.clone().matmul(b.clone());
        // One element's read waits for the whole product.
        let corner = product.narrow(0, 0, 1).narrow(1, 0, 1).into_data();
        assert!(corner.iter::<f32>().count() == 1);
        start.elapsed().as_secs_f64()
    };
    run(); // compiles the kernel
    (0..3).map(|_| run()).fold(f64::INFINITY, f64::min)
}
