use std::path::{Path, PathBuf};

use hearth_data::{Corpus, DataError, FaultKind, OnFault, ReadOptions};

use super::files::{Folder, read, skipping, texts};

/// Names below `folder` of what is read and of what is left out.
fn names(folder: &Folder) -> (Vec<String>, Vec<String>) {
    let corpus = Corpus::open(&[folder.path()], ReadOptions::default()).unwrap();
    let below = |paths: &[PathBuf]| {
        let name = |path: &PathBuf| path.strip_prefix(folder.path()).unwrap().display().to_string();
        paths.iter().map(name).collect()
    };
    (below(corpus.files()), below(corpus.left_out()))
}

#[test]
fn what_is_about_the_data_is_left_out_beside_data() {
    let folder = Folder::new();
    for name in
        ["README.md", "LICENSE", "docs/card.md", "Citation.cff", "notes.txt", "sub/dataset_infos.json", "state.json"]
    {
        folder.write(name, b"{}");
    }
    let beside_text = ["Citation.cff", "LICENSE", "README.md", "docs/card.md", "notes.txt"].map(String::from).to_vec();
    assert_eq!(names(&folder), (beside_text, ["state.json", "sub/dataset_infos.json"].map(String::from).to_vec()));

    for data in ["data/a.jsonl.gz", "data/b.csv", "c.parquet", "d.json"] {
        let path = folder.write(data, b"");
        let (read, left_out) = names(&folder);
        let mut expected = vec![data, "notes.txt"];
        expected.sort_unstable();
        assert_eq!(read, expected);
        let about = ["Citation.cff", "LICENSE", "README.md", "docs/card.md", "state.json", "sub/dataset_infos.json"];
        assert_eq!(left_out, about);
        std::fs::remove_file(path).unwrap();
    }
    // What is named itself is read.
    let named = [folder.path().join("README.md"), folder.write("a.jsonl", b"")];
    let corpus = Corpus::open(&named, ReadOptions::default()).unwrap();
    assert!(corpus.files() == named && corpus.left_out().is_empty());
}

#[test]
fn a_folder_that_was_prepared_is_no_text() {
    let folder = Folder::new();
    folder.write("a.txt", b"words");
    for name in ["prepare.json", "tokenizer.json", "train-00000.shard"] {
        folder.write(&format!("out/{name}"), b"{}");
    }
    folder.write("begun/prepare.json.part", b"{");
    assert_eq!(names(&folder), (vec!["a.txt".into()], vec!["begun".into(), "out".into()]));
    let error = Corpus::open(&[folder.path().join("out")], ReadOptions::default()).unwrap_err();
    assert!(matches!(&error, DataError::PreparedInput { path } if path.ends_with("out")), "{error}");
}

#[cfg(unix)]
#[test]
fn links_that_lead_nowhere_are_faults() {
    let folder = Folder::new();
    folder.write("b.txt", b"words");
    let link = |name: &str, target: &str| std::os::unix::fs::symlink(target, folder.path().join(name)).unwrap();
    link("a.jsonl", "../blobs/gone");
    link("c.parquet", "gone");
    link("d.txt", "b.txt");
    link(".hidden", "gone");
    for path in [folder.path(), folder.path().join("a.jsonl")] {
        let error = Corpus::open(&[path], ReadOptions::default()).unwrap_err();
        assert!(
            error.to_string().contains("a.jsonl: this is a link to ../blobs/gone, where there is no file"),
            "{error}"
        );
        assert!(matches!(error, DataError::Faulty(fault) if fault.kind == FaultKind::Unreadable));
    }
    let (pieces, faults) = read(&[folder.path()], skipping()).unwrap();
    assert_eq!((texts(&pieces), faults.total()), (vec!["words", "words"], 2));
    assert!(faults.first()[1].to_string().contains("c.parquet: this is a link to gone"));
}

#[test]
fn standard_input_has_the_path_of_a_hyphen() {
    let options = ReadOptions { faults: OnFault::Skip, ..ReadOptions::default() };
    let corpus = Corpus::open(&[PathBuf::from("-")], options).unwrap();
    assert_eq!((corpus.files(), corpus.bytes()), (&[PathBuf::from("-")][..], 0));
    assert!(corpus.reads_standard_input());
    let folder = Folder::new();
    let of_that_name = folder.write("-", b"words");
    assert!(!Corpus::open(&[of_that_name], ReadOptions::default()).unwrap().reads_standard_input());
    assert_ne!(Path::new("./-").as_os_str(), "-");
}
