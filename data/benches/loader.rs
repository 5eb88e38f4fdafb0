//! How many batches a second a training step could get: `cargo bench -p hearth-data --bench loader`.

use std::{sync::Arc, time::Instant};

use hearth_data::{Batch, Batches, DataError, Loader, Rows, Share, Tokens};

const TOKENS: u32 = 50_000_000;
const CONTEXT_LENGTH: usize = 1024;
const ROWS: usize = 8;
const BATCHES: u64 = 20_000;

fn main() -> Result<(), DataError> {
    let stream = Arc::new(documents()?);
    println!("in memory, {TOKENS} tokens, B = {ROWS}, T = {CONTEXT_LENGTH}\n");
    println!("rows      padding %   ready after s   direct batches/s   loader batches/s   direct Mtokens/s");
    for name in ["windows", "packed"] {
        let start = Instant::now();
        let rows = match name {
            "windows" => Rows::windows(stream.clone(), CONTEXT_LENGTH, 0, 1)?,
            _ => Rows::packed(stream.clone(), CONTEXT_LENGTH, 1)?,
        };
        let (ready, padding) = (start.elapsed().as_secs_f64(), 100.0 * rows.padding());
        let batches = Batches::new(rows);
        let share = Share::new(ROWS, ROWS, 0, 1)?;

        let mut batch = Batch::default();
        let direct = per_second(|number| batches.fill(share.samples(number), &mut batch))?;
        let mut loader = Loader::new(batches.clone(), share.clone(), Loader::DEPTH);
        let loaded = per_second(|number| loader.batch(number).map(|batch| loader.give_back(batch)))?;
        let tokens = direct * (ROWS * CONTEXT_LENGTH) as f64 / 1e6;
        println!("{name:<9} {padding:>9.3} {ready:>15.3} {direct:>18.0} {loaded:>18.0} {tokens:>18.0}");
    }
    Ok(())
}

/// A stream of documents whose lengths spread over two decades, from 40 to 4000 tokens, evenly in the logarithm.
fn documents() -> Result<Tokens, DataError> {
    let lengths = (1_u64..).map(|k| 40.0 * 100_f64.powf((k as f64 * 0.618_033_988_749_895).fract()));
    let ends = lengths.scan(0, |end, length| Some(*end + length as u64).inspect(|&to| *end = to));
    let mut ends: Vec<u64> = ends.take_while(|&end| end < u64::from(TOKENS)).collect();
    ends.push(u64::from(TOKENS));
    Tokens::with_documents((0..TOKENS).map(|position| position % 50_257).collect(), ends)
}

fn per_second(mut get: impl FnMut(u64) -> Result<(), DataError>) -> Result<f64, DataError> {
    let start = Instant::now();
    (0..BATCHES).try_for_each(&mut get)?;
    Ok(BATCHES as f64 / start.elapsed().as_secs_f64())
}
