//! Rows of streams that say which tokens are trained, and of pairs.

use std::sync::Arc;

use hearth_data::{Batch, Batches, DataError, IGNORED, Rows, TokenStream, Tokens};

const I: i32 = IGNORED;

/// A stream in which each token is its own position, cut into documents at `ends`; of it `trained` is trained.
fn stream(ends: &[u64], trained: &[u32]) -> Tokens {
    let tokens = *ends.last().unwrap() as u32;
    let mask = (0..tokens).map(|token| trained.contains(&token)).collect();
    Tokens::with_documents((0..tokens).collect(), ends.into()).unwrap().with_trained(mask).unwrap()
}

fn batch(rows: &Rows) -> Batch {
    Batches::new(rows.clone()).batch(0..rows.per_epoch()).unwrap()
}

/// The rows of a batch, `[inputs, targets]` each, by their first inputs.
fn sorted(batch: &Batch) -> Vec<[Vec<i32>; 2]> {
    let rows = batch.inputs.chunks(batch.time).zip(batch.targets.chunks(batch.time));
    let mut rows: Vec<_> = rows.map(|(inputs, targets)| [inputs.to_vec(), targets.to_vec()]).collect();
    rows.sort();
    rows
}

#[test]
fn targets_that_are_not_trained_are_ignored_in_windows() {
    let tokens = Arc::new(stream(&[9], &[0, 2, 3, 7]));
    let rows = Rows::windows(tokens.clone(), 4, 0, 1).unwrap();
    // Token 0 is no target; token 4 is that of the last input of the first row.
    let expected = [[vec![0, 1, 2, 3], vec![I, 2, 3, I]], [vec![4, 5, 6, 7], vec![I, I, 7, I]]];
    // Samples begin anywhere.
    let drawn = Batches::new(rows.clone()).batch(0..50).unwrap();
    let targets = drawn.inputs.iter().map(|input| if [2, 3, 7].contains(&(input + 1)) { input + 1 } else { I });
    assert_eq!(drawn.targets, targets.collect::<Vec<_>>());
    let evaluated = Batches::new(rows).evaluation(2, 9).unwrap();
    assert_eq!((evaluated.len(), sorted(&evaluated[0])), (1, expected.to_vec()));

    // Of the tail, too.
    let tail = Rows::windows(Arc::new(stream(&[7], &[1, 6])), 4, 0, 1).unwrap();
    let tail = Batches::new(tail).evaluation(2, 9).unwrap();
    assert_eq!(tail[0].targets, [1, I, I, I, I, 6, I, I]);
    // Evenly spaced rows begin anywhere.
    let spaced = Batches::new(Rows::windows(tokens, 2, 0, 1).unwrap()).evaluation(1, 3).unwrap();
    let spaced: Vec<_> = spaced.iter().flat_map(sorted).collect();
    assert_eq!(spaced, [[vec![0, 1], vec![I, 2]], [vec![2, 3], vec![3, I]], [vec![5, 6], vec![I, 7]]]);
}

#[test]
fn packed_rows_have_what_is_trained_and_no_row_has_nothing() {
    // Documents: 0..6, 6..9, 9..11 (its second token), 11..20 (nothing but in its last third), 20..23 (its first token alone).
    let tokens = stream(&[6, 9, 11, 20, 23], &[2, 3, 5, 8, 10, 19, 20]);
    let rows = Rows::packed(Arc::new(tokens), 4, 7).unwrap();
    // Pieces by their inputs: 0..4 (1 to 4 are targets), 4..5, 6..8, 9..10, 11..15 and 15..19, 20..22. Of 11..15 and 20..22 no
    // target is trained.
    assert_eq!(rows.untrained(), 2);
    let expected = [
        [vec![0, 1, 2, 3], vec![I, 2, 3, I]],
        [vec![6, 7, 4, 9], vec![I, 8, 5, 10]],
        [vec![15, 16, 17, 18], vec![I, I, I, 19]],
    ];
    let packed = batch(&rows);
    assert_eq!(sorted(&packed), expected);
    assert_eq!(rows.padding(), 0.0);
    let row = packed.split(1).find(|row| row.inputs[0] == 6).unwrap().packing.unwrap();
    assert_eq!((row.documents, row.positions), (vec![0, 0, 1, 2], vec![0, 1, 0, 0]));
    let evaluated: Vec<_> = Batches::new(rows).evaluation(3, 9).unwrap().iter().flat_map(sorted).collect();
    assert_eq!(evaluated, expected);
}

#[test]
fn a_mask_of_all_is_none() {
    let plain = Tokens::with_documents((0..9).collect(), vec![4, 9]).unwrap();
    let masked = stream(&[4, 9], &(0..9).collect::<Vec<_>>());
    assert_eq!(plain, masked);
    assert_eq!((plain.content_hash(), masked.is_masked()), (masked.content_hash(), false));
    let rows = |tokens: &Tokens| batch(&Rows::packed(Arc::new(tokens.clone()), 3, 7).unwrap());
    assert_eq!(rows(&plain), rows(&masked));
}

#[test]
fn another_mask_is_another_content() {
    let hashes = [&[][..], &[1], &[2], &[1, 2]].map(|trained| stream(&[4], trained).content_hash());
    for (index, hash) in hashes.iter().enumerate() {
        assert!(!hashes[..index].contains(hash), "{index}");
    }
    let documents = stream(&[2, 4], &[1, 3]);
    assert_ne!(documents.content_hash(), documents.clone().into_pairs().unwrap().content_hash());
}

#[test]
fn a_split_cuts_the_mask_too() {
    let (train, validation) = stream(&[10], &[1, 4, 5, 8]).split(0.5).unwrap();
    let mask = |tokens: &Tokens| {
        let mut mask = vec![false; tokens.len()];
        tokens.trained(0, &mut mask).unwrap();
        mask
    };
    assert_eq!(mask(&train), [false, true, false, false, true]);
    assert_eq!(mask(&validation), [true, false, false, true, false]);
}

#[test]
fn a_pair_is_two_rows_one_after_the_other() {
    // Pairs: (0..3, 3..9), (9..10, 10..12) of which one has no target, (12..15, 15..17).
    let tokens = stream(&[3, 9, 10, 12, 15, 17], &[2, 5, 8, 11, 13, 14, 16]).into_pairs().unwrap();
    let rows = Rows::pairs(Arc::new(tokens), 4, 3).unwrap();
    assert_eq!((rows.per_epoch(), rows.rows_per_sample(), rows.untrained()), (2, 2, 1));
    let batches = Batches::new(rows.clone());
    let both = batches.batch(0..2).unwrap();
    assert_eq!((both.rows, both.time, batches.rows_per_sample()), (4, 4, 2));
    let first = Batch {
        inputs: vec![0, 1, 0, 0, 3, 4, 5, 6],
        targets: vec![I, 2, I, I, I, 5, I, I],
        rows: 2,
        time: 4,
        packing: Some(hearth_data::Packed {
            documents: vec![0, 0, 1, 1, 0, 0, 0, 0],
            positions: vec![0, 1, 0, 1, 0, 1, 2, 3],
        }),
    };
    let pairs: Vec<_> = both.split(2).collect();
    assert_eq!(pairs.iter().find(|pair| pair.inputs[4] == 3), Some(&first));
    let last = pairs.iter().find(|pair| pair.inputs[4] == 15).unwrap();
    assert_eq!((&last.inputs, &last.targets), (&vec![12, 13, 0, 0, 15, 0, 0, 0], &vec![13, 14, I, I, 16, I, I, I]));
    assert_eq!(last.packing.as_ref().unwrap().documents, [0, 0, 1, 1, 0, 1, 1, 1]);
    assert_eq!(rows.padding(), 1.0 - 9.0 / 16.0);

    // Any cut of the samples gives the same rows, and an evaluation all of them in order.
    assert_eq!([batches.batch(0..1).unwrap(), batches.batch(1..2).unwrap()], pairs[..]);
    let evaluation = batches.evaluation(1, 9).unwrap();
    assert_eq!(evaluation, [first, last.clone()]);
    let whole = batches.evaluation(3, 9).unwrap();
    assert_eq!((whole.len(), whole[0].rows, whole[0].split(2).collect::<Vec<_>>()), (1, 4, evaluation));
    let mixed = Batches::mixed(vec![(1.0, rows.clone()), (1.0, rows)]).unwrap();
    assert_eq!(mixed.batch(0..4).unwrap().rows, 8);
}

#[test]
fn each_mistake_has_its_sentence() {
    let documents = || stream(&[3, 6], &[2, 5]);
    let pairs = || Arc::new(documents().into_pairs().unwrap());
    let error = |result: Result<Rows, DataError>| result.unwrap_err().to_string();
    assert!(error(Rows::windows(pairs(), 2, 0, 0)).contains("the tokens are pairs of preferences"));
    assert!(error(Rows::packed(pairs(), 2, 0)).contains("the tokens are pairs of preferences"));
    assert!(error(Rows::pairs(Arc::new(documents()), 2, 0)).contains("no pairs of preferences"));
    assert!(matches!(Rows::pairs(pairs(), 0, 0), Err(DataError::ZeroContext)));
    let nothing = Arc::new(stream(&[3, 6], &[0, 3]));
    assert!(error(Rows::packed(nothing, 2, 0)).contains("none of the 2 documents has a token that is trained"));
    let nothing = Arc::new(stream(&[3, 6], &[0, 5]).into_pairs().unwrap());
    assert!(matches!(Rows::pairs(nothing, 2, 0), Err(DataError::NothingTrained { documents: 2 })));
    assert!(matches!(stream(&[3], &[]).into_pairs(), Err(DataError::OddPairs { documents: 1 })));
    let short = Tokens::new(vec![1, 2]).unwrap().with_trained(vec![true]);
    assert!(matches!(short, Err(DataError::MaskLength { tokens: 2, mask: 1 })));
    let rows = Rows::windows(Arc::new(documents()), 2, 0, 0).unwrap();
    let mixed = Batches::mixed(vec![(1.0, rows), (1.0, Rows::pairs(pairs(), 2, 0).unwrap())]);
    assert!(matches!(mixed, Err(DataError::MixedPairs)));
}
