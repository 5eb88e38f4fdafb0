//! What starting a tape from a given gradient costs: `vjp` against `(y * gradient).sum().backward()`.
//!
//! `cargo bench --workspace --bench vjp` prints a table. The tape is one product `[B, T, C] [C, C]`, small beside a block.

use std::time::Instant;

use burn::tensor::{Device, Distribution, Gradients, Tensor};
use hearth_wgsl::{testing::wgpu_device, vjp};

const ROUNDS: usize = 40;

fn main() {
    println!("| device | B T C | product and sum, ms | vjp, ms |\n|---|---|---|---|");
    for (name, device) in [("CPU", Some(Device::flex())), ("wgpu", wgpu_device())] {
        let Some(device) = device else { continue };
        for shape in [[12, 64, 128], [4, 256, 512]] {
            let summed = |y: Tensor<3>, gradient: Tensor<3>| (y * Tensor::from_inner(gradient)).sum().backward();
            // Turn and turn about, so that what else the machine does meets both.
            let mut seconds = [f64::INFINITY; 2];
            for _ in 0..ROUNDS {
                seconds[0] = seconds[0].min(time(shape, &device, summed));
                seconds[1] = seconds[1].min(time(shape, &device, vjp));
            }
            let [b, t, c] = shape;
            println!("| {name} | {b} {t} {c} | {:.2} | {:.2} |", 1e3 * seconds[0], 1e3 * seconds[1]);
        }
    }
}

/// Seconds of one backward pass, with its result read.
fn time(shape: [usize; 3], device: &Device, backward: impl Fn(Tensor<3>, Tensor<3>) -> Gradients) -> f64 {
    let [_, _, c] = shape;
    let x = Tensor::<3>::random(shape, Distribution::Default, device).autodiff().require_grad();
    let gradient = Tensor::<3>::random(shape, Distribution::Default, device);
    let y = x.clone().matmul(Tensor::from_inner(Tensor::<3>::random([1, c, c], Distribution::Default, device)));
    device.sync().expect("the device works");
    let start = Instant::now();
    let gradients = backward(y, gradient);
    let found = x.grad(&gradients).expect("x has a gradient").narrow(0, 0, 1).narrow(1, 0, 1).into_data();
    assert_eq!(found.iter::<f32>().count(), c);
    start.elapsed().as_secs_f64()
}
