use std::fs;

use base64::prelude::{BASE64_STANDARD, Engine};
use hearth_data::{Corpus, ReadOptions};
use serde::Deserialize;

#[derive(Deserialize)]
struct Goldens {
    version: u32,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    base64: String,
    documents: Option<Vec<String>>,
    /// Part of the sentence.
    refused: Option<String>,
}

#[test]
fn files_have_the_documents_that_python_reads() {
    let goldens: Goldens = serde_json::from_str(include_str!("files.json")).unwrap();
    assert_eq!((goldens.version, goldens.cases.len()), (1, 42));
    let folder = tempfile::tempdir().unwrap();
    for Case { name, base64, documents, refused } in goldens.cases {
        let path = folder.path().join(&name);
        fs::write(&path, BASE64_STANDARD.decode(base64).unwrap()).unwrap();
        let corpus = Corpus::open(&[path], ReadOptions::default()).unwrap();
        let read = corpus.documents().map(|piece| piece.map(|piece| piece.text)).collect::<Result<Vec<_>, _>>();
        match (read, documents, refused) {
            (Ok(read), Some(documents), _) => assert_eq!(read, documents, "{name}"),
            (Err(error), None, Some(part)) => {
                let error = error.to_string();
                assert!(error.contains(&part) && error.contains(&name), "{error}");
            }
            (read, documents, _) => panic!("{name}: {read:?}, not {documents:?}"),
        }
    }
}
