//! Batches: what their rows hold, how they are cut, and the fixed set for evaluation.

use hearth_data::{Batch, Batches, DataError, IGNORED, Tokens};

/// A stream in which each token is its own position.
fn counting(tokens: u32, context_length: usize, seed: u64) -> Batches {
    Batches::new(Tokens::new((0..tokens).collect()).unwrap(), context_length, seed).unwrap()
}

fn starts(batch: &Batch) -> Vec<i32> {
    batch.inputs.chunks(batch.time).map(|row| row[0]).collect()
}

#[test]
fn rows_are_windows_and_targets_are_shifted_by_one() {
    let batch = counting(1_000, 16, 1).batch(0, 5);
    assert_eq!((batch.rows, batch.time, batch.counted()), (5, 16, 80));
    for (inputs, targets) in batch.inputs.chunks(16).zip(batch.targets.chunks(16)) {
        let first = inputs[0];
        assert_eq!(inputs, (first..first + 16).collect::<Vec<_>>());
        assert_eq!(targets, (first + 1..first + 17).collect::<Vec<_>>());
    }
}

#[test]
fn ignored_targets_do_not_count() {
    let batch = Batch { inputs: vec![3, 4, 5], targets: vec![4, IGNORED, 0], rows: 1, time: 3 };
    assert_eq!(batch.counted(), 2);
}

#[test]
fn micro_batches_are_the_rows_of_the_global_batch() {
    let batches = counting(1_000, 16, 1);
    for position in [0, 50, 1 << 40] {
        let whole = batches.batch(position, 12);
        let parts = [0, 4, 8].map(|offset| batches.batch(position + offset, 4));
        assert_eq!(whole.inputs, parts.each_ref().map(|part| part.inputs.clone()).concat());
        assert_eq!(whole.targets, parts.each_ref().map(|part| part.targets.clone()).concat());
    }
}

#[test]
fn a_position_gives_the_same_batch_in_a_new_run() {
    let first = counting(5_000, 8, 42);
    for position in (0..2_000).step_by(7) {
        first.batch(position, 7);
    }
    assert_eq!(first.batch(1_995, 7), counting(5_000, 8, 42).batch(1_995, 7));
    assert_ne!(first.batch(1_995, 7), counting(5_000, 8, 43).batch(1_995, 7));
}

#[test]
fn an_epoch_counts_each_target_at_most_once() {
    let batches = counting(997, 10, 6);
    let windows = batches.windows_per_epoch();
    for epoch in 0..3 {
        let mut targets = batches.batch(epoch * windows, windows as usize).targets;
        targets.sort_unstable();
        assert_eq!(targets, (targets[0]..targets[0] + 10 * windows as i32).collect::<Vec<_>>());
    }
}

#[test]
fn evaluation_is_evenly_spaced_and_fixed() {
    let batches = counting(101, 5, 9);
    let spaced: Vec<Vec<i32>> = batches.evaluation(2, 3).map(|batch| starts(&batch)).collect();
    assert_eq!(spaced, [[0, 16], [33, 50], [66, 83]]);
    assert!(batches.evaluation(2, 3).eq(counting(101, 5, 10).evaluation(2, 3)), "the seed must not matter");
}

#[test]
fn evaluation_of_a_short_stream_takes_what_there_is() {
    let all = |tokens, rows, batches| -> Vec<Vec<i32>> {
        counting(tokens, 5, 0).evaluation(rows, batches).map(|batch| starts(&batch)).collect()
    };
    assert_eq!(all(21, 2, 9), [[0, 5], [10, 15]]); // exactly four windows
    assert_eq!(all(26, 2, 9), [[0, 6], [12, 18]]); // a fifth would make a batch of another shape
    assert_eq!(all(16, 8, 9), [[0, 5, 10]]); // not one full batch
    assert_eq!(all(6, 8, 9), [[0]]); // one window
}

#[test]
fn a_text_of_one_window_trains() {
    let batch = counting(9, 8, 0).batch(77, 2);
    assert_eq!(batch.inputs, [0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7]);
}

#[test]
fn refuses_a_text_shorter_than_a_window() {
    let error = Batches::new(Tokens::new(vec![0; 64]).unwrap(), 64, 0).unwrap_err();
    assert!(matches!(error, DataError::TooShort { tokens: 64, needed: 65 }));
    assert!(matches!(Batches::new(Tokens::new(vec![]).unwrap(), 1, 0), Err(DataError::TooShort { tokens: 0, .. })));
}
