//! Tokens a second of generation on the CPU, and what a token costs early and late in a context:
//!
//!     cargo bench --workspace --bench generate
//!     cargo bench --workspace --bench generate -- smollm2
//!
//! Weights are random, which changes no time. With `RAYON_NUM_THREADS` it has so many threads.

use std::{ops::ControlFlow, time::Instant};

use hearth_model::{Sampling, TransformerConfig, burn::tensor::Device, generate, preset};

const PROMPT: [u32; 3] = [1, 2, 3];

fn models() -> [(&'static str, TransformerConfig); 3] {
    let model = |name: &str| preset(name).expect("a preset's name");
    let small = model("shakespeare-cpu");
    [
        ("0.8 M, T 64", small.clone()),
        ("0.8 M, T 512", TransformerConfig { context_length: 512, ..small }),
        ("smollm2-135m", model("smollm2-135m")),
    ]
}

/// When each of `count` tokens came, in seconds from the beginning.
fn times(config: &TransformerConfig, count: usize) -> Vec<f64> {
    let model = config.init(0, &Device::flex()).expect("a valid configuration");
    let begun = Instant::now();
    let mut times = Vec::with_capacity(count);
    let note = async |_| {
        times.push(begun.elapsed().as_secs_f64());
        ControlFlow::Continue(())
    };
    pollster::block_on(generate(&model, &PROMPT, count, &Sampling::default(), note)).expect("a text");
    times
}

/// Microseconds of a token around position `at` of the first context: the median of 9.
fn around(times: &[f64], at: usize) -> Option<f64> {
    let first = at - PROMPT.len() - 5;
    let mut steps: Vec<f64> = times.get(first..first + 10)?.windows(2).map(|pair| pair[1] - pair[0]).collect();
    steps.sort_by(f64::total_cmp);
    Some(steps[steps.len() / 2] * 1e6)
}

fn main() {
    let named: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    println!("| model | tokens/s | a token at 50, us | at 500, us |\n| --- | --- | --- | --- |");
    for (name, config) in models() {
        if !named.is_empty() && !named.iter().any(|part| name.contains(part.as_str())) {
            continue;
        }
        let count = if config.layers < 10 { 3000 } else { 520 };
        let times = times(&config, count);
        let shown = |at: usize| {
            let is_there = at + 5 < config.context_length;
            is_there.then(|| around(&times, at)).flatten().map_or("-".into(), |time| format!("{time:.0}"))
        };
        let rate = times.len() as f64 / times.last().expect("tokens came");
        println!("| {name} | {rate:.0} | {} | {} |", shown(50), shown(500));
    }
}
