//! Each kernel against the same in plain Burn operations (fusion and autotune on), forward and back, in one run.
//!
//! `cargo bench --workspace --bench kernels -- [--device cpu] [NAME]..` prints a table: milliseconds of the best of several
//! turns taken one after the other, and what the pool reserves beyond the inputs.

use std::{cell::RefCell, time::Instant};

use burn::tensor::{Device, Distribution, Int, Tensor};
use cubecl::config::{CubeClRuntimeConfig, RuntimeConfig};
use hearth_wgsl::{
    AdamWNumbers, AttentionOptions, CrossEntropyOptions, Kernel, Key, NormOptions, PackedForm, PackedMatrix, adamw,
    add_squares, attention, cross_entropy, dropout, embedding, gelu, linear_packed, norm, rotate, swiglu,
    testing::wgpu_device,
};

const TURNS: usize = 5;

struct Bench {
    wanted: Vec<String>,
    device: Device,
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let (mut wanted, mut on_the_cpu) = (Vec::new(), false);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--device" => on_the_cpu = arguments.next().expect("cpu or wgpu after --device") == "cpu",
            // Cargo's own.
            option if option.starts_with('-') => {}
            _ => wanted.push(argument),
        }
    }
    // Before the tests' own, which measures less: plain Burn is to be at its best.
    CubeClRuntimeConfig::try_set(CubeClRuntimeConfig::default());
    let Some(device) = (if on_the_cpu { Some(Device::flex()) } else { wgpu_device() }) else { return };
    let bench = Bench { wanted, device };
    println!("| operation | pass | plain, ms | kernel, ms | times | plain, MiB | kernel, MiB |");
    println!("|---|---|---|---|---|---|---|");
    for (b, t, [h, k], d) in [(1, 256, [12, 12], 64), (1, 1024, [8, 8], 64), (1, 1024, [9, 3], 64)] {
        let name = format!("attention B{b} T{t} H{h} K{k} D{d}");
        let inputs = [[b, t, h, d], [b, t, k, d], [b, t, k, d]];
        let options = AttentionOptions::default();
        bench.both(&name, inputs, |[q, k, v]| attention(q, k, v, None, options));
    }
    for (name, centred) in [("RMS norm 2048 x 768", false), ("layer norm 2048 x 768", true)] {
        let options = NormOptions { centred, eps: 1e-5 };
        bench.both(name, [[2048, 768]; 1], |[x]| {
            let gamma = x.clone().narrow(0, 0, 1).squeeze_dim::<1>(0);
            norm(x, gamma, None, options)
        });
    }
    bench.both("GELU 2048 x 3072", [[2048, 3072]; 1], |[x]| gelu(x));
    bench.both("SwiGLU 2048 x 3072", [[2048, 3072]; 2], |[gate, up]| swiglu(gate, up));
    let angles = bench.random([1, 1024, 32]);
    bench.both("RoPE B1 T1024 H12 K12 D64, q + k", [[1, 1024, 12, 64]; 2], |[q, k]| {
        let (q, k) = rotate(q, k, angles.clone(), angles.clone(), false);
        q + k
    });
    let [q, k, angles] = [[255, 9, 64], [255, 3, 64], [255, 1, 32]].map(|shape| bench.random(shape));
    let [q, k] = [q, k].map(|x| x.unsqueeze::<4>());
    let angles = angles.swap_dims(0, 1);
    bench.compare("RoPE B1 T255 H9 K3 D64", "forward", || {
        rotate(q.clone(), k.clone(), angles.clone(), angles.clone(), false)
    });
    bench.both("dropout 4 x 256 x 384", [[4, 256, 384]; 1], |[x]| dropout(x, Key::new(1), 0.1));
    bench.losses();
    bench.embeddings();
    bench.updates();
    bench.packed();
}

impl Bench {
    fn random<const D: usize>(&self, shape: [usize; D]) -> Tensor<D> {
        Tensor::random(shape, Distribution::Default, &self.device)
    }

    fn ids(&self, count: usize, below: usize) -> Tensor<1, Int> {
        let ids: Vec<i32> = (0..count).map(|at| (at * at * 31 % below) as i32).collect();
        Tensor::from_ints(ids.as_slice(), &self.device)
    }

    fn losses(&self) {
        for (rows, vocabulary) in [(256, 32_768), (256, 50_257), (1, 50_257), (768, 65)] {
            let (logits, targets) = (self.random([rows, vocabulary]), self.ids(rows, vocabulary));
            let options = CrossEntropyOptions::default();
            let name = format!("cross-entropy {rows} x {vocabulary}");
            let loss = || cross_entropy(vec![logits.clone()], targets.clone(), options);
            self.compare(&name, "forward", || loss().loss);
            self.compare(&name, "forward and back", || loss().gradients(1.0));
        }
    }

    /// Ids that differ, and one id for all positions, as padding is.
    fn embeddings(&self) {
        let cases = [
            (32_768, 768, 1024, false),
            (32_768, 768, 8192, false),
            (1024, 768, 8192, true),
            (50_257, 768, 256, false),
            (65, 128, 768, false),
        ];
        for (rows, width, count, same) in cases {
            let (table, dy) = (self.random([rows, width]), self.random([1, count, width]));
            let ids = self.ids(count, if same { 1 } else { rows }).reshape([1, count]);
            let name = format!("embedding {rows} x {width}, {count} {}", if same { "times one id" } else { "ids" });
            self.compare(&name, "forward", || embedding(table.clone(), ids.clone(), 0));
            self.compare(&name, "forward and back", || {
                let leaf = table.clone().autodiff().require_grad();
                let mut gradients = hearth_wgsl::vjp(embedding(leaf.clone(), ids.clone(), 0), dy.clone());
                leaf.grad_remove(&mut gradients)
            });
        }
    }

    fn updates(&self) {
        let shape = [768, 3072];
        let gradient = self.random(shape);
        let numbers = AdamWNumbers {
            learning_rate: 1e-3,
            beta1: 0.9,
            beta2: 0.95,
            eps: 1e-8,
            weight_decay: 0.1,
            corrections: [0.5, 0.5],
        };
        self.compare("sum of squares 768 x 3072", "norm", || add_squares(None, gradient.clone()));
        let scalars = Tensor::from_floats([1.0, 1.0], &self.device);
        // Held here alone, so that it may be written in place.
        let state = RefCell::new(Some((self.random(shape), [self.random(shape), Tensor::ones(shape, &self.device)])));
        self.compare("AdamW 768 x 3072", "update", || {
            let (parameter, moments) = state.take().expect("given back");
            let updated = adamw(parameter, Some(moments), gradient.clone(), scalars.clone(), numbers);
            state.replace(Some(updated));
        });
    }

    /// A layer of TinyLlama's feed-forward network.
    fn packed(&self) {
        let shape = [2048, 5632];
        let values: Vec<f32> = self.random::<2>(shape).into_data().iter().collect();
        let x = self.random([512, shape[0]]);
        for form in PackedForm::ALL {
            let weight = PackedMatrix::pack(&values, shape, form, &self.device).expect("it can be packed");
            let name = format!("packed {form} 2048 x 5632");
            self.compare(&name, "unpacked", || weight.unpack());
            self.compare(&name, "512 rows, forward and back", || {
                let leaf = x.clone().autodiff().require_grad();
                let y = linear_packed(leaf.clone(), &weight, None);
                let dy = y.clone().inner();
                leaf.grad_remove(&mut hearth_wgsl::vjp(y, dy))
            });
        }
    }

    /// Forward alone, and with the gradients of all inputs.
    fn both<const N: usize, const D: usize>(
        &self,
        name: &str,
        shapes: [[usize; D]; N],
        operation: impl Fn([Tensor<D>; N]) -> Tensor<D>,
    ) {
        let inputs = shapes.map(|shape| self.random(shape));
        self.compare(name, "forward", || operation(inputs.clone()));
        self.compare(name, "forward and back", || {
            let leaves = inputs.clone().map(|x| x.autodiff().require_grad());
            let y = operation(leaves.clone());
            let dy = y.clone().inner();
            let mut gradients = hearth_wgsl::vjp(y, dy);
            leaves.map(|x| x.grad_remove(&mut gradients).expect("a gradient"))
        });
    }

    /// A line of the table.
    fn compare<R>(&self, name: &str, pass: &str, turn: impl Fn() -> R) {
        if !self.wanted.is_empty() && !self.wanted.iter().any(|wanted| name.contains(wanted.as_str())) {
            return;
        }
        let mut seconds = [f64::INFINITY; 2];
        let mut bytes = [0; 2];
        for number in 0..TURNS {
            for (at, on) in [false, true].into_iter().enumerate() {
                Kernel::ALL.iter().for_each(|kernel| kernel.switch(on));
                if number == 0 {
                    // Compiled and tuned first, and then in a pool that has nothing else.
                    self.run(&turn);
                    self.device.memory_cleanup();
                    bytes[at] = self.run(&turn).1;
                }
                seconds[at] = seconds[at].min(self.run(&turn).0);
            }
        }
        let [plain, kernel] = seconds.map(|seconds| 1e3 * seconds);
        let [plain_mib, kernel_mib] = bytes.map(|bytes| bytes as f64 / f64::from(1 << 20));
        let times = plain / kernel;
        println!("| {name} | {pass} | {plain:.2} | {kernel:.2} | {times:.2} | {plain_mib:.0} | {kernel_mib:.0} |");
    }

    /// Seconds, and bytes that the pool reserves for it.
    fn run<R>(&self, turn: impl Fn() -> R) -> (f64, u64) {
        let wait = || self.device.sync().expect("the device works");
        let reserved = || self.device.memory_pool_usage().map_or(0, |usage| usage.bytes_reserved);
        wait();
        let before = reserved();
        let start = Instant::now();
        let found = turn();
        wait();
        drop(found);
        (start.elapsed().as_secs_f64(), reserved().saturating_sub(before))
    }
}
