//! What several devices take in time.
//!
//! `cargo bench --workspace --bench parallel -- overlap|links|straggler [--device cpu|wgpu] [--out FILE.svg]` prints a
//! table. Devices are logical ones of one adapter, or the CPU several times, so that steps are no faster than on one: what
//! is looked at is what the exchange adds.
//!
//! - `overlap`: a step's timeline, as a picture with `--out`, and how much of the transfers the walk hides.
//! - `links`: GPT-2 124M on two ranks over slow links, gradients of each step against steps alone.
//! - `straggler`: one of two ranks four times as slow, with equal shares and with shares by speed.

use std::{
    fs,
    ops::Range,
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use anyhow::Context;
use burn::tensor::Device;
use clap::{Parser, ValueEnum};
use hearth_data::{Batch, rows_by_speed};
use hearth_model::{ParameterCount, TransformerConfig, preset};
use hearth_train::{
    config::ParallelConfig,
    devices::{DeviceChoice, keep_freed_host_memory, open},
    guard::Ceiling,
    optim::{OptimizerConfig, Schedule, ScheduleKind},
    parallel::{
        Exchange, Link, Local, OuterState, Probe, Rank, Recorded, Slow, Timeline,
        timeline::{Kind, hidden, picture, seconds},
    },
    step::{RankFigures, StepOptions, Trainer},
    walk::Walk,
};

#[derive(Parser)]
struct Arguments {
    what: What,
    #[arg(long, default_value = "cpu")]
    device: DeviceChoice,
    /// Where the picture goes.
    #[arg(long)]
    out: Option<PathBuf>,
    /// One link alone: gigabits a second, 0 for none.
    #[arg(long)]
    link: Option<f64>,
    /// Cargo passes it.
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum What {
    Overlap,
    Links,
    Straggler,
}

fn main() -> anyhow::Result<()> {
    keep_freed_host_memory();
    let arguments = Arguments::parse();
    match arguments.what {
        What::Overlap => overlap(&arguments),
        What::Links => links(&arguments),
        What::Straggler => straggler(&arguments),
    }
}

/// GPT-2's shape, smaller.
fn small(layers: usize, width: usize) -> anyhow::Result<TransformerConfig> {
    let (context_length, vocab_size, heads) = (256, 8192, 8);
    Ok(TransformerConfig { layers, width, context_length, vocab_size, heads, ..preset("gpt2")? })
}

fn batches(model: &TransformerConfig, step: u64, numbers: Range<usize>) -> Vec<Batch> {
    let time = model.context_length;
    let batch = |number: usize| {
        let token = |at: usize| ((at * at * 7 + at * 31 + step as usize + 13 * number) % model.vocab_size) as i32;
        Batch {
            inputs: (0..time).map(token).collect(),
            targets: (1..=time).map(token).collect(),
            rows: 1,
            time,
            packing: None,
        }
    };
    numbers.map(batch).collect()
}

fn options() -> StepOptions {
    StepOptions {
        optimizer: OptimizerConfig::default(),
        schedule: Schedule { kind: ScheduleKind::Constant, warmup_steps: 0, ..Schedule::default() },
        total_steps: 1000,
        seed: 0,
    }
}

fn trainer(model: &TransformerConfig, device: &Device) -> anyhow::Result<Trainer> {
    let walk = Walk::new(model, model.context_length, device);
    Ok(Trainer::new(model.init(1, &device.clone().autodiff())?, walk, options()))
}

/// Devices for so many ranks.
fn devices(choice: DeviceChoice, count: usize) -> anyhow::Result<Vec<Device>> {
    (0..count).map(|_| Ok(open(choice)?.device)).collect()
}

/// Does `work` on each rank, in a thread of its own.
fn each<R: Send>(
    lines: Vec<Exchange>,
    work: impl Fn(usize, Exchange) -> anyhow::Result<R> + Sync,
) -> anyhow::Result<Vec<R>> {
    thread::scope(|scope| {
        let work = &work;
        let ranks: Vec<_> =
            lines.into_iter().enumerate().map(|(rank, line)| scope.spawn(move || work(rank, line))).collect();
        ranks.into_iter().map(|rank| rank.join().expect("a rank does not panic")).collect()
    })
}

fn overlap(arguments: &Arguments) -> anyhow::Result<()> {
    let model = small(6, 384)?;
    let timeline = Timeline::default();
    let devices = devices(arguments.device, 2)?;
    let link = Link::gigabits(10.0, Duration::from_micros(100));
    let lines = Local::group(2)
        .into_iter()
        .map(|rank| Exchange::new(Recorded::new(Slow::new(rank, link), timeline.clone())))
        .collect();
    let spans = each(lines, |rank, line| {
        let settings = ParallelConfig::default();
        let replica = Rank::replica(trainer(&model, &devices[rank])?, line, &settings, OuterState::default())?;
        let mut replica = replica.with_probe(Some(timeline.probe(rank)));
        for step in 0..3 {
            if step == 2 {
                timeline.take();
            }
            let own = batches(&model, step, rank * 2..rank * 2 + 2);
            let (outcome, _) = replica.step(step, rank * 2, &own, &Ceiling::FINITE)?;
            outcome.loss.into_data();
        }
        Ok(())
    })
    .map(|_| timeline.take())?;
    println!("{} parameters, 2 x T {}, {} twice, 10 Gb/s", ParameterCount::of(&model).total, 256, arguments.device);
    println!("| rank | walk s | transfers s | of them hidden by the walk | waiting s |\n|---|---|---|---|---|");
    for rank in 0..2 {
        let transfer = seconds(&spans, rank, Kind::Transfer);
        println!(
            "| {rank} | {:.3} | {transfer:.3} | {:.0} % | {:.3} |",
            seconds(&spans, rank, Kind::Walk),
            100.0 * hidden(&spans, rank) / transfer,
            seconds(&spans, rank, Kind::Wait)
        );
    }
    if let Some(out) = &arguments.out {
        let names = [0, 1].map(|rank| format!("rank {rank}, {}", arguments.device));
        fs::write(out, picture(&spans, &names)).with_context(|| out.display().to_string())?;
    }
    Ok(())
}

fn links(arguments: &Arguments) -> anyhow::Result<()> {
    const STEPS: u64 = 2;
    /// DiLoCo's.
    const ALONE: f64 = 500.0;
    let model = TransformerConfig { context_length: 256, ..preset("gpt2")? };
    let devices = devices(arguments.device, 2)?;
    println!(
        "{} parameters, B 1 T 256 a rank, 2 ranks on one machine ({})",
        ParameterCount::of(&model).total,
        arguments.device
    );
    println!(
        "| link | gradients of each step | a step alone | exchange, 32 bits | 8 bits | a step at {ALONE} alone, 32 bits | 8 bits |"
    );
    println!("|---|---|---|---|---|---|---|");
    let ms = Duration::from_millis;
    for (name, gigabits, latency) in [
        ("none", 0.0, ms(0)),
        ("10 Gb/s, 0.1 ms", 10.0, Duration::from_micros(100)),
        ("1 Gb/s, 1 ms", 1.0, ms(1)),
        ("100 Mb/s, 10 ms", 0.1, ms(10)),
    ] {
        if arguments.link.is_some_and(|only| only != gigabits) {
            continue;
        }
        let link = (gigabits > 0.0).then(|| Link::gigabits(gigabits, latency));
        let lines = || -> Vec<Exchange> {
            let ranks = Local::group(2).into_iter();
            let line = |rank| match link {
                Some(link) => Exchange::new(Slow::new(rank, link)),
                None => Exchange::new(rank),
            };
            ranks.map(line).collect()
        };
        let together = each(lines(), |rank, line| {
            let mut replica = Rank::replica(
                trainer(&model, &devices[rank])?,
                line,
                &ParallelConfig::default(),
                OuterState::default(),
            )?;
            let mut start = Instant::now();
            for step in 0..=STEPS {
                if step == 1 {
                    start = Instant::now();
                }
                let (outcome, _) =
                    replica.step(step, rank, &batches(&model, step, rank..rank + 1), &Ceiling::FINITE)?;
                outcome.loss.into_data();
            }
            Ok(start.elapsed().as_secs_f64() / STEPS as f64)
        })?;
        let alone = |quantize| {
            each(lines(), |rank, line| {
                // The last of so many steps ends with the average.
                let settings = ParallelConfig { local_steps: STEPS + 2, quantize, ..ParallelConfig::default() };
                let mut replica =
                    Rank::replica(trainer(&model, &devices[rank])?, line, &settings, OuterState::default())?;
                let mut start = Instant::now();
                let mut step = |step| -> anyhow::Result<()> {
                    let own = batches(&model, step, rank..rank + 1);
                    let (outcome, _) = replica.step(step, rank, &own, &Ceiling::FINITE)?;
                    outcome.loss.into_data();
                    Ok(())
                };
                for number in 0..=STEPS {
                    if number == 1 {
                        start = Instant::now();
                    }
                    step(number)?;
                }
                let one = start.elapsed().as_secs_f64() / STEPS as f64;
                let start = Instant::now();
                step(STEPS + 1)?;
                Ok([one, start.elapsed().as_secs_f64() - one])
            })
        };
        let [whole, eighth] = [alone(false)?[0], alone(true)?[0]];
        println!(
            "| {name} | {:.2} s | {:.2} s | {:.2} s | {:.2} s | {:.2} s | {:.2} s |",
            together[0],
            whole[0],
            whole[1],
            eighth[1],
            whole[0] + whole[1] / ALONE,
            eighth[0] + eighth[1] / ALONE
        );
    }
    Ok(())
}

fn straggler(arguments: &Arguments) -> anyhow::Result<()> {
    const ROWS: usize = 16;
    const STEPS: u64 = 4;
    let model = small(4, 128)?;
    let devices = devices(arguments.device, 2)?;
    let run = |rows: &[Range<usize>]| {
        each(Local::group(2).into_iter().map(Exchange::new).collect(), |rank, line| {
            let slow = (rank == 1).then(|| Probe::slow(4.0));
            let replica = Rank::replica(
                trainer(&model, &devices[rank])?,
                line,
                &ParallelConfig::default(),
                OuterState::default(),
            )?;
            let mut replica = replica.with_probe(slow);
            let (mut start, mut walks) = (Instant::now(), vec![0.0; 2]);
            for step in 0..=STEPS {
                if step == 1 {
                    start = Instant::now();
                }
                let own = batches(&model, step, rows[rank].clone());
                let (outcome, figures): (_, Vec<RankFigures>) =
                    replica.step(step, rows[rank].start, &own, &Ceiling::FINITE)?;
                outcome.loss.into_data();
                if step > 0 {
                    walks.iter_mut().zip(figures).for_each(|(sum, of)| *sum += of.walk / STEPS as f64);
                }
            }
            Ok((start.elapsed().as_secs_f64() / STEPS as f64, walks))
        })
        .map(|mut found| found.swap_remove(0))
    };
    println!(
        "{} parameters, {ROWS} x T 256, {} twice, one 4 times as slow",
        ParameterCount::of(&model).total,
        arguments.device
    );
    println!("| shares | s/step | ideal | over it |\n|---|---|---|---|");
    let mut rows = vec![0..ROWS / 2, ROWS / 2..ROWS];
    // Twice by speed: what a rank takes for a row changes with what the other does on the same cores.
    for _ in 0..3 {
        let (step, walks) = run(&rows)?;
        let speeds: Vec<f64> = rows.iter().zip(&walks).map(|(rows, walk)| rows.len() as f64 / walk).collect();
        let ideal = ROWS as f64 / speeds.iter().sum::<f64>();
        let shares: Vec<String> = rows.iter().map(|rows| rows.len().to_string()).collect();
        println!("| {} | {step:.3} | {ideal:.3} | {:+.1} % |", shares.join(" + "), 100.0 * (step / ideal - 1.0));
        rows = rows_by_speed(ROWS, &speeds)?;
    }
    Ok(())
}
