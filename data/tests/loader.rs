//! The loader: the batches of direct calls, in any order, errors and panics passed on, no thread left behind.

use std::{
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use hearth_data::{Batches, DataError, Loader, Rows, Share, TokenStream, Tokens};

/// Reads tokens below `readable` only: the next one fails, and from `panics` on it panics.
#[derive(Debug)]
struct Faulty {
    tokens: u64,
    readable: AtomicU64,
    panics: u64,
}

impl TokenStream for Faulty {
    fn token_count(&self) -> u64 {
        self.tokens
    }

    fn copy(&self, start: u64, out: &mut [i32]) -> Result<(), DataError> {
        assert!(start < self.panics, "the disk is on fire");
        if start >= self.readable.load(Ordering::SeqCst) {
            return Err(DataError::Missing { path: "shard-7".into() });
        }
        out.fill(start as i32);
        Ok(())
    }

    fn document_count(&self) -> u64 {
        1
    }

    fn document(&self, _: u64) -> Result<Range<u64>, DataError> {
        Ok(0..self.tokens)
    }

    fn content_hash(&self) -> [u8; 32] {
        [7; 32]
    }
}

fn text() -> Arc<Tokens> {
    Arc::new(Tokens::with_documents((0..5_000).collect(), (1..=500).map(|k| 10 * k).collect()).unwrap())
}

/// The second of two replicas, three micro-batches a step.
fn share() -> Share {
    Share::new(12, 2, 1, 2).unwrap()
}

#[test]
fn gives_the_batches_of_direct_calls_in_order_and_after_jumps() {
    let share = share();
    for rows in [Rows::windows(text(), 16, 0, 3).unwrap(), Rows::packed(text(), 32, 3).unwrap()] {
        for depth in [0, 1, Loader::DEPTH] {
            let batches = Batches::new(rows.clone());
            let mut loader = Loader::new(batches.clone(), share.clone(), depth);
            for number in (0..20).chain([7, 8, 9, 1 << 40, 0, 0, 1]) {
                let batch = loader.batch(number).unwrap();
                assert_eq!(batch, batches.batch(share.samples(number)).unwrap(), "number {number}, depth {depth}");
                loader.give_back(batch);
            }
        }
    }
}

#[test]
fn a_restarted_run_goes_on_with_the_same_batches() {
    let loader = || Loader::new(Batches::new(Rows::windows(text(), 16, 0, 3).unwrap()), share(), Loader::DEPTH);
    let mut whole = loader();
    let run: Vec<_> = (0..30).map(|number| whole.batch(number).unwrap()).collect();
    let mut restarted = loader();
    let rest: Vec<_> = (17..30).map(|number| restarted.batch(number).unwrap()).collect();
    assert_eq!(rest, run[17..]);
}

#[test]
fn ends_its_thread_when_it_jumps_and_when_it_is_dropped() {
    let text = text();
    let rows = Rows::windows(text.clone(), 16, 0, 3).unwrap();
    // The loader's own batches and the thread's hold the stream.
    let mut loader = Loader::new(Batches::new(rows.clone()), share(), 4);
    assert_eq!(Arc::strong_count(&text), 3);
    for number in [0, 1, 50, 3] {
        loader.batch(number).unwrap();
        assert_eq!(Arc::strong_count(&text), 4, "one thread, after number {number}");
    }
    drop(loader);
    assert_eq!(Arc::strong_count(&text), 2);
}

#[test]
fn an_error_reaches_the_consumer_in_its_place_and_can_be_tried_again() {
    let stream = Arc::new(Faulty { tokens: 1_000, readable: AtomicU64::new(500), panics: u64::MAX });
    let rows = Rows::windows(stream.clone(), 1, 0, 0).unwrap();
    let batches = Batches::new(rows);
    let share = Share::new(1, 1, 0, 1).unwrap();
    let fails = (0..).find(|&sample| batches.batch(sample..sample + 1).is_err()).unwrap();

    let mut loader = Loader::new(batches.clone(), share, 4);
    for number in 0..fails {
        loader.batch(number).unwrap();
    }
    for _ in 0..2 {
        let error = loader.batch(fails).unwrap_err();
        assert!(error.to_string().contains("shard-7"), "{error}");
    }
    stream.readable.store(1_000, Ordering::SeqCst);
    assert_eq!(loader.batch(fails).unwrap(), batches.batch(fails..fails + 1).unwrap());
}

#[test]
fn a_panic_reaches_the_consumer() {
    let stream = Faulty { tokens: 10, readable: AtomicU64::new(10), panics: 0 };
    let batches = Batches::new(Rows::windows(Arc::new(stream), 1, 0, 0).unwrap());
    let mut loader = Loader::new(batches, Share::new(1, 1, 0, 1).unwrap(), 4);
    let panic = catch_unwind(AssertUnwindSafe(|| loader.batch(0))).unwrap_err();
    assert_eq!(panic.downcast_ref::<&str>(), Some(&"the disk is on fire"));
}
