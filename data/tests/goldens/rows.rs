//! Rows of Parquet files that pyarrow wrote (`rows.py`): in pages of either version, and across pages.

use std::path::Path;

use hearth_data::{Corpus, ReadOptions};
use serde_json::Value;

#[test]
fn rows_of_pyarrow_are_what_python_wrote() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/goldens"));
    let expected: Vec<Value> = serde_json::from_str(include_str!("rows.json")).unwrap();
    for name in ["rows.parquet", "rows_pages.parquet"] {
        let corpus = Corpus::open(&[folder.join(name)], ReadOptions::default()).unwrap();
        let rows: Vec<Value> = corpus.rows().map(|row| serde_json::from_str(&row.unwrap().text).unwrap()).collect();
        assert_eq!(rows.len(), 15, "{name}");
        for (index, row) in rows.iter().enumerate() {
            assert_eq!(row, &expected[index % 5], "{name}, row {index}");
        }
    }
}
