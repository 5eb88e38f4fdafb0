//! The dataset for Burn's data loaders: rows of the stream, in its order.

use std::sync::Arc;

use burn_dataset::Dataset;
use hearth_data::{Rows, TokenDataset, Tokens};

#[test]
fn items_are_the_windows_of_the_stream_in_order() {
    let tokens = Arc::new(Tokens::new((0..30).collect()).unwrap());
    for stride in [0, 1] {
        let dataset = TokenDataset::new(Rows::windows(tokens.clone(), 7, stride, 3).unwrap());
        assert_eq!(dataset.len(), 4); // 29 targets
        for (index, item) in dataset.iter().enumerate() {
            let (item, first) = (item.unwrap(), 7 * index as i32);
            assert_eq!(item.inputs, (first..first + 7).collect::<Vec<_>>());
            assert_eq!(item.targets, (first + 1..first + 8).collect::<Vec<_>>());
            assert_eq!((item.rows, item.time, item.packing), (1, 7, None));
        }
    }
}

#[test]
fn items_are_packed_where_the_rows_are() {
    let tokens = Tokens::with_documents((0..9).collect(), vec![3, 9]).unwrap();
    let dataset = TokenDataset::new(Rows::packed(Arc::new(tokens), 8, 3).unwrap());
    let items: Vec<_> = dataset.iter().map(Result::unwrap).collect();
    assert_eq!(items.len(), 1);
    assert_eq!(items[0].inputs, [3, 4, 5, 6, 7, 0, 1, 0]);
    assert_eq!(items[0].packing.as_ref().unwrap().documents, [0, 0, 0, 0, 0, 1, 1, 2]);
}

#[test]
#[should_panic(expected = "row 4 of 4")]
fn an_index_outside_panics_as_the_trait_says() {
    let tokens = Tokens::new((0..30).collect()).unwrap();
    let _ = TokenDataset::new(Rows::windows(Arc::new(tokens), 7, 0, 3).unwrap()).get(4);
}
