//! What a checkpoint costs: time that the device is held, time until it stands, memory, and what is left of that when one
//! is made every 50 steps.
//!
//! `cargo bench --workspace --bench checkpoint -- [--device cpu|wgpu] [--model gpt2|tiny] [--steps 12] [--folder FOLDER]`
//! prints a table. The same steps are taken without and with a checkpoint, in turns; the first turn, in which the process
//! gets its memory from the system, is not counted.

use std::{
    fs,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use burn::tensor::{Device, Tensor};
use clap::Parser;
use hearth_data::Batch;
use hearth_model::{ParameterCount, TransformerConfig, preset};
use hearth_train::{
    checkpoint::{Checkpoint, Description, Elsewhere, Folder, NewCheckpoint, Snapshot, Store, list, spawn_writer},
    devices::{DeviceChoice, keep_freed_host_memory, open},
    guard::Ceiling,
    optim::{OptimizerConfig, Schedule},
    readback::Readback,
    step::{StepOptions, Trainer},
    walk::Walk,
};

/// Steps between checkpoints in the last line.
const EVERY: f64 = 50.0;

/// Turns that are counted.
const TURNS: usize = 3;

#[derive(Parser)]
struct Arguments {
    #[arg(long, default_value = "cpu")]
    device: DeviceChoice,
    #[arg(long, default_value = "gpt2")]
    model: String,
    /// Steps with a checkpoint in their midst, enough for it to be written meanwhile; and as many without.
    #[arg(long, default_value_t = 12)]
    steps: u64,
    /// Where the checkpoints go.
    #[arg(long)]
    folder: Option<PathBuf>,
    /// Cargo passes it.
    #[arg(long, hide = true)]
    bench: bool,
}

/// What a checkpoint took.
#[derive(Default)]
struct Cost {
    /// To queue the copies.
    take: f64,
    /// To move them into memory of their own.
    settle: f64,
    /// From `take` until the checkpoint stands.
    total: f64,
    bytes: u64,
}

fn main() -> anyhow::Result<()> {
    keep_freed_host_memory();
    let arguments = Arguments::parse();
    let (config, time) = model(&arguments.model)?;
    let device = open(arguments.device)?.device;
    let folder = arguments.folder.unwrap_or_else(|| std::env::temp_dir().join("hearth-bench-checkpoint"));
    fs::create_dir_all(&folder)?;
    let options = StepOptions {
        optimizer: OptimizerConfig::default(),
        schedule: Schedule::default(),
        total_steps: 1000,
        seed: 0,
    };
    let model = config.init(1, &device.clone().autodiff())?;
    let mut trainer = Trainer::new(model, Walk::new(&config, time, &device), options);
    let mut step = 0;
    run(&mut trainer, &config, time, &mut step, 2, None)?;

    let before = resident();
    let peak = Peak::watch(&device);
    run(&mut trainer, &config, time, &mut step, arguments.steps, None)?;
    let plain_peak = peak.stop();
    let peak = Peak::watch(&device);
    run(&mut trainer, &config, time, &mut step, arguments.steps, Some(&folder))?;
    let saving_peak = peak.stop();
    // Each turn is compared with what is before and after it, for the machine's speed drifts.
    let mut plain = vec![run(&mut trainer, &config, time, &mut step, arguments.steps, None)?.0];
    let mut held = Vec::new();
    let mut cost = Cost::default();
    for turn in 0..TURNS {
        let (saving, its_cost) = run(&mut trainer, &config, time, &mut step, arguments.steps, Some(&folder))?;
        plain.push(run(&mut trainer, &config, time, &mut step, arguments.steps, None)?.0);
        held.push(saving - (plain[turn] + plain[turn + 1]) / 2.0);
        cost = its_cost;
    }
    let per_step = plain.iter().sum::<f64>() / (plain.len() as u64 * arguments.steps) as f64;
    held.sort_by(f64::total_cmp);
    let [least, held, most] = [0, TURNS / 2, TURNS - 1].map(|at| held[at]);
    let start = Instant::now();
    let store: Arc<dyn Store> = Arc::new(Folder::new(&folder));
    let (_, name) = list(&store)?.pop().expect("one was written");
    let read = Checkpoint::open(&store, &name)?;
    let checked = start.elapsed().as_secs_f64();

    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    println!(
        "{}: {} parameters, B 1, T {time}, {}",
        arguments.model,
        ParameterCount::of(&config).total,
        arguments.device
    );
    println!("| | |\n|---|---|");
    println!("| a step | {per_step:.3} s |");
    println!("| queueing the copies | {:.3} s |", cost.take);
    println!("| moving them, the next step queued | {:.3} s |", cost.settle);
    println!("| until it stands | {:.2} s |", cost.total);
    println!("| steps with it less steps without | {held:.3} s ({least:.3} to {most:.3}) |");
    println!("| of a checkpoint every 50 steps | {:.2} % |", 100.0 * held / (EVERY * per_step));
    println!("| on the disk | {:.0} MiB |", mib(cost.bytes));
    println!("| resident before | {:.0} MiB |", mib(before));
    println!("| peak of the steps without | {:.0} MiB |", mib(plain_peak));
    println!("| peak with it | {:.0} MiB, {:+.0} |", mib(saving_peak), mib(saving_peak) - mib(plain_peak));
    println!("| checking it before it is resumed (step {}) | {checked:.2} s |", read.step());
    fs::remove_dir_all(&folder)?;
    Ok(())
}

fn model(name: &str) -> anyhow::Result<(TransformerConfig, usize)> {
    let gpt2 = preset("gpt2")?;
    Ok(match name {
        "gpt2" => (gpt2, 256),
        "tiny" => {
            (TransformerConfig { vocab_size: 512, context_length: 128, layers: 4, width: 128, heads: 4, ..gpt2 }, 128)
        }
        _ => anyhow::bail!("--model {name}: give gpt2 or tiny"),
    })
}

/// Takes steps as a run does, each one's figures read when the next is queued; with a checkpoint of the third, if there
/// is a folder. Returns the seconds until the last step's loss was there.
fn run(
    trainer: &mut Trainer,
    config: &TransformerConfig,
    time: usize,
    step: &mut u64,
    steps: u64,
    folder: Option<&PathBuf>,
) -> anyhow::Result<(f64, Cost)> {
    let start = Instant::now();
    let mut pending: Option<Readback> = None;
    let mut cost = Cost::default();
    let mut taken = None;
    let mut writing = None;
    for number in 0..steps {
        if let (2, Some(_)) = (number, folder) {
            let begun = Instant::now();
            taken = Some((begun, Snapshot::take(trainer, Elsewhere::default())));
            cost.take = begun.elapsed().as_secs_f64();
        }
        let token = |at: usize| ((at * at * 7 + at * 31 + *step as usize) % config.vocab_size) as i32;
        let batch = Batch {
            inputs: (0..time).map(token).collect(),
            targets: (1..=time).map(token).collect(),
            rows: 1,
            time,
            packing: None,
        };
        let outcome = trainer.step(*step, &[batch], &Ceiling::FINITE);
        *step += 1;
        let figures = Readback::new(Tensor::cat(vec![outcome.loss, outcome.grad_norm], 0));
        if let Some(earlier) = pending.replace(figures) {
            earlier.wait()?;
        }
        if let (3, Some((begun, mut snapshot)), Some(folder)) = (number, taken.take_if(|_| number == 3), folder) {
            let settling = Instant::now();
            snapshot.settle();
            cost.settle = settling.elapsed().as_secs_f64();
            let (folder, at) = (folder.clone(), *step);
            writing = Some(spawn_writer(move || {
                let store: Arc<dyn Store> = Arc::new(Folder::new(&folder));
                let mut new = NewCheckpoint::create(&store, at)?;
                snapshot.write(&mut new)?;
                let path = folder.join(new.finish(Description::default())?);
                anyhow::Ok((begun.elapsed().as_secs_f64(), path))
            }));
        }
    }
    if let Some(last) = pending {
        last.wait()?;
    }
    let seconds = start.elapsed().as_secs_f64();
    if let Some(writing) = writing {
        anyhow::ensure!(writing.is_finished(), "the checkpoint was not written in {steps} steps: give more --steps");
        let (total, path) = writing.join().expect("writing does not panic")?;
        cost.total = total;
        cost.bytes = fs::read_dir(path)?.flatten().filter_map(|file| Some(file.metadata().ok()?.len())).sum();
    }
    Ok((seconds, cost))
}

/// The largest resident set while it is watched.
struct Peak {
    largest: Arc<AtomicU64>,
    done: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<()>,
}

impl Peak {
    fn watch(device: &Device) -> Self {
        device.memory_cleanup();
        let (largest, done) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (to, until) = (largest.clone(), done.clone());
        let thread = std::thread::spawn(move || {
            while !until.load(Ordering::Relaxed) {
                to.fetch_max(resident(), Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        Self { largest, done, thread }
    }

    fn stop(self) -> u64 {
        self.done.store(true, Ordering::Relaxed);
        self.thread.join().expect("it only reads");
        self.largest.load(Ordering::Relaxed)
    }
}

fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) << 10
}
