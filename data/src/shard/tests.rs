//! Round trips, and every way in which a file can be wrong.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use proptest::prelude::*;
use tempfile::TempDir;

use super::header::{HEADER_BYTES, ShardHeader};
use super::{ShardOrigin, ShardWriter, TokenFiles};
use crate::{DataError, TokenStream};

const HASH: [u8; 32] = [7; 32];

/// A shard at `path` of documents that each end, but for the last where `open_end`.
fn write_shard(path: &Path, vocab_size: u64, documents: &[&[u32]], open_end: bool) {
    let mut shard = ShardWriter::create(path, ShardOrigin { tokenizer_hash: HASH, vocab_size }).unwrap();
    for (index, document) in documents.iter().enumerate() {
        shard.append(document, None).unwrap();
        if !open_end || index + 1 < documents.len() {
            shard.end_document();
        }
    }
    shard.finish().unwrap();
}

fn good_shard() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("good.shard");
    write_shard(&path, 300, &[&[1, 299, 3], &[4], &[5, 6]], false);
    (folder, path)
}

/// As [`good_shard`], with every other token trained.
fn masked_shard() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("masked.shard");
    let mut shard = ShardWriter::create(&path, ShardOrigin { tokenizer_hash: HASH, vocab_size: 300 }).unwrap();
    for (ids, trained) in [
        (&[1u32, 299, 3][..], None),
        (&[4], Some(&[false][..])),
        (&[5, 6, 7, 8, 9, 10, 11], Some(&[true, false, true, true, false, false, true])),
    ] {
        shard.append(ids, trained).unwrap();
        shard.end_document();
    }
    assert_eq!(shard.untrained(), 4);
    shard.finish().unwrap();
    (folder, path)
}

const MASK: [bool; 11] = [true, true, true, false, true, false, true, true, false, false, true];

static MASKED: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let (_folder, path) = masked_shard();
    fs::read(path).unwrap()
});

fn mask_of(files: &TokenFiles) -> Vec<bool> {
    let mut mask = vec![false; files.len() as usize];
    files.trained(0, &mut mask).unwrap();
    mask
}

static GOOD: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let (_folder, path) = good_shard();
    fs::read(path).unwrap()
});

fn open(path: &Path) -> Result<TokenFiles, DataError> {
    TokenFiles::open(&[path.into()], None)
}

fn tokens_of(files: &TokenFiles) -> Vec<i32> {
    let mut tokens = vec![0; files.len() as usize];
    files.copy(0, &mut tokens).unwrap();
    tokens
}

/// Does everything that a run may do with a file, whatever it holds; the first error.
fn use_everything(files: &TokenFiles) -> Result<(), DataError> {
    let mut tokens = vec![0; files.len() as usize];
    let copied = files.copy(0, &mut tokens);
    assert!(files.trained(0, &mut vec![false; tokens.len()]).is_ok());
    assert!(files.trained(1, &mut vec![false; tokens.len()]).is_err());
    for position in 0..=files.len() {
        let _ = files.document_end(position);
    }
    for document in 0..=files.documents() {
        let _ = files.document(document);
    }
    copied.and(files.verify())
}

#[test]
fn comes_back_as_it_was_written_in_both_widths() {
    let folder = tempfile::tempdir().unwrap();
    for (vocab_size, highest, width) in
        [(300, 299, 2), (65_536, 65_535, 2), (65_537, 65_536, 4), (1 << 31, i32::MAX, 4)]
    {
        let path = folder.path().join("a.shard");
        write_shard(&path, vocab_size, &[&[1, highest as u32, 3], &[], &[4, 5]], false);
        assert_eq!(fs::metadata(&path).unwrap().len(), 112 + 5 * width + 2 * 8);
        let files = TokenFiles::open(&[path], Some(HASH)).unwrap();
        assert_eq!(tokens_of(&files), [1, highest, 3, 4, 5]);
        assert_eq!((files.vocab_size() as u64, files.tokenizer_hash()), (vocab_size, Some(HASH)));
        assert_eq!((files.documents(), files.document(0).unwrap(), files.document(1).unwrap()), (2, 0..3, 3..5));
        files.verify().unwrap();
    }
}

#[test]
fn a_mask_comes_back_to_the_bit_and_is_there_only_where_it_says_something() {
    let (folder, path) = masked_shard();
    let bytes = fs::read(&path).unwrap();
    assert_eq!(bytes.len(), 112 + 11 * 2 + 3 * 8 + 2);
    assert_eq!((bytes[8], &bytes[bytes.len() - 2..]), (2, &[0b1101_0111, 0b100][..]));
    let files = open(&path).unwrap();
    files.verify().unwrap();
    assert_eq!((mask_of(&files), TokenStream::is_masked(&files)), (MASK.to_vec(), true));
    assert_eq!(files.document(2).unwrap(), 4..11);

    // All are trained: version 1, as it was before there were masks.
    let plain = folder.path().join("plain.shard");
    let mut shard = ShardWriter::create(&plain, ShardOrigin { tokenizer_hash: HASH, vocab_size: 300 }).unwrap();
    for document in [&[1u32, 299, 3][..], &[4], &[5, 6]] {
        shard.append(document, Some(&vec![true; document.len()])).unwrap();
        shard.end_document();
    }
    shard.finish().unwrap();
    assert!(fs::read(&plain).unwrap() == *GOOD);
    assert!(!TokenStream::is_masked(&open(&plain).unwrap()));

    // One stream of both, and of what says nothing of it.
    let bin = folder.path().join("a.bin");
    fs::write(&bin, [9, 0]).unwrap();
    let files = TokenFiles::open(&[plain, path.clone(), bin, path], None).unwrap();
    let expected = [&[true; 6][..], &MASK, &[true], &MASK].concat();
    for start in 0..expected.len() {
        for end in start..=expected.len() {
            let mut mask = vec![false; end - start];
            files.trained(start as u64, &mut mask).unwrap();
            assert_eq!(mask, expected[start..end], "{start}..{end}");
        }
    }
    assert!(matches!(
        files.trained(28, &mut [true; 2]),
        Err(DataError::PastTheEnd { start: 28, wanted: 2, tokens: 29 })
    ));
}

#[test]
fn another_mask_or_pairs_are_another_content() {
    let folder = tempfile::tempdir().unwrap();
    let stream = |trained: &[bool]| {
        let path = folder.path().join("a.shard");
        let mut shard = ShardWriter::create(&path, ShardOrigin { tokenizer_hash: HASH, vocab_size: 9 }).unwrap();
        shard.append(&[1, 2, 3], Some(trained)).unwrap();
        shard.finish().unwrap();
        open(&path).unwrap()
    };
    let hash = |trained: &[bool]| stream(trained).content_hash();
    assert_eq!(hash(&[true, false, true]), hash(&[true, false, true]));
    assert_ne!(hash(&[true, false, true]), hash(&[true, true, false]));
    assert_ne!(hash(&[true, false, true]), hash(&[true, true, true]));
    assert_ne!(hash(&[true; 3]), stream(&[true; 3]).into_pairs().content_hash());
}

#[test]
fn a_masked_shard_that_is_cut_lengthened_or_called_plain_is_refused() {
    let (_folder, path) = masked_shard();
    for length in 1..MASKED.len() {
        fs::write(&path, &MASKED[..length]).unwrap();
        let error = open(&path).unwrap_err();
        assert!(matches!(error, DataError::HeaderCut { .. } | DataError::FileLength { .. }), "{length}: {error}");
    }
    fs::write(&path, [&MASKED[..], &[0]].concat()).unwrap();
    assert!(matches!(open(&path), Err(DataError::FileLength { bytes: 161, expected: 160, .. })));
    let mut plain = MASKED.clone();
    plain[8] = 1;
    fs::write(&path, plain).unwrap();
    assert!(matches!(open(&path), Err(DataError::FileLength { bytes: 160, expected: 158, .. })));
    // So many tokens that their mask alone would be of any size.
    let mut many = MASKED.clone();
    many[16..24].fill(0xff);
    fs::write(&path, many).unwrap();
    assert!(matches!(open(&path), Err(DataError::FileLength { tokens: u64::MAX, .. })));
    let mut bits = MASKED.clone();
    bits[158] ^= 1;
    fs::write(&path, bits).unwrap();
    let error = open(&path).unwrap().verify().unwrap_err();
    assert!(error.to_string().contains("mask"), "{error}");
}

#[test]
fn several_files_are_one_stream() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    write_shard(&path("0.shard"), 50, &[&[0, 1], &[2]], true); // its second document goes on
    write_shard(&path("1.shard"), 50, &[&[3, 4]], true); // and on
    write_shard(&path("2.shard"), 50, &[&[5], &[6, 7, 8]], false); // and ends
    fs::write(path("3.bin"), [9, 0, 10, 0]).unwrap(); // no ends: one more document
    let paths = ["0.shard", "1.shard", "2.shard", "3.bin"].map(path);
    let files = TokenFiles::open(&paths, Some(HASH)).unwrap();

    assert_eq!(tokens_of(&files), (0..11).collect::<Vec<_>>());
    for start in 0..=11 {
        for end in start..=11 {
            let mut out = vec![-1; end - start];
            files.copy(start as u64, &mut out).unwrap();
            assert_eq!(out, (start as i32..end as i32).collect::<Vec<_>>());
        }
    }
    assert!(matches!(files.copy(10, &mut [0, 0]), Err(DataError::PastTheEnd { start: 10, wanted: 2, tokens: 11 })));
    assert!(files.copy(u64::MAX, &mut [0, 0]).is_err());

    let documents: Vec<_> = (0..files.documents()).map(|document| files.document(document).unwrap()).collect();
    assert_eq!(documents, [0..2, 2..6, 6..9, 9..11]);
    for document in &documents {
        for position in document.clone() {
            assert_eq!(files.document_end(position).unwrap(), document.end, "position {position}");
        }
    }
    assert!(files.document_end(11).is_err());
    assert!(matches!(files.document(4), Err(DataError::NoSuchDocument { document: 4, documents: 4 })));
    files.verify().unwrap();
    assert!(matches!(TokenFiles::open(&[], None), Err(DataError::NoTokenFiles)));
}

#[test]
fn each_header_field_has_its_own_error() {
    let (_folder, path) = good_shard();
    let good = fs::read(&path).unwrap();
    let error_at = |offset: usize, value: u8| {
        let mut bytes = good.clone();
        bytes[offset] = value;
        fs::write(&path, bytes).unwrap();
        open(&path).unwrap_err()
    };
    assert!(matches!(error_at(0, b'h'), DataError::NotTokens { .. }));
    assert!(matches!(error_at(8, 3), DataError::ShardVersion { version: 3, known: "versions 1 and 2", .. }));
    // Of version 2 a mask would follow.
    assert!(matches!(error_at(8, 2), DataError::FileLength { expected: 149, bytes: 148, .. }));
    assert!(matches!(error_at(12, 3), DataError::TokenWidth { width: 3, .. }));
    assert!(matches!(error_at(12, 4), DataError::FileLength { expected: 160, bytes: 148, .. }));
    assert!(matches!(error_at(16, 7), DataError::FileLength { tokens: 7, expected: 150, .. }));
    assert!(matches!(error_at(23, 255), DataError::FileLength { .. }));
    assert!(matches!(error_at(24, 4), DataError::FileLength { documents: 4, expected: 156, .. }));
    assert!(matches!(error_at(31, 255), DataError::FileLength { .. }));
    assert!(matches!(error_at(34, 1), DataError::FileVocabulary { most: 65_536, .. }));
    for (field, offset) in [("vocabulary", 33), ("tokenizer", 40), ("content", 72), ("checksum", 104)] {
        let error = error_at(offset, good[offset] ^ 0xff);
        assert!(matches!(error, DataError::HeaderChanged { .. }), "{field}: {error}");
        assert!(error.to_string().contains("good.shard"), "{error}");
    }
    assert!(matches!(error_at(9, 1), DataError::ShardVersion { version: 257, .. }));
}

#[test]
fn a_vocabulary_of_nothing_and_a_shard_of_nothing_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.shard");
    let header = |tokens: u64, vocab_size: u64| {
        let (tokenizer_hash, content_hash) = (HASH, *blake3::hash(&[]).as_bytes());
        ShardHeader { width: 2, tokens, documents: 0, vocab_size, masked: false, tokenizer_hash, content_hash }
            .to_bytes()
    };
    fs::write(&path, header(0, 5)).unwrap();
    assert!(matches!(open(&path), Err(DataError::NoTokens { .. })));
    fs::write(&path, [&header(1, 0)[..], &[0, 0]].concat()).unwrap();
    assert!(matches!(open(&path), Err(DataError::FileVocabulary { vocab_size: 0, .. })));
    fs::write(&path, []).unwrap();
    assert!(matches!(open(&path), Err(DataError::NoTokens { .. })));
    assert!(matches!(open(folder.path()), Err(DataError::Directory { .. })));
    assert!(matches!(open(&folder.path().join("none.shard")), Err(DataError::Missing { .. })));
    fs::write(folder.path().join("a.txt"), "text").unwrap();
    assert!(matches!(open(&folder.path().join("a.txt")), Err(DataError::NotTokens { .. })));
}

#[test]
fn cut_or_lengthened_anywhere_it_is_refused() {
    let (_folder, path) = good_shard();
    let good = fs::read(&path).unwrap();
    for length in 0..good.len() {
        fs::write(&path, &good[..length]).unwrap();
        match open(&path).unwrap_err() {
            DataError::NoTokens { .. } => assert_eq!(length, 0),
            DataError::HeaderCut { bytes, needed: HEADER_BYTES, .. } => {
                assert!(bytes == length && length < HEADER_BYTES)
            }
            DataError::FileLength { bytes, .. } => assert!(bytes == length && length >= HEADER_BYTES),
            error => panic!("{length}: {error}"),
        }
    }
    fs::write(&path, [&good[..], &[0]].concat()).unwrap();
    assert!(matches!(open(&path), Err(DataError::FileLength { bytes: 149, expected: 148, .. })));
}

#[test]
fn a_shard_of_another_tokenizer_is_refused() {
    let (folder, path) = good_shard();
    let error = TokenFiles::open(std::slice::from_ref(&path), Some([8; 32])).unwrap_err().to_string();
    assert!(
        error.contains("good.shard") && error.contains("0707070707070707") && error.contains("08080808"),
        "{error}"
    );

    let other = folder.path().join("other.shard");
    let mut shard = ShardWriter::create(&other, ShardOrigin { tokenizer_hash: [9; 32], vocab_size: 300 }).unwrap();
    shard.append(&[1], None).unwrap();
    shard.finish().unwrap();
    let error = TokenFiles::open(&[path, other.clone()], None).unwrap_err();
    assert!(matches!(error, DataError::OtherTokenizer { path, .. } if path == other));
}

#[test]
fn ids_outside_the_vocabulary_never_leave_the_file() {
    let (folder, path) = good_shard();
    let files = open(&path).unwrap().for_vocabulary(100);
    assert_eq!(files.vocab_size(), 100);
    let error = files.copy(0, &mut [0; 3]).unwrap_err();
    assert!(matches!(error, DataError::IdOutsideVocabulary { position: 1, id: 299, vocab_size: 100, .. }), "{error}");
    assert!(matches!(files.verify(), Err(DataError::IdOutsideVocabulary { position: 1, .. })));
    files.copy(2, &mut [0; 4]).unwrap();

    // The same where the file was changed and nobody verified it.
    let mut bytes = fs::read(&path).unwrap();
    bytes[HEADER_BYTES + 2 * 3 + 1] = 0xff;
    fs::write(&path, bytes).unwrap();
    let files = open(&path).unwrap();
    let error = files.copy(2, &mut [0; 3]).unwrap_err();
    assert!(
        matches!(error, DataError::IdOutsideVocabulary { position: 3, id: 0xff04, vocab_size: 300, .. }),
        "{error}"
    );
    assert!(matches!(files.verify(), Err(DataError::ContentChanged { .. })));

    let mut shard = ShardWriter::create(&path, ShardOrigin { tokenizer_hash: HASH, vocab_size: 300 }).unwrap();
    shard.append(&[0, 1], None).unwrap();
    assert!(matches!(shard.append(&[2, 300], None), Err(DataError::IdOutsideVocabulary { position: 3, id: 300, .. })));
    drop(shard);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "a part was left behind");
}

#[test]
fn document_ends_out_of_order_are_found_where_they_are_used() {
    let (_folder, path) = good_shard();
    let mut bytes = fs::read(&path).unwrap();
    let ends = HEADER_BYTES + 6 * 2;
    bytes[ends] = 5; // 5, 4, 6
    fs::write(&path, &bytes).unwrap();
    let files = open(&path).unwrap();
    assert!(matches!(files.verify(), Err(DataError::ContentChanged { .. })));
    use_everything(&files).unwrap_err();

    bytes[ends + 16] = 7; // the last lies past the tokens
    fs::write(&path, &bytes).unwrap();
    assert!(matches!(open(&path), Err(DataError::FileDocumentEnds { document: 2, end: 7, .. })));
}

/// An llm.c file of the three first numbers of its header and its tokens.
fn llm_c(numbers: [u32; 3], tokens: &[u8]) -> Vec<u8> {
    let mut bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
    bytes.resize(1024, 0);
    bytes.extend(tokens);
    bytes
}

#[test]
fn reads_the_files_of_nanogpt_and_llm_c() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("train.bin");
    let open_bytes = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        open(&path)
    };
    for (bytes, vocab_size, last) in [
        (vec![1, 0, 0x50, 0xc4], 65_536, 0xc450),
        (llm_c([20_240_520, 1, 2], &[1, 0, 0x50, 0xc4]), 65_536, 0xc450),
        (llm_c([20_240_801, 7, 2], &[1, 0, 0, 0, 0, 0xf4, 1, 0]), 1 << 31, 0x1_f400),
    ] {
        let files = open_bytes(&bytes).unwrap();
        assert_eq!(tokens_of(&files), [1, last]);
        assert_eq!((files.vocab_size(), files.tokenizer_hash(), files.documents()), (vocab_size, None, 1));
        assert_eq!((files.document(0).unwrap(), files.document_end(1).unwrap()), (0..2, 2));
        files.verify().unwrap();
        assert!(files.for_vocabulary(50_000).verify().is_err());
    }
    let hash = |bytes: &[u8]| crate::TokenStream::content_hash(&open_bytes(bytes).unwrap());
    assert_eq!(hash(&[1, 0, 2, 0]), hash(&[1, 0, 2, 0]));
    assert_ne!(hash(&[1, 0, 2, 0]), hash(&[1, 0, 3, 0]));
    assert_ne!(hash(&[1, 0, 2, 0]), hash(&[1, 0, 2, 0, 0, 0]));
    assert!(matches!(open_bytes(&[1, 0, 2]), Err(DataError::HalfToken { bytes: 3, .. })));
    let version = open_bytes(&llm_c([20_240_520, 2, 0], &[]));
    assert!(matches!(version, Err(DataError::ShardVersion { version: 2, known: "version 1", .. })));
    let length = open_bytes(&llm_c([20_240_520, 1, u32::MAX], &[1, 0]));
    assert!(matches!(length, Err(DataError::FileLength { bytes: 1026, tokens: 0xffff_ffff, .. })));
    let cut = open_bytes(&llm_c([20_240_801, 7, 2], &[])[..1000]);
    assert!(matches!(cut, Err(DataError::HeaderCut { bytes: 1000, needed: 1024, .. })));
    let negative = open_bytes(&llm_c([20_240_801, 7, 1], &[0xff; 4])).unwrap();
    assert!(matches!(negative.verify(), Err(DataError::IdOutsideVocabulary { id: u32::MAX, .. })));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn arbitrary_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..300), start in 0..5usize) {
        let folder = tempfile::tempdir().unwrap();
        let starts: [&[u8]; 5] =
            [b"", b"HEARTHTK\x01\0\0\0\x02\0\0\0", b"HEARTHTK\x02\0\0\0\x02\0\0\0", &20_240_520u32.to_le_bytes(), b"HEARTHTK"];
        for name in ["a.bin", "a.shard"] {
            let path = folder.path().join(name);
            fs::write(&path, [starts[start], &bytes].concat()).unwrap();
            if let Ok(files) = open(&path) {
                prop_assert!(files.len() <= 300);
                let _ = use_everything(&files);
            }
        }
    }

    #[test]
    fn any_change_of_a_shard_is_found(offset in 0..148usize, change in 1..=255u8, cut in 0..148usize) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.shard");
        let mut bytes = GOOD.clone();
        bytes[offset] ^= change;
        fs::write(&path, &bytes).unwrap();
        prop_assert!(open(&path).and_then(|files| use_everything(&files)).is_err());
        fs::write(&path, &bytes[..cut]).unwrap();
        prop_assert!(open(&path).is_err());
    }

    #[test]
    fn any_change_of_a_masked_shard_is_found(offset in 0..160usize, change in 1..=255u8, cut in 0..160usize) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.shard");
        let mut bytes = MASKED.clone();
        bytes[offset] ^= change;
        fs::write(&path, &bytes).unwrap();
        prop_assert!(open(&path).and_then(|files| use_everything(&files)).is_err());
        fs::write(&path, &bytes[..cut]).unwrap();
        prop_assert!(open(&path).is_err());
    }

    #[test]
    fn a_changed_bin_file_does_no_harm(offset in 0..1100usize, change in 1..=255u8, cut in 0..1100usize) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.bin");
        let mut bytes = llm_c([20_240_520, 1, 38], &[3; 76]);
        bytes[offset] ^= change;
        fs::write(&path, &bytes).unwrap();
        let _ = open(&path).and_then(|files| use_everything(&files));
        fs::write(&path, &bytes[..cut]).unwrap();
        let _ = open(&path).and_then(|files| use_everything(&files));
    }
}
