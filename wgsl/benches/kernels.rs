//! Each kernel against the same in plain Burn operations (fusion and autotune on), forward and back, in one run.
//!
//! `cargo bench --workspace --bench kernels -- [NAME]..` prints a table: seconds of the best of several turns taken one
//! after the other, and the most device memory that the tensors of a turn took.

use std::time::Instant;

use burn::tensor::{Device, Distribution, Tensor};
use hearth_wgsl::{AttentionOptions, Kernel, NormOptions, attention, gelu, norm, rotate, swiglu, testing::wgpu_device};

const TURNS: usize = 5;

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let Some(device) = wgpu_device() else { return };
    println!("| operation | pass | plain, ms | kernel, ms | times | plain, MiB | kernel, MiB |");
    println!("|---|---|---|---|---|---|---|");
    for (b, t, [h, k], d) in [(1, 256, [12, 12], 64), (1, 1024, [8, 8], 64), (1, 1024, [9, 3], 64)] {
        let name = format!("attention B{b} T{t} H{h} K{k} D{d}");
        let inputs = [[b, t, h, d], [b, t, k, d], [b, t, k, d]];
        let options = AttentionOptions::default();
        compare(&wanted, &name, &device, inputs, |[q, k, v]| attention(q, k, v, None, options));
    }
    let options = NormOptions { centred: true, eps: 1e-5 };
    compare(&wanted, "layer norm 2048 x 768", &device, [[2048, 768]; 1], |[x]| {
        let gamma = x.clone().narrow(0, 0, 1).squeeze_dim::<1>(0);
        norm(x, gamma, None, options)
    });
    compare(&wanted, "GELU 2048 x 3072", &device, [[2048, 3072]; 1], |[x]| gelu(x));
    compare(&wanted, "SwiGLU 2048 x 3072", &device, [[2048, 3072]; 2], |[gate, up]| swiglu(gate, up));
    let angles = Tensor::<3>::random([1, 1024, 32], Distribution::Default, &device);
    compare(&wanted, "RoPE B1 T1024 H12 D64", &device, [[1, 1024, 12, 64]; 1], |[x]| {
        rotate(x, angles.clone(), angles.clone(), false)
    });
}

fn compare<const N: usize, const D: usize>(
    wanted: &[String],
    name: &str,
    device: &Device,
    shapes: [[usize; D]; N],
    operation: impl Fn([Tensor<D>; N]) -> Tensor<D>,
) {
    if !wanted.is_empty() && !wanted.iter().any(|wanted| name.contains(wanted.as_str())) {
        return;
    }
    let inputs = shapes.map(|shape| Tensor::<D>::random(shape, Distribution::Default, device));
    for (pass, back) in [("forward", false), ("forward and back", true)] {
        let mut seconds = [f64::INFINITY; 2];
        let mut bytes = [0; 2];
        for turn in 0..TURNS {
            for (at, on) in [false, true].into_iter().enumerate() {
                Kernel::ALL.iter().for_each(|kernel| kernel.switch(on));
                if turn == 0 {
                    // Compiled and tuned first, and then in a pool that has nothing else.
                    run(&inputs, &operation, back, device);
                    device.memory_cleanup();
                    bytes[at] = run(&inputs, &operation, back, device).1;
                }
                seconds[at] = seconds[at].min(run(&inputs, &operation, back, device).0);
            }
        }
        let [plain, kernel] = seconds.map(|seconds| 1e3 * seconds);
        let [plain_mib, kernel_mib] = bytes.map(|bytes| bytes as f64 / f64::from(1 << 20));
        let times = plain / kernel;
        println!("| {name} | {pass} | {plain:.1} | {kernel:.1} | {times:.2} | {plain_mib:.0} | {kernel_mib:.0} |");
    }
}

/// Seconds, and bytes that the pool reserves for it.
fn run<const N: usize, const D: usize>(
    inputs: &[Tensor<D>; N],
    operation: &dyn Fn([Tensor<D>; N]) -> Tensor<D>,
    back: bool,
    device: &Device,
) -> (f64, u64) {
    let reserved = || device.memory_pool_usage().map_or(0, |usage| usage.bytes_reserved);
    device.sync().expect("the device works");
    let before = reserved();
    let start = Instant::now();
    if back {
        let leaves = inputs.clone().map(|x| x.autodiff().require_grad());
        let y = operation(leaves.clone());
        let gradient = y.clone().inner();
        let mut gradients = hearth_wgsl::vjp(y, gradient);
        let found = leaves.map(|x| x.grad_remove(&mut gradients).expect("a gradient"));
        device.sync().expect("the device works");
        drop(found);
    } else {
        let y = operation(inputs.clone());
        device.sync().expect("the device works");
        drop(y);
    }
    (start.elapsed().as_secs_f64(), reserved().saturating_sub(before))
}
