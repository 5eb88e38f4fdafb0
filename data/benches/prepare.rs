//! How fast a corpus becomes token shards: `cargo bench -p hearth-data --bench prepare -- [--tokenizer FILE] FILE..`.
//!
//! Reads, encodes and writes on one thread and on two, with GPT-2's vocabulary where no other is given.
//! `benches/tokenizers/encode.py` times the Hugging Face Python package on the same files.

use std::{fs, path::PathBuf, sync::atomic::AtomicBool, time::Instant};

use hearth_data::{Corpus, Preparation, PrepareSettings, ReadOptions, Tokenizer};

#[path = "../tests/goldens/gpt2.rs"]
mod gpt2;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut files: Vec<PathBuf> = std::env::args().skip(1).filter(|it| it != "--bench").map(PathBuf::from).collect();
    let given = (files.len() > 1 && files[0].as_os_str() == "--tokenizer").then(|| files.drain(..2).nth(1)).flatten();
    if files.is_empty() {
        println!("name files of text: cargo bench -p hearth-data --bench prepare -- [--tokenizer FILE] FILE..");
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let given = given.map(Tokenizer::from_file).transpose()?;
    let tokenizer = given.as_ref().unwrap_or_else(|| &gpt2::GPT2);
    if given.is_none() {
        let saved = std::env::temp_dir().join("gpt2.tokenizer.json");
        fs::write(&saved, serde_json::to_vec(tokenizer)?)?;
        println!("the tokenizer, for encode.py: {}", saved.display());
    }
    let corpus = Corpus::open(&files, ReadOptions::default())?;
    let megabytes = corpus.bytes() as f64 / 1e6;
    println!("{megabytes:.1} MB of text\n\nthreads   MB/s   Mtokens/s   resident MB at most");
    for threads in [1, 2] {
        let preparation = Preparation {
            tokenizer,
            vocab_size: None,
            files: corpus.files(),
            reading: corpus.options(),
            folder: &folder.path().join(format!("{threads}")),
            settings: PrepareSettings { threads, ..PrepareSettings::default() },
        };
        let start = Instant::now();
        let summary = preparation.run(&mut corpus.documents_for(tokenizer), &AtomicBool::new(false), |_| {})?;
        let seconds = start.elapsed().as_secs_f64();
        let tokens = (summary.train.tokens + summary.validation.tokens) as f64 / 1e6;
        let resident = resident_peak().map_or_else(|| "unknown".into(), |bytes| format!("{:.0}", bytes as f64 / 1e6));
        println!("{threads:>7} {:>6.1} {:>11.1} {resident:>21}", megabytes / seconds, tokens / seconds);
    }
    Ok(())
}

/// Of this process since it began; Linux only.
fn resident_peak() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? << 10)
}
