//! Preparing a small corpus: what comes out, after stops and faults too.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde::Serialize;
use tempfile::TempDir;

use super::manifest::PreparedManifest;
use super::*;
use crate::order::splitmix::splitmix64;
use crate::{DataError, OnFault, Piece, ReadOptions, TokenFiles, TokenizerError};

const HASH: [u8; 32] = [5; 32];
const END: u32 = 999;

/// The ids of a text are the numbers in it.
#[derive(Serialize)]
struct Numbers {
    hash: [u8; 32],
    #[serde(skip)]
    encoded: AtomicUsize,
}

fn numbers() -> Numbers {
    Numbers { hash: HASH, encoded: AtomicUsize::new(0) }
}

impl Encode for Numbers {
    fn encode(&self, text: &str) -> Result<Vec<u32>, DataError> {
        self.encoded.fetch_add(1, Ordering::Relaxed);
        let unknown = TokenizerError::UnknownCharacter { character: '?', char_position: 0, byte_position: 0 }.into();
        text.split_whitespace().map(|word| word.parse().ok()).collect::<Option<_>>().ok_or(unknown)
    }

    fn vocab_size(&self) -> usize {
        1000
    }

    fn end_of_text(&self) -> Option<u32> {
        Some(END)
    }

    fn hash(&self) -> [u8; 32] {
        self.hash
    }
}

/// Documents of one to three pieces of up to 24 numbers, and a long one; every piece is padded to a third of a batch. In
/// some documents each piece has a key of its own.
fn corpus() -> Vec<Piece> {
    let mut pieces = Vec::new();
    for document in 0..100 {
        let key = splitmix64(1, document);
        for part in 0..=key % 3 {
            let count = if document == 50 { 130 } else { splitmix64(key, part) % 25 };
            let numbers: String = (0..count).map(|index| format!("{} ", splitmix64(key, index) % 998)).collect();
            let text = format!("{numbers:50000}");
            let bytes_read = pieces.len() as u64;
            let ends_document = part == key % 3;
            let key = if document % 4 == 0 { splitmix64(key, part) } else { key };
            pieces.push(Piece { text, ends_document, key, bytes_read, origin: None });
        }
    }
    pieces
}

/// Tokens and documents of a part of the corpus.
fn expected(split: Split, settings: &PrepareSettings) -> (Vec<i32>, Vec<Range<u64>>) {
    let (mut tokens, mut documents) = (Vec::new(), Vec::new());
    let (mut start, mut begun) = (0, false);
    for piece in corpus() {
        if Split::of(piece.key, settings.validation_fraction) == split {
            tokens.extend(numbers().encode(&piece.text).unwrap().iter().map(|&id| id as i32));
            begun = true;
        }
        if piece.ends_document && begun {
            tokens.push(END as i32);
            documents.push(start..tokens.len() as u64);
            (start, begun) = (tokens.len() as u64, false);
        }
    }
    (tokens, documents)
}

const SETTINGS: PrepareSettings = PrepareSettings { validation_fraction: 0.3, shard_tokens: 50, threads: 4 };

/// Runs over `pieces`; one that is `None` sets the stop flag.
fn run(
    folder: &Path,
    settings: PrepareSettings,
    tokenizer: &Numbers,
    pieces: impl IntoIterator<Item = Option<Result<Piece, DataError>>>,
) -> Result<PrepareSummary, DataError> {
    let stop = AtomicBool::new(false);
    let mut pieces = pieces.into_iter().filter_map(|piece| {
        stop.fetch_or(piece.is_none(), Ordering::Relaxed);
        piece
    });
    let reading = &ReadOptions::default();
    let preparation = Preparation { tokenizer, vocab_size: None, files: &[], reading, folder, settings };
    let mut last = PrepareProgress { bytes_read: 0, documents: 0, tokens: 0 };
    preparation.run(&mut pieces, &stop, |progress| {
        assert!(progress.tokens >= last.tokens && progress.bytes_read >= last.bytes_read);
        last = progress;
    })
}

fn run_all(folder: &Path, settings: PrepareSettings) -> Result<PrepareSummary, DataError> {
    run(folder, settings, &numbers(), corpus().into_iter().map(Ok).map(Some))
}

/// Names and contents of the files in a folder, without the lock.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths
        .filter(|path| !path.ends_with(".lock"))
        .map(|path| (path.file_name().unwrap().into(), fs::read(&path).unwrap()))
        .collect()
}

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn shards_hold_the_corpus_whatever_the_number_of_threads() {
    let (one, four) = (folder(), folder());
    let summary = run_all(one.path(), PrepareSettings { threads: 1, ..SETTINGS }).unwrap();
    assert_eq!(summary.outcome, Outcome::Finished);
    run_all(four.path(), SETTINGS).unwrap();
    assert!(contents(one.path()) == contents(four.path()));
    assert_eq!(fs::read(one.path().join("tokenizer.json")).unwrap(), serde_json::to_vec(&numbers()).unwrap());

    for (split, counts) in [(Split::Train, summary.train), (Split::Validation, summary.validation)] {
        let (tokens, documents) = expected(split, &SETTINGS);
        let files = TokenFiles::open_prepared(one.path(), split, Some(HASH)).unwrap();
        files.verify().unwrap();
        let mut found = vec![0; files.len() as usize];
        files.copy(0, &mut found).unwrap();
        assert_eq!(found, tokens);
        let found: Vec<_> = (0..files.documents()).map(|document| files.document(document).unwrap()).collect();
        assert_eq!(found, documents);

        let shards = tokens.len().div_ceil(50);
        assert!(shards > 4, "{shards} shards are no test of shards");
        let (tokens, documents) = (tokens.len() as u64, documents.len() as u64);
        let expected = Counts { shards: shards as u64, tokens, documents, ..Counts::default() };
        assert_eq!(counts, expected);
        let full = TokenFiles::open(&[split.shard_path(one.path(), shards as u64 - 2)], None).unwrap();
        assert_eq!(full.len(), 50);
    }
}

#[test]
fn goes_on_after_a_stop_or_a_fault_to_the_same_bytes() {
    let reference = folder();
    run_all(reference.path(), SETTINGS).unwrap();
    let reference = contents(reference.path());
    let all = corpus().len();

    for stops in [vec![0], vec![1], vec![7, 8, 9], vec![60, 100, 101, 150], vec![all - 1], vec![all]] {
        let folder = folder();
        for &stop in &stops {
            // Once asked to stop, once ended by a fault, as by a kill without what a kill leaves behind.
            let mut pieces: Vec<_> = corpus().into_iter().map(Ok).map(Some).collect();
            pieces.insert(stop, None);
            let summary = run(folder.path(), SETTINGS, &numbers(), pieces).unwrap();
            assert_eq!(summary.outcome, Outcome::Stopped);
            let pieces = corpus().into_iter().take(stop).map(Ok).chain([Err(DataError::ZeroContext)]).map(Some);
            assert!(matches!(run(folder.path(), SETTINGS, &numbers(), pieces), Err(DataError::ZeroContext)));
            assert!(contents(folder.path()).keys().all(|name| name.extension().unwrap() != "part"));

            // What a kill leaves: half a shard, and one whose name came before its count.
            let next = PreparedManifest::read(folder.path()).unwrap().train.counts.shards;
            let next = Split::Train.shard_path(folder.path(), next);
            fs::write(next.with_extension("shard.part"), "half").unwrap();
            fs::write(next, "uncounted").unwrap();
            let unfinished = TokenFiles::open_prepared(folder.path(), Split::Train, None);
            assert!(matches!(unfinished, Err(DataError::Unfinished { .. })));
        }
        let tokenizer = numbers();
        run(folder.path(), SETTINGS, &tokenizer, corpus().into_iter().map(Ok).map(Some)).unwrap();
        assert!(contents(folder.path()) == reference, "stopped at {stops:?}");
        let encoded = tokenizer.encoded.into_inner();
        assert!(stops[0] < 60 || encoded < all / 2, "{encoded} of {all} pieces were encoded again");
    }
}

#[test]
fn a_finished_folder_is_left_as_it_is() {
    let folder = folder();
    let first = run_all(folder.path(), SETTINGS).unwrap();
    let before = contents(folder.path());
    let nothing_drawn = std::iter::from_fn(|| panic!("a piece was drawn"));
    let again = run(folder.path(), SETTINGS, &numbers(), nothing_drawn).unwrap();
    assert_eq!(again, PrepareSummary { outcome: Outcome::AlreadyFinished, ..first });
    assert!(contents(folder.path()) == before);

    let manifest = String::from_utf8(before[Path::new("prepare.json")].clone()).unwrap();
    for (from, to) in [("\"tokens\": ", "\"tokens\": 1"), ("\"documents\": ", "\"documents\": 1844674407370955")] {
        fs::write(folder.path().join("prepare.json"), manifest.replace(from, to)).unwrap();
        assert!(matches!(run_all(folder.path(), SETTINGS), Err(DataError::CountedOtherwise { .. })));
    }
    fs::write(folder.path().join("prepare.json"), manifest.replace("\"shards\": ", "\"shards\": 99999999999")).unwrap();
    assert!(matches!(run_all(folder.path(), SETTINGS), Err(DataError::Missing { .. })));

    fs::write(folder.path().join("prepare.json"), manifest).unwrap();
    fs::remove_file(folder.path().join("train-00001.shard")).unwrap();
    let error = run_all(folder.path(), SETTINGS).unwrap_err().to_string();
    assert!(error.contains("train-00001.shard"), "{error}");
}

#[test]
fn other_settings_than_the_folders_are_refused_by_name() {
    let folder = folder();
    let file = folder.path().join("corpus.txt");
    fs::write(&file, "text").unwrap();
    let shards = folder.path().join("shards");
    let run_learned = |files: &[PathBuf], reading: &ReadOptions, hash, settings, vocab_size| {
        let tokenizer = &Numbers { hash, ..numbers() };
        let preparation = Preparation { tokenizer, vocab_size, files, reading, folder: &shards, settings };
        preparation.run(&mut corpus().into_iter().map(Ok), &AtomicBool::new(false), |_| {})
    };
    let lines = &ReadOptions::default();
    let run = |files: &[PathBuf], reading: &ReadOptions, hash: [u8; 32], settings: PrepareSettings| {
        run_learned(files, reading, hash, settings, Some(300))
    };
    let files = [file.clone()];
    run(&files, lines, HASH, SETTINGS).unwrap();

    let fraction = PrepareSettings { validation_fraction: 0.1, ..SETTINGS };
    let longer = PrepareSettings { shard_tokens: 51, ..SETTINGS };
    let of_field = &ReadOptions { field: "content".into(), ..lines.clone() };
    let separated = &ReadOptions { separator: Some("###".into()), ..lines.clone() };
    let skipping = &ReadOptions { faults: OnFault::Skip, ..lines.clone() };
    for (field, result) in [
        ("`validation_fraction` = 0.3, now it is 0.1", run(&files, lines, HASH, fraction)),
        ("`shard_tokens` = 50, now it is 51", run(&files, lines, HASH, longer)),
        ("`field` = text, now it is content", run(&files, of_field, HASH, SETTINGS)),
        ("`separator` = none, now it is ###", run(&files, separated, HASH, SETTINGS)),
        ("`faults` = fail, now it is skip", run(&files, skipping, HASH, SETTINGS)),
        ("`tokenizer` = 0505", run(&files, lines, [6; 32], SETTINGS)),
        ("`files` = 1 files of 4 bytes", run(&[], lines, HASH, SETTINGS)),
        ("`vocab_size` = 300, now it is 310", run_learned(&files, lines, HASH, SETTINGS, Some(310))),
        ("`vocab_size` = 300, now it is not given", run_learned(&files, lines, HASH, SETTINGS, None)),
    ] {
        let error = result.unwrap_err().to_string();
        assert!(error.contains(field) && error.contains("prepare.json"), "{error}");
    }
    fs::write(&file, "more text").unwrap();
    assert!(matches!(run(&files, lines, HASH, SETTINGS), Err(DataError::PreparedOtherwise { .. })));
    fs::write(&file, "text").unwrap();
    let threads = PrepareSettings { threads: 1, ..SETTINGS };
    assert_eq!(run(&files, lines, HASH, threads).unwrap().outcome, Outcome::AlreadyFinished);

    fs::write(shards.join("prepare.json"), r#"{"finished": 3}"#).unwrap();
    assert!(matches!(run(&files, lines, HASH, SETTINGS), Err(DataError::Manifest { .. })));
    fs::remove_file(shards.join("prepare.json")).unwrap();
    assert!(matches!(run(&files, lines, HASH, SETTINGS), Err(DataError::FolderInUse { .. })));
    assert!(matches!(run(&[shards.join("no")], lines, HASH, SETTINGS), Err(DataError::Missing { .. })));
}

#[test]
fn a_folder_is_prepared_by_one_at_a_time() {
    let folder = folder();
    let lock = crate::prepared_folder::lock(folder.path()).unwrap();
    let error = run_all(folder.path(), SETTINGS).unwrap_err();
    assert!(matches!(error, DataError::FolderBusy { .. }), "{error}");
    assert!(error.to_string().contains("another process prepares"), "{error}");
    assert!(contents(folder.path()).is_empty());
    drop(lock);
    assert_eq!(run_all(folder.path(), SETTINGS).unwrap().outcome, Outcome::Finished);
    assert_eq!(run_all(folder.path(), SETTINGS).unwrap().outcome, Outcome::AlreadyFinished);
}

#[test]
fn what_comes_from_standard_input_is_not_gone_on_with() {
    let folder = folder();
    let (tokenizer, reading) = (&numbers(), &ReadOptions::default());
    let files = &[PathBuf::from("-")];
    let run = |stop: usize| {
        let folder = folder.path();
        let preparation = Preparation { tokenizer, vocab_size: None, files, reading, folder, settings: SETTINGS };
        let stopped = AtomicBool::new(false);
        let mut pieces = corpus().into_iter().enumerate().map(|(number, piece)| {
            stopped.fetch_or(number == stop, Ordering::Relaxed);
            Ok(piece)
        });
        preparation.run(&mut pieces, &stopped, |_| {})
    };
    // Nothing was finished: begun anew.
    assert_eq!(run(0).unwrap().outcome, Outcome::Stopped);
    assert_eq!(run(60).unwrap().outcome, Outcome::Stopped);
    let error = run(usize::MAX).unwrap_err();
    assert!(matches!(error, DataError::NotRepeatable { .. }), "{error}");
    assert!(error.to_string().contains("standard input cannot be gone on with: delete the folder"), "{error}");
}

/// A Ctrl-C ends what the text is piped from, too: its end is not that of the text.
#[test]
fn a_stop_as_the_pieces_end_is_no_end() {
    // Nothing, and a batch of three pieces: no further one is drawn that could see the stop.
    for pieces in [0, 3] {
        let folder = folder();
        let pieces = corpus().into_iter().take(pieces).map(Ok).map(Some).chain([None]);
        assert_eq!(run(folder.path(), SETTINGS, &numbers(), pieces).unwrap().outcome, Outcome::Stopped);
        assert!(!PreparedManifest::read(folder.path()).unwrap().finished);
    }
}

#[test]
fn a_tokenizer_is_kept_when_shards_depend_on_it() {
    let folder = folder();
    assert!(tokenizer_of_shards(folder.path()).unwrap().is_none());
    let preparation = |settings| {
        let (tokenizer, reading) = (&crate::Tokenizer::byte(), &ReadOptions::default());
        let preparation =
            Preparation { tokenizer, vocab_size: None, files: &[], reading, folder: folder.path(), settings };
        let mut pieces = corpus().into_iter().take(1).map(Ok);
        preparation.run(&mut pieces, &AtomicBool::new(settings == SETTINGS), |_| {}).unwrap().outcome
    };
    assert_eq!(preparation(SETTINGS), Outcome::Stopped);
    assert!(folder.path().join("tokenizer.json").exists());
    assert!(tokenizer_of_shards(folder.path()).unwrap().is_none());
    assert_eq!(preparation(PrepareSettings { shard_tokens: 100_000, ..SETTINGS }), Outcome::Finished);
    let kept = tokenizer_of_shards(folder.path()).unwrap().unwrap();
    assert_eq!(kept.hash(), crate::Tokenizer::byte().hash());
}

#[test]
fn faults_are_errors_and_a_corpus_of_nothing_too() {
    let folder = folder();
    let piece =
        |text: &str| Some(Ok(Piece { text: text.into(), ends_document: true, key: 0, bytes_read: 0, origin: None }));
    let run = |settings, pieces: Vec<_>| run(folder.path(), settings, &numbers(), pieces);

    assert!(matches!(run(SETTINGS, vec![]), Err(DataError::NoDocuments { files: 0 })));
    assert!(matches!(
        run(SETTINGS, vec![piece("1"), piece("a")]),
        Err(DataError::Tokenizer(TokenizerError::UnknownCharacter { .. }))
    ));
    assert!(matches!(run(SETTINGS, vec![piece("1000")]), Err(DataError::IdOutsideVocabulary { id: 1000, .. })));
    let no_tokens = PrepareSettings { shard_tokens: 0, ..SETTINGS };
    assert!(matches!(run(no_tokens, vec![]), Err(DataError::ZeroShardTokens)));
    for validation_fraction in [1.0, -0.1, f64::NAN] {
        let settings = PrepareSettings { validation_fraction, ..SETTINGS };
        assert!(matches!(run(settings, vec![]), Err(DataError::ValidationFraction { .. })));
    }
    // Nothing was finished, so other settings may begin anew; a shard that a killed run did not count goes.
    let uncounted = Split::Validation.shard_path(folder.path(), 0);
    fs::write(&uncounted, "uncounted").unwrap();
    let no_validation = PrepareSettings { validation_fraction: 0.0, ..SETTINGS };
    assert_eq!(
        run(no_validation, vec![piece("1 2")]).unwrap().train,
        Counts { shards: 1, tokens: 3, documents: 1, ..Counts::default() }
    );
    assert!(!uncounted.exists());
    let error = TokenFiles::open_prepared(folder.path(), Split::Validation, None).unwrap_err().to_string();
    assert!(error.contains("no validation shards"), "{error}");
}

#[test]
fn a_document_stays_in_its_part_and_the_parts_are_as_large_as_asked() {
    let validation = |fraction| (0..100_000).filter(move |&key| Split::of(key, fraction) == Split::Validation);
    assert_eq!(validation(0.0).count(), 0);
    assert!((900..1100).contains(&validation(0.01).count()));
    let larger: std::collections::BTreeSet<u64> = validation(0.02).collect();
    assert!(validation(0.01).all(|key| larger.contains(&key)));
}

/// A file system of 256 KiB, for as long as this is held.
struct SmallDisk(TempDir);

impl SmallDisk {
    /// `None` where that is not allowed.
    fn mount() -> Option<Self> {
        let disk = Self(folder());
        disk.mount_with("size=256k").then_some(disk)
    }

    fn mount_with(&self, options: &str) -> bool {
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(self.0.path());
        mount.output().is_ok_and(|output| output.status.success())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).output();
    }
}

#[test]
fn a_full_disk_is_an_error_and_leaves_only_whole_shards() {
    let Some(disk) = SmallDisk::mount() else {
        eprintln!("SKIPPED: a full disk, for mounting a small one is not allowed here");
        return;
    };
    let reference = folder();
    let settings = PrepareSettings { shard_tokens: 30_000, ..SETTINGS };
    let text = "7 ".repeat(10_000);
    let pieces = || {
        let piece = |key| Piece { text: text.clone(), ends_document: true, key, bytes_read: key, origin: None };
        (0..30).map(piece).map(Ok).map(Some)
    };
    run(reference.path(), settings, &numbers(), pieces()).unwrap();

    let error = run(disk.0.path(), settings, &numbers(), pieces()).unwrap_err();
    assert!(matches!(error, DataError::Unwritable { .. }), "{error}");
    assert!(error.to_string().contains("space left on the disk"), "{error}");
    let names: Vec<_> = contents(disk.0.path()).into_keys().collect();
    let shards: Vec<_> = names.iter().filter(|name| name.extension().unwrap() == "shard").collect();
    assert!(!shards.is_empty() && names.len() == shards.len() + 2, "{names:?}");
    let paths: Vec<_> = shards.into_iter().map(|name| disk.0.path().join(name)).collect();
    TokenFiles::open(&paths, Some(HASH)).unwrap().verify().unwrap();

    assert!(disk.mount_with("remount,size=16m"));
    run(disk.0.path(), settings, &numbers(), pieces()).unwrap();
    assert!(contents(disk.0.path()) == contents(reference.path()));
}
