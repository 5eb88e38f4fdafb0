//! Packed rows: every target once an epoch, nothing across documents, little padding.

use std::{ops::Range, sync::Arc};

use hearth_data::{Batches, DataError, IGNORED, Rows, TokenStream, Tokens};

/// A stream in which each token is its own position, cut into documents of the given lengths.
fn documents(lengths: impl IntoIterator<Item = u64>) -> Tokens {
    let ends: Vec<u64> =
        lengths.into_iter().scan(0, |end, length| Some(*end + length).inspect(|&to| *end = to)).collect();
    Tokens::with_documents((0..*ends.last().unwrap() as u32).collect(), ends).unwrap()
}

/// Lengths as in a corpus of web pages: log-normal with a median of 400 tokens and a mean of about 740
/// (a standard deviation of 1.1 in the logarithm); some documents pass 10 000 tokens.
fn web_pages(count: usize) -> impl Iterator<Item = u64> {
    let mut state = 1_u64;
    let mut uniform = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f64 / (1 << 24) as f64
    };
    (0..count).map(move |_| {
        let normal = (0..12).map(|_| uniform()).sum::<f64>() - 6.0;
        (400.0 * (1.1 * normal).exp()) as u64
    })
}

fn packed(tokens: &Tokens, context_length: usize) -> Rows {
    Rows::packed(Arc::new(tokens.clone()), context_length, 7).unwrap()
}

/// All of an epoch's segments that hold tokens: inputs, targets, positions.
fn segments(rows: &Rows, epoch: u64) -> Vec<(Vec<i32>, Vec<i32>, Vec<i32>)> {
    let samples: Range<u64> = epoch * rows.per_epoch()..(epoch + 1) * rows.per_epoch();
    let batch = Batches::new(rows.clone()).batch(samples).unwrap();
    let mut all = Vec::new();
    for row in batch.split(1) {
        let packing = row.packing.unwrap();
        let last = *packing.documents.last().unwrap();
        assert!(packing.documents.is_sorted() && packing.documents[0] == 0);
        for segment in 0..=last {
            let of_segment = |values: &[i32]| -> Vec<i32> {
                values.iter().zip(&packing.documents).filter(|(_, s)| **s == segment).map(|(value, _)| *value).collect()
            };
            let [inputs, targets, positions] = [&row.inputs, &row.targets, &packing.positions].map(|v| of_segment(v));
            assert!(!inputs.is_empty(), "segment numbers have a gap");
            if targets.iter().all(|&target| target == IGNORED) {
                assert_eq!(segment, last, "padding is at the end of a row");
                assert!(inputs.iter().all(|&input| input == 0));
            } else {
                all.push((inputs, targets, positions));
            }
        }
    }
    all
}

#[test]
fn every_token_but_the_first_of_a_document_is_a_target_exactly_once_an_epoch() {
    let tokens = documents([0, 1, 2, 17, 16, 33, 34, 5, 400, 1, 3].into_iter().chain(web_pages(300)));
    let rows = packed(&tokens, 16);
    let firsts_excluded: Vec<i32> = (0..tokens.document_count())
        .map(|k| tokens.document(k).unwrap())
        .flat_map(|document| document.skip(1).map(|token| token as i32))
        .collect();
    for epoch in [0, 1, 1_000_000] {
        let mut targets: Vec<i32> = segments(&rows, epoch).into_iter().flat_map(|(_, targets, _)| targets).collect();
        targets.sort_unstable();
        assert_eq!(targets, firsts_excluded, "epoch {epoch}");
    }
}

#[test]
fn no_segment_crosses_documents() {
    let tokens = documents(web_pages(500));
    let ends: Vec<i32> = (0..tokens.document_count()).map(|k| tokens.document(k).unwrap().end as i32).collect();
    for (inputs, targets, positions) in segments(&packed(&tokens, 256), 0) {
        let (first, length) = (inputs[0], inputs.len() as i32);
        assert_eq!(inputs, (first..first + length).collect::<Vec<_>>());
        assert_eq!(targets, (first + 1..first + 1 + length).collect::<Vec<_>>());
        assert_eq!(positions, (0..length).collect::<Vec<_>>());
        let document = |token: i32| ends.partition_point(|&end| end <= token);
        assert_eq!(document(first), document(first + length), "a target lies in another document");
    }
}

#[test]
fn padding_is_small_and_reported_as_it_is() {
    let tokens = documents(web_pages(20_000));
    for context_length in [512, 1024, 2048] {
        let rows = packed(&tokens, context_length);
        assert!(rows.padding() < 0.05, "T = {context_length}: {}", rows.padding());
        println!("T = {context_length}: {:.4} % padding in {} rows", 100.0 * rows.padding(), rows.per_epoch());

        let batch = Batches::new(rows.clone()).batch(0..rows.per_epoch()).unwrap();
        let share = 1.0 - batch.counted() as f64 / batch.targets.len() as f64;
        assert!((rows.padding() - share).abs() < 1e-12, "{share}");
    }
}

#[test]
fn epochs_and_seeds_have_their_own_order_of_the_same_rows() {
    let tokens = documents(web_pages(200));
    let rows = packed(&tokens, 64);
    let epoch = |rows: &Rows, epoch: u64| {
        Batches::new(rows.clone()).batch(epoch * rows.per_epoch()..(epoch + 1) * rows.per_epoch()).unwrap().inputs
    };
    assert_eq!(epoch(&rows, 0), epoch(&packed(&tokens, 64), 0));
    assert_ne!(epoch(&rows, 0), epoch(&rows, 1));
    assert_ne!(epoch(&rows, 0), epoch(&Rows::packed(Arc::new(tokens.clone()), 64, 8).unwrap(), 0));
}

#[test]
fn a_mixture_of_packed_rows_and_windows_marks_both() {
    let windows = Rows::windows(Arc::new(documents([100])), 8, 0, 1).unwrap();
    let mixed = Batches::mixed(vec![(1.0, windows), (1.0, packed(&documents([4, 4]), 8))]).unwrap();
    let packing = mixed.batch(0..2).unwrap().packing.unwrap();
    assert_eq!(packing.documents, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 2, 2]);
    assert_eq!(packing.positions, [0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 0, 1, 2, 0, 1]);
}

#[test]
fn evaluation_covers_packed_rows_once() {
    let rows = packed(&documents(web_pages(100)), 128);
    let mut covered: Vec<i32> = Batches::new(rows.clone())
        .evaluation(1, 1_000_000)
        .unwrap()
        .into_iter()
        .flat_map(|batch| batch.targets)
        .collect();
    let mut epoch = Batches::new(rows.clone()).batch(0..rows.per_epoch()).unwrap().targets;
    covered.sort_unstable();
    epoch.sort_unstable();
    assert_eq!(covered, epoch);
}

#[test]
fn refuses_documents_without_a_target() {
    let error = Rows::packed(Arc::new(documents([1, 0, 1])), 8, 0).unwrap_err();
    assert!(matches!(error, DataError::NothingToPack { documents: 3 }));
    assert!(matches!(Rows::packed(Arc::new(documents([9])), 0, 0), Err(DataError::ZeroContext)));
}
