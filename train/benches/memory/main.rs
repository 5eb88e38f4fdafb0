//! What a training step takes in memory and time under each policy, against plain Burn on the same model.
//!
//! `cargo bench --workspace --bench memory -- [--device cpu|wgpu] [--model c512|gpt2] [--rows keep,recompute-1,..]
//! [--out FOLDER]` prints a table. Each row runs in a process of its own and takes three steps: the first tunes
//! kernels and makes the optimizer's state, the second is measured, the third is sampled. On wgpu the peak is what the
//! device's pool has reserved, and samples are what it has handed out; on the CPU both are the resident set.
//! With `--out` the figures go there as `DEVICE-MODEL.json`; `--plot FILE.svg` then draws the samples, and measures
//! nothing.

mod plot;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::Context;
use burn::{
    module::{Module, ModuleVisitor, Param, ParamGroup, ParamId},
    optim::{AdamWConfig, GradientsParams, ModuleOptimizer},
    tensor::{Device, Int, Tensor, TensorData, activation::log_softmax},
};
use clap::Parser;
use cubecl::logging::{LaunchObservation, LaunchObserver};
use hearth_data::Batch;
use hearth_model::{CrossEntropy, ParameterCount, Transformer, TransformerConfig, preset};
use hearth_train::{
    devices::{DeviceChoice, open},
    guard::Ceiling,
    optim::{OptimizerConfig, Schedule, ScheduleKind},
    plan::{Cut, DeviceLimits, Planner, Rates, Subject},
    readback::Readback,
    step::{StepOptions, Trainer},
    walk::{Activations, Placement, Policy, Walk},
};
use hearth_wgsl::Kernel;
use serde::{Deserialize, Serialize};

const ROWS: [&str; 11] = [
    "burn",
    "burn-checkpointing",
    "keep-plain",
    "keep",
    "recompute-1",
    "recompute-2",
    "recompute-3",
    "recompute-4",
    "recompute-6",
    "offload",
    "parameter-offload",
];

#[derive(Parser)]
struct Arguments {
    #[arg(long, default_value = "cpu")]
    device: DeviceChoice,
    #[arg(long, default_value = "c512")]
    model: String,
    #[arg(long, value_delimiter = ',')]
    rows: Vec<String>,
    #[arg(long)]
    out: Option<PathBuf>,
    /// Draws what an earlier `--out` wrote, and prints it again.
    #[arg(long, requires = "out")]
    plot: Option<PathBuf>,
    /// Cargo passes it.
    #[arg(long, hide = true)]
    bench: bool,
    /// Runs one row in this process and prints it as JSON.
    #[arg(long, hide = true)]
    row: Option<String>,
}

/// One row's figures, bytes and seconds.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Row {
    name: String,
    /// Parameters, gradients and moments on the device.
    state: u64,
    /// The largest sample.
    peak: u64,
    /// The pool's, after the step; the resident set's peak on the CPU.
    reserved: u64,
    seconds: f64,
    loss: f32,
    /// Kernels launched in a step.
    launches: usize,
    /// Share of the step's time, bytes.
    samples: Vec<(f64, u64)>,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let (config, rows, time) = model(&arguments.model)?;
    if let Some(row) = &arguments.row {
        println!("{}", serde_json::to_string(&measure(row, &config, rows, time, arguments.device)?)?);
        return Ok(());
    }
    let title = format!(
        "{}: {} parameters, B {rows}, T {time}, {}",
        arguments.model,
        ParameterCount::of(&config).total,
        arguments.device
    );
    let data = arguments.out.as_ref().map(|out| out.join(format!("{}-{}.json", arguments.device, arguments.model)));
    println!("{title}");
    let limits = open(arguments.device)?.limits;
    println!("| policy | peak MiB | predicted MiB | above state MiB | most in use MiB | launches | s/step | loss |");
    println!("|---|---|---|---|---|---|---|---|");
    if let (Some(picture), Some(data)) = (&arguments.plot, &data) {
        let found: Vec<Row> = serde_json::from_str(&fs::read_to_string(data)?)?;
        found.iter().for_each(|row| print(row, &config, rows, time, &limits));
        return plot::draw(&found, &title, picture);
    }
    let names = if arguments.rows.is_empty() { ROWS.map(String::from).to_vec() } else { arguments.rows.clone() };
    let mut found: Vec<Row> = Vec::new();
    for name in names {
        let output = Command::new(std::env::current_exe()?)
            .args(["--row", &name, "--model", &arguments.model, "--device", &arguments.device.to_string()])
            .output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        let line = text.lines().rfind(|line| line.starts_with('{'));
        let Some(line) = line else {
            println!("| {name} | failed: {} |", String::from_utf8_lossy(&output.stderr).lines().last().unwrap_or(""));
            continue;
        };
        let row: Row = serde_json::from_str(line)?;
        print(&row, &config, rows, time, &limits);
        found.push(row);
        if let Some(data) = &data {
            fs::create_dir_all(data.parent().unwrap_or(Path::new(".")))?;
            fs::write(data, serde_json::to_string(&found)?)?;
        }
    }
    Ok(())
}

/// Plain Burn has none of Hearth's kernels.
fn switch_kernels(name: &str) {
    let plain = name.starts_with("burn") || name == "keep-plain";
    Kernel::ALL.iter().for_each(|kernel| kernel.switch(!plain));
}

fn print(row: &Row, config: &TransformerConfig, rows: usize, time: usize, limits: &DeviceLimits) {
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    switch_kernels(&row.name);
    let predicted = policy(&row.name, config.layers).map(|policy| {
        let logits_chunk = CrossEntropy::of(config).chunk;
        let cut = Cut::new(rows, 1, logits_chunk, policy);
        let optimizer = OptimizerConfig::default();
        let subject = Subject::new(config, &optimizer, time);
        let peak = Planner::new(subject, limits, &Rates::default()).plan(cut).peak;
        let error = 100.0 * (peak.usage.total() as f64 / row.reserved as f64 - 1.0);
        format!("{:.0} ({error:+.1} %, {})", mib(peak.usage.total()), peak.phase)
    });
    println!(
        "| {} | {:.0} | {} | {:.0} | {:.0} | {} | {:.2} | {:.6} |",
        row.name,
        mib(row.reserved),
        predicted.unwrap_or_default(),
        mib(row.reserved.saturating_sub(row.state)),
        mib(row.peak),
        row.launches,
        row.seconds,
        row.loss
    );
}

/// The configuration, with sequences and tokens of a batch.
fn model(name: &str) -> anyhow::Result<(TransformerConfig, usize, usize)> {
    Ok(match name {
        "tiny" => {
            let gpt2 = preset("gpt2")?;
            (
                TransformerConfig { vocab_size: 512, context_length: 128, layers: 4, width: 128, heads: 4, ..gpt2 },
                2,
                128,
            )
        }
        "mid" => {
            let gpt2 = preset("gpt2")?;
            (
                TransformerConfig { vocab_size: 2048, context_length: 256, layers: 6, width: 256, heads: 8, ..gpt2 },
                2,
                256,
            )
        }
        "llama" => {
            let llama = preset("stories15m")?;
            (
                TransformerConfig {
                    vocab_size: 2048,
                    context_length: 256,
                    kv_heads: 2,
                    layers: 6,
                    width: 256,
                    heads: 8,
                    ffn_width: 704,
                    ..llama
                },
                2,
                256,
            )
        }
        "c512" => {
            let gpt2 = preset("gpt2")?;
            (TransformerConfig { vocab_size: 8192, context_length: 512, width: 512, heads: 8, ..gpt2 }, 1, 512)
        }
        "gpt2" => (preset("gpt2")?, 1, 256),
        "smollm2" => (preset("smollm2-135m")?, 1, 128),
        _ => anyhow::bail!("--model {name}: give tiny, mid, llama, c512, gpt2 or smollm2"),
    })
}

fn measure(
    name: &str,
    config: &TransformerConfig,
    rows: usize,
    time: usize,
    device: DeviceChoice,
) -> anyhow::Result<Row> {
    let device = open(device)?.device;
    switch_kernels(name);
    let vocabulary = config.vocab_size;
    let batch = move |step: usize| {
        let token = |at: usize| ((at * at * 7 + at * 31 + step) % vocabulary) as i32;
        Batch {
            inputs: (0..rows * time).map(token).collect(),
            targets: (1..=rows * time).map(token).collect(),
            rows,
            time,
            packing: None,
        }
    };
    let parameters = ParameterCount::of(config).total as u64;
    let (mut step, state): (Box<dyn FnMut(usize) -> Tensor<1>>, u64) = match name {
        "burn" | "burn-checkpointing" => {
            (plain(config, &device, name == "burn-checkpointing", batch)?, 16 * parameters)
        }
        _ => {
            let policy =
                policy(name, config.layers).with_context(|| format!("--rows {name}: give {}", ROWS.join(", ")))?;
            let on_host = policy.uses_host();
            let mut walk = Walk::new(config, time, &device);
            walk.policy = policy;
            let home = if on_host { Device::flex() } else { device.clone() };
            let model = config.init(1, &home.autodiff())?;
            let mut trainer = Trainer::new(model, walk, options());
            (
                Box::new(move |at| trainer.step(at as u64, &[batch(at)], &Ceiling::FINITE).loss),
                if on_host { 0 } else { 16 * parameters },
            )
        }
    };
    let mut run = |at: usize| {
        let start = Instant::now();
        let loss = Readback::new(step(at));
        device.sync()?;
        anyhow::Ok((start.elapsed().as_secs_f64(), loss.wait()?.iter::<f32>().next().unwrap_or(f32::NAN)))
    };
    // The first step makes the optimizer's moments and tunes kernels.
    run(0)?;
    device.memory_cleanup();
    let (seconds, loss) = run(1)?;
    let reserved = device.memory_pool_usage().map_or_else(resident_peak, |usage| usage.bytes_reserved);
    let launches = Arc::new(Launches::default());
    let observation = LaunchObservation::new(launches.clone());
    let samples = sampled(&device, || run(2))?;
    drop(observation);
    let peak = samples.iter().map(|(_, bytes)| *bytes).max().unwrap_or(0);
    Ok(Row {
        name: name.into(),
        state,
        peak,
        reserved,
        seconds,
        loss,
        launches: launches.0.load(Ordering::Relaxed),
        samples: thinned(samples),
    })
}

/// Counts kernels.
#[derive(Default)]
struct Launches(AtomicUsize);

impl LaunchObserver for Launches {
    fn launched(&self, _kernel: &'static str) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A constant learning rate and no clipping, as the plain loop has.
fn options() -> StepOptions {
    StepOptions {
        optimizer: OptimizerConfig { clip_norm: 0.0, ..OptimizerConfig::default() },
        schedule: Schedule { kind: ScheduleKind::Constant, warmup_steps: 0, ..Schedule::default() },
        total_steps: 3,
        seed: 0,
    }
}

fn policy(name: &str, layers: usize) -> Option<Policy> {
    Some(match name.split_once('-') {
        Some(("recompute", group)) => {
            Policy::uniform(layers, group.parse().ok()?, Activations::Recompute, Placement::Device)
        }
        Some(("parameter", "offload")) => Policy::uniform(layers, 1, Activations::Offload, Placement::Host),
        Some(("keep", "plain")) => Policy::keep(layers),
        None if name == "keep" => Policy::keep(layers),
        None if name == "offload" => Policy::uniform(layers, 1, Activations::Offload, Placement::Device),
        _ => return None,
    })
}

/// The same model with one tape over everything and the usual optimizer step, as Burn's examples train.
fn plain(
    config: &TransformerConfig,
    device: &Device,
    checkpointing: bool,
    batch: impl Fn(usize) -> Batch + 'static,
) -> anyhow::Result<Box<dyn FnMut(usize) -> Tensor<1>>> {
    let autodiff = device.clone().autodiff();
    let autodiff = if checkpointing { autodiff.gradient_checkpointing() } else { autodiff };
    let mut model: Option<Transformer> = Some(config.init(1, &autodiff)?);
    let options = OptimizerConfig::default();
    let mut optimizer = adamw(&options, model.as_ref().expect("just made"));
    let device = device.clone();
    Ok(Box::new(move |at| {
        let batch = batch(at);
        let now = model.take().expect("given back below");
        let shape = [batch.rows, batch.time];
        let inputs = Tensor::<2, Int>::from_data(TensorData::new(batch.inputs, shape), &device);
        let targets = Tensor::<2, Int>::from_data(TensorData::new(batch.targets, [shape[0] * shape[1], 1]), &device);
        let logits = now.logits(inputs);
        let [b, t, v] = logits.dims();
        let log_probabilities = log_softmax(logits.reshape([b * t, v]), 1);
        let loss = -log_probabilities.gather(1, targets).mean();
        let gradients = GradientsParams::from_grads(loss.backward(), &now);
        model = Some(optimizer.step(options.learning_rate, now, gradients));
        loss.inner()
    }))
}

/// Burn's AdamW with the settings of [`hearth_train::optim::AdamW`].
fn adamw<M: Module>(config: &OptimizerConfig, module: &M) -> ModuleOptimizer {
    let adamw = |weight_decay: f64| {
        AdamWConfig::new()
            .with_beta_1(config.beta1 as f32)
            .with_beta_2(config.beta2 as f32)
            .with_epsilon(config.eps as f32)
            .with_weight_decay(weight_decay as f32)
    };
    let mut vectors = Vectors(Vec::new());
    module.visit(&mut vectors);
    adamw(config.weight_decay).init().with_group(ParamGroup::from_ids(vectors.0), adamw(0.0).build(), None)
}

/// The parameters of rank 1.
struct Vectors(Vec<ParamId>);

impl ModuleVisitor for Vectors {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if D == 1 {
            self.0.push(param.id);
        }
    }
}

/// Runs `work` while memory is read over and over: shares of the time, and bytes.
fn sampled<R>(device: &Device, work: impl FnOnce() -> anyhow::Result<R>) -> anyhow::Result<Vec<(f64, u64)>> {
    let done = AtomicBool::new(false);
    let start = Instant::now();
    let (samples, result) = std::thread::scope(|scope| {
        let sampler = scope.spawn(|| {
            let mut samples = Vec::new();
            while !done.load(Ordering::Relaxed) {
                samples.push((start.elapsed().as_secs_f64(), memory_in_use(device)));
                std::thread::sleep(Duration::from_millis(2));
            }
            samples
        });
        let result = work();
        done.store(true, Ordering::Relaxed);
        (sampler.join().expect("the sampler only reads"), result)
    });
    let total = start.elapsed().as_secs_f64();
    result?;
    Ok(samples.into_iter().map(|(at, bytes)| (at / total, bytes)).collect())
}

fn memory_in_use(device: &Device) -> u64 {
    device.memory_pool_usage().map_or_else(resident, |usage| usage.bytes_in_use)
}

/// The process's resident set.
fn resident() -> u64 {
    status_kib("VmRSS:") << 10
}

fn resident_peak() -> u64 {
    status_kib("VmHWM:") << 10
}

fn status_kib(field: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

/// At most 400 samples: the largest of each stretch.
fn thinned(samples: Vec<(f64, u64)>) -> Vec<(f64, u64)> {
    let stretch = samples.len().div_ceil(400).max(1);
    samples.chunks(stretch).filter_map(|chunk| chunk.iter().copied().max_by_key(|(_, bytes)| *bytes)).collect()
}
