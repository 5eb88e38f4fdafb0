//! One model on two devices, explained.
//!
//!     cargo run --release --example multi_device
//!
//! Trains the same small model twice, on one device and on two that share every batch, and shows that the losses are the
//! same. The two are logical devices of one adapter (or the CPU twice), so the second run is no faster: with two cards it
//! is `hearth train CONFIG --device wgpu:0,wgpu:1`.

use std::process::ExitCode;

use clap::Parser;
use hearth_examples::small_run;
use hearth_train::{
    TrainError,
    devices::{DeviceChoice, keep_freed_host_memory, open},
    report,
    run::RunSummary,
};

/// One model on two devices, explained.
#[derive(Parser)]
pub struct Arguments {
    /// auto, cpu, wgpu or wgpu:N: the adapter of both.
    #[arg(long, default_value_t)]
    pub device: DeviceChoice,
}

#[allow(dead_code)] // ../devices.rs includes this file for `compare`
fn main() -> ExitCode {
    keep_freed_host_memory();
    match compare(&Arguments::parse()) {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Both runs, and the largest relative difference between their losses.
pub fn compare(arguments: &Arguments) -> Result<(RunSummary, f64), TrainError> {
    let folder = std::env::temp_dir().join(format!("hearth-multi-device-{}", std::process::id()));
    let [first, second, third] = [(); 3].map(|()| open(arguments.device));
    println!("one device: it takes the 4 micro-batches of a step in turn, and adds up their gradients");
    let one = small_run(folder.join("one"), first?, Vec::new(), &["batch.accumulation=4"])?;
    println!(
        "two devices: each has the model, takes 2 of the 4, and hands its gradients to the other as its walk goes back"
    );
    let two = small_run(folder.join("two"), second?, vec![third?], &["batch.accumulation=4"])?;
    println!("\nstep   loss on one   loss on two");
    let [before, after] = [&one, &two].map(|run| report::read(&run.folder.join("metrics.jsonl")));
    let mut largest = 0f64;
    for (one, two) in before?.iter().zip(&after?) {
        let (Some(a), Some(b)) = (one.train_loss, two.train_loss) else { continue };
        largest = largest.max((a - b).abs() / a);
        if one.step % 10 == 0 {
            println!("{:>4}   {a:>11.6}   {b:>11.6}", one.step);
        }
    }
    println!(
        "\nThe largest difference is {largest:.1e} of a loss: sums of four gradients were taken in another order."
    );
    println!("What each device did in a step, on average:");
    for device in &two.devices {
        println!("  {device}");
    }
    let _ = std::fs::remove_dir_all(folder);
    Ok((two, largest))
}
