//! A model that is spread over two devices, explained.
//!
//!     cargo run --release --example pipeline
//!
//! Each device has half the blocks. Micro-batches pass through both, one behind the other, so that both are at work; the
//! model that comes out is, to the bit, the one that a single device trains. With two cards it is
//! `hearth train CONFIG --device wgpu:0,wgpu:1 --set parallel.stages=2`.

use std::{fs, process::ExitCode};

use clap::Parser;
use hearth_examples::small_run;
use hearth_train::{
    TrainError,
    devices::{DeviceChoice, keep_freed_host_memory, open},
};

/// A model that is spread over two devices, explained.
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

/// Both runs; whether their models are the same to the bit.
pub fn compare(arguments: &Arguments) -> Result<bool, TrainError> {
    let folder = std::env::temp_dir().join(format!("hearth-pipeline-{}", std::process::id()));
    let [first, second, third] = [(); 3].map(|()| open(arguments.device));
    println!("one device: it has all blocks, and takes the 4 micro-batches of a step in turn");
    let one = small_run(folder.join("one"), first?, Vec::new(), &["batch.accumulation=4"])?;
    println!("two stages: the first has the embedding and half the blocks, the second the other half and the head");
    let settings = ["batch.accumulation=4", "parallel.stages=2"];
    let two = small_run(folder.join("two"), second?, vec![third?], &settings)?;
    println!(
        "\nA step's micro-batches, one forward (F), one backward (B):\n\
         \n  first stage   F1 F2 B1 F3 B2 F4 B3 B4      holds 2 micro-batches at most\
         \n  second stage     F1 B1 F2 B2 F3 B3 F4 B4   holds 1\n"
    );
    let losses = [&one, &two].map(|run| run.val_loss.unwrap_or(f64::NAN));
    println!("validation {:.6} and {:.6} nats per token", losses[0], losses[1]);
    let [one, two] = [&one, &two].map(|run| fs::read(run.folder.join("model.safetensors")));
    let same = one.is_ok() && one.ok() == two.ok();
    println!("the two models are {}", if same { "the same, to the bit" } else { "not the same" });
    let _ = fs::remove_dir_all(folder);
    Ok(same)
}
