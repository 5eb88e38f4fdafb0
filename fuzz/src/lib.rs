//! What the fuzz targets of files have in common.

use std::path::PathBuf;
use std::{env, fs, process};

use hearth_data::{Corpus, OnFault, ReadOptions, TokenFiles};

/// Writes `content` to the file of this name in a folder of this process alone, in memory where there is such a place.
pub fn file(name: &str, content: &[u8]) -> PathBuf {
    let memory = PathBuf::from("/dev/shm");
    let parent = if memory.is_dir() { memory } else { env::temp_dir() };
    let folder = parent.join(format!("hearth-fuzz-{}", process::id()));
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join(name);
    fs::write(&path, content).unwrap();
    path
}

/// Reads all documents of the file at `path`, up to the first fault and past all of them.
pub fn read_documents(path: PathBuf, separator: Option<&str>) {
    for faults in [OnFault::Fail, OnFault::Skip] {
        let options = ReadOptions { faults, separator: separator.map(str::to_owned), ..ReadOptions::default() };
        let Ok(corpus) = Corpus::open(std::slice::from_ref(&path), options) else { return };
        let mut documents = corpus.documents();
        for piece in documents.by_ref().map_while(Result::ok) {
            assert!(!piece.text.is_empty());
        }
        assert!(corpus.rows().map_while(Result::ok).all(|row| !row.text.is_empty() && row.origin.is_some()));
        let _ = documents.faults().first().iter().map(ToString::to_string).collect::<Vec<_>>();
    }
}

/// Opens the file of tokens at `path` and reads all of it.
pub fn read_tokens(path: PathBuf) {
    let Ok(files) = TokenFiles::open(&[path.clone(), path], None) else { return };
    let verified = files.verify().is_ok();
    let mut ids = vec![0; files.len() as usize];
    let copied = files.copy(0, &mut ids).is_ok();
    assert!(!copied || ids.iter().all(|&id| (id as usize) < files.vocab_size()));
    assert!(!verified || copied);
    assert!(files.copy(files.len(), &mut [0]).is_err() && files.document(files.documents()).is_err());
    let mut expected = 0;
    for document in 0..files.documents() {
        let Ok(place) = files.document(document) else { continue };
        assert!(place.start < place.end && place.end <= files.len(), "{document}: {place:?}");
        assert!(!verified || place.start == expected, "{document}: {place:?}");
        expected = place.end;
        let _ = files.copy(place.start, &mut [0]);
    }
    assert!(!verified || expected == files.len());
    assert!(files.trained(0, &mut vec![false; ids.len()]).is_ok() && files.trained(files.len(), &mut [false]).is_err());
    let _ = files.document_end(files.len() / 2);
    let _ = files.for_vocabulary(7).verify();
}
