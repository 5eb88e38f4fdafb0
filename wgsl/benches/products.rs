//! Burn's matrix products alone, in the three forms that forward and back need: what they reach bounds any step.
//!
//! `cargo bench --workspace --bench products` prints GFLOP/s, the best of several turns.

use std::time::Instant;

use burn::tensor::{Distribution, Tensor};
use cubecl::config::{CubeClRuntimeConfig, RuntimeConfig};
use hearth_wgsl::testing::wgpu_device;

const TURNS: usize = 4;

fn main() {
    // Before the tests' own, which measures less: plain Burn is to be at its best.
    CubeClRuntimeConfig::try_set(CubeClRuntimeConfig::default());
    let Some(device) = wgpu_device() else { return };
    println!("| rows, inner, columns | y = x w | dx = dy w^T | dw = x^T dy |\n|---|---|---|---|");
    for [rows, inner, columns] in
        [[512, 512, 1536], [512, 512, 2048], [512, 2048, 512], [256, 768, 3072], [256, 768, 8192]]
    {
        let random = |shape: [usize; 2]| Tensor::<2>::random(shape, Distribution::Default, &device);
        let (x, w, dy) = (random([rows, inner]), random([inner, columns]), random([rows, columns]));
        let forms: [&dyn Fn() -> Tensor<2>; 3] =
            [&|| x.clone().matmul(w.clone()), &|| dy.clone().matmul(w.clone().transpose()), &|| {
                x.clone().transpose().matmul(dy.clone())
            }];
        let rates = forms.map(|product| {
            let turn = |_| {
                device.sync().expect("the device works");
                let start = Instant::now();
                let y = product();
                device.sync().expect("the device works");
                drop(y);
                start.elapsed().as_secs_f64()
            };
            let best = (0..TURNS).map(turn).fold(f64::INFINITY, f64::min);
            format!("{:.1}", 2e-9 * (rows * inner * columns) as f64 / best)
        });
        println!("| {rows}, {inner}, {columns} | {} |", rates.join(" | "));
    }
}
