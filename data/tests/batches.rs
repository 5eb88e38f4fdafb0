//! Batches: what their rows hold, how they are cut, and the fixed set for evaluation.

use std::sync::Arc;

use hearth_data::{Batch, Batches, DataError, IGNORED, Rows, Tokens};

/// Rows of a stream in which each token is its own position.
fn rows(tokens: u32, context_length: usize, seed: u64) -> Rows {
    Rows::windows(Arc::new(Tokens::new((0..tokens).collect()).unwrap()), context_length, 0, seed).unwrap()
}

fn counting(tokens: u32, context_length: usize, seed: u64) -> Batches {
    Batches::new(rows(tokens, context_length, seed))
}

fn starts(batch: &Batch) -> Vec<i32> {
    batch.inputs.chunks(batch.time).map(|row| row[0]).collect()
}

#[test]
fn rows_are_windows_and_targets_are_shifted_by_one() {
    let batch = counting(1_000, 16, 1).batch(0..5).unwrap();
    assert_eq!((batch.rows, batch.time, batch.counted()), (5, 16, 80));
    for (inputs, targets) in batch.inputs.chunks(16).zip(batch.targets.chunks(16)) {
        let first = inputs[0];
        assert_eq!(inputs, (first..first + 16).collect::<Vec<_>>());
        assert_eq!(targets, (first + 1..first + 17).collect::<Vec<_>>());
    }
}

#[test]
fn ignored_targets_do_not_count() {
    let batch = Batch { inputs: vec![3, 4, 5], targets: vec![4, IGNORED, 0], rows: 1, time: 3, packing: None };
    assert_eq!(batch.counted(), 2);
}

#[test]
fn micro_batches_are_the_rows_of_the_global_batch() {
    let batches = counting(1_000, 16, 1);
    for position in [0, 50, 1 << 40] {
        let whole = batches.batch(position..position + 12).unwrap();
        let parts = [0, 4, 8].map(|offset| batches.batch(position + offset..position + offset + 4).unwrap());
        assert_eq!(whole.inputs, parts.each_ref().map(|part| part.inputs.clone()).concat());
        assert_eq!(whole.targets, parts.each_ref().map(|part| part.targets.clone()).concat());
    }
}

#[test]
fn a_position_gives_the_same_batch_in_a_new_run() {
    let first = counting(5_000, 8, 42);
    for position in (0..2_000).step_by(7) {
        first.batch(position..position + 7).unwrap();
    }
    let again = |seed| counting(5_000, 8, seed).batch(1_995..2_002).unwrap();
    assert_eq!(first.batch(1_995..2_002).unwrap(), again(42));
    assert_ne!(first.batch(1_995..2_002).unwrap(), again(43));
}

#[test]
fn an_epoch_counts_each_target_at_most_once() {
    let rows = rows(997, 10, 6);
    let windows = rows.per_epoch();
    let batches = Batches::new(rows);
    for epoch in 0..3 {
        let mut targets = batches.batch(epoch * windows..(epoch + 1) * windows).unwrap().targets;
        targets.sort_unstable();
        assert_eq!(targets, (targets[0]..targets[0] + 10 * windows as i32).collect::<Vec<_>>());
    }
}

#[test]
fn evaluation_is_evenly_spaced_and_fixed() {
    let batches = counting(101, 5, 9);
    let spaced: Vec<Vec<i32>> = batches.evaluation(2, 3).unwrap().iter().map(starts).collect();
    assert_eq!(spaced, [[0, 16], [33, 50], [66, 83]]);
    let other_seed = counting(101, 5, 10).evaluation(2, 3).unwrap();
    assert_eq!(batches.evaluation(2, 3).unwrap(), other_seed);
}

#[test]
fn evaluation_of_a_short_stream_takes_what_there_is() {
    let all = |tokens, rows, batches| -> Vec<Vec<i32>> {
        counting(tokens, 5, 0).evaluation(rows, batches).unwrap().iter().map(starts).collect()
    };
    assert_eq!(all(21, 2, 9), [[0, 5], [10, 15]]); // exactly four windows
    assert_eq!(all(26, 2, 9), [[0, 5], [10, 15], [20, 0]]); // the last row fills up the batch and does not count
    assert_eq!(all(16, 8, 9), [[0, 5, 10]]); // not one full batch
    assert_eq!(all(6, 8, 9), [[0]]); // one window
    assert_eq!(all(8, 8, 9), [[0, 5]]); // and a tail
}

/// Whatever the number of rows, each target of a stream that is evaluated whole counts once.
#[test]
fn evaluation_of_all_counts_each_target_once() {
    for tokens in [6, 7, 23, 26, 200] {
        for rows in [1, 2, 3, 5, 8, 64] {
            let evaluation = counting(tokens, 5, 0).evaluation(rows, 1000).unwrap();
            let shapes: Vec<usize> = evaluation.iter().map(|batch| batch.rows).collect();
            assert!(shapes.windows(2).all(|pair| pair[0] == pair[1]), "{shapes:?}");
            let pairs = evaluation.iter().flat_map(|batch| batch.inputs.iter().zip(&batch.targets));
            let counted: Vec<(i32, i32)> = pairs.filter(|(_, to)| **to >= 0).map(|(from, to)| (*from, *to)).collect();
            let expected: Vec<(i32, i32)> = (0..tokens as i32 - 1).map(|id| (id, id + 1)).collect();
            assert_eq!(counted, expected, "{tokens} tokens in batches of {rows}");
        }
    }
}

#[test]
fn a_text_of_one_window_trains() {
    let batch = counting(9, 8, 0).batch(77..79).unwrap();
    assert_eq!(batch.inputs, [0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7]);
}

#[test]
fn refuses_a_text_shorter_than_a_window() {
    let refused = |tokens, context_length| {
        let tokens = Arc::new(Tokens::new(vec![0; tokens]).unwrap());
        Rows::windows(tokens, context_length, 0, 0).unwrap_err()
    };
    assert!(matches!(refused(64, 64), DataError::TooShort { tokens: 64, needed: 65 }));
    assert!(matches!(refused(0, 1), DataError::TooShort { tokens: 0, .. }));
}

#[test]
fn a_mixture_draws_each_stream_in_its_own_order_and_proportion() {
    let [common, rare] = [rows(1_000, 8, 1), rows(500, 8, 2)];
    let alone = [&common, &rare].map(|rows| Batches::new(rows.clone()));
    let mixed = Batches::mixed(vec![(0.75, common), (0.25, rare)]).unwrap();

    // Round-robin of three to one, starting with the common stream.
    let order = [(0, 0), (0, 1), (1, 0), (0, 2)];
    for cycle in [0, 1, 1_000_000] {
        let batch = mixed.batch(4 * cycle..4 * cycle + 4).unwrap();
        for (row, (stream, sample)) in batch.split(1).zip(order) {
            let sample = cycle * [3, 1][stream] + sample;
            assert_eq!(row, alone[stream].batch(sample..sample + 1).unwrap(), "cycle {cycle}");
        }
    }
}

#[test]
fn a_mixture_is_evaluated_stream_after_stream() {
    let parts = [rows(101, 5, 9), rows(26, 5, 9)];
    let mixed = Batches::mixed(parts.clone().map(|rows| (1.0, rows)).into()).unwrap();
    let each = parts.map(|rows| Batches::new(rows).evaluation(2, 3).unwrap());
    assert_eq!(mixed.evaluation(2, 3).unwrap(), each.concat());
}

#[test]
fn a_mixture_needs_streams_with_the_same_rows() {
    let error = Batches::mixed(vec![(1.0, rows(100, 8, 0)), (1.0, rows(100, 9, 0))]).unwrap_err();
    assert!(matches!(error, DataError::MixedContext { first: 8, other: 9 }));
    assert!(matches!(Batches::mixed(vec![]), Err(DataError::EmptyMixture)));
}
