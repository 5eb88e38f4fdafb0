use hearth_data::{Corpus, FaultKind, ReadOptions};

use super::files::{Folder, gzip, read, skipping, zstd};

/// What a file of that name and content is refused with, and what it is counted as where faults are skipped.
fn refused(name: &str, bytes: &[u8]) -> (String, FaultKind) {
    let folder = Folder::new();
    let path = folder.write(name, bytes);
    let error = read(std::slice::from_ref(&path), ReadOptions::default()).unwrap_err().to_string();
    assert!(error.starts_with(&path.display().to_string()) && error.contains("--faults skip"), "{error}");
    let (pieces, faults) = read(&[path], skipping()).unwrap();
    assert!(pieces.is_empty() && faults.total() == 1, "{name}: {pieces:?}");
    (error, faults.first()[0].kind)
}

#[test]
fn files_of_other_forms_are_known_by_their_content() {
    let mut tar = vec![b'a'; 600];
    tar[257..262].copy_from_slice(b"ustar");
    let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n";
    for (name, bytes, said) in [
        ("a.jsonl", &pointer[..], "git lfs pull"),
        ("a.txt.gz", pointer, "git lfs pull"),
        ("a.parquet", pointer, "git lfs pull"),
        ("a.txt", b"%PDF-1.7\n", "a PDF file"),
        ("a.parquet", b"%PDF-1.4\n%%EOF", "a PDF file"),
        ("a", b"PK\x03\x04\x14", "a zip archive"),
        ("a.docx", b"PK\x03\x04", "a zip archive"),
        ("a.txt", b"SQLite format 3\0", "SQLite"),
        ("a.data", b"\x80\x04\x95", "pickle"),
        ("a.data", b"\x80\x02}q", "pickle"),
        ("a.csv", b"\x93NUMPY\x01", "NumPy"),
        ("a.jsonl", b"ARROW1\0\0", "Arrow"),
        ("a.txt", b"\xff\xff\xff\xff\x10\0", "Arrow"),
        ("a.jsonl", b"PAR1....PAR1", "name ends in .parquet"),
        ("a.txt", b"HEARTHTK\x01\0\0\0", "a shard that `hearth prepare` wrote"),
        ("a.txt", b"{\\rtf1 text}", "rich text"),
        ("a.txt", &tar, "an archive"),
        ("a.txt", b"text\0text", "NUL bytes"),
    ] {
        let (error, kind) = refused(name, bytes);
        assert!(error.contains(said) && kind == FaultKind::NotText, "{kind}: {error}");
    }
    for (name, bytes) in [("a.tar.gz", gzip(&tar)), ("a.tgz", gzip(&tar)), ("a.pdf.zst", zstd(b"%PDF-1.7"))] {
        assert_eq!(refused(name, &bytes).1, FaultKind::NotText);
    }
}

#[test]
fn files_of_other_forms_are_known_by_their_names() {
    for (name, said) in [
        ("a.bin", "binary data"),
        ("a.safetensors", "binary data"),
        ("a.PT", "pickle"),
        ("a.pkl", "pickle"),
        ("a.npy", "NumPy"),
        ("a.arrow", "Arrow"),
        ("a.feather", "Arrow"),
        ("a.db", "SQLite"),
        ("a.zip", "zip"),
        ("a.pdf", "PDF"),
    ] {
        let (error, kind) = refused(name, b"what text could be");
        assert!(error.contains(said) && kind == FaultKind::NotText, "{kind}: {error}");
    }
}

/// Before the files before it are read.
#[test]
fn a_name_is_refused_at_once() {
    let folder = Folder::new();
    folder.write("a.txt", b"words");
    folder.write("b.pdf", b"%PDF-1.7");
    let error = Corpus::open(&[folder.path()], ReadOptions::default()).unwrap_err().to_string();
    assert!(error.contains("b.pdf: this is a PDF file"), "{error}");
    let (pieces, faults) = read(&[folder.path()], skipping()).unwrap();
    assert_eq!((pieces.len(), faults.counts()[&FaultKind::NotText]), (1, 1));
}

#[test]
fn wide_encodings_are_refused_by_name() {
    let utf16 = |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_be_bytes).collect() };
    for (name, bytes) in [
        ("a.txt", utf16("\u{feff}中文")),
        ("a.txt", utf16("no mark")),
        ("a.jsonl", utf16("\u{feff}{\"text\":\"a\"}")),
        ("a.csv.gz", gzip(&utf16("text\nwords\n"))),
    ] {
        let (error, kind) = refused(name, &bytes);
        assert!(error.contains("UTF-16: convert it") && kind == FaultKind::NotUtf8, "{kind}: {error}");
    }
}
