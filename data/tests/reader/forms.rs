use hearth_data::{Corpus, DataError, OnFault, ReadOptions};
use parquet::basic::{BrotliLevel, Compression, GzipLevel, ZstdLevel};

use super::files::{Folder, gzip, read, separated, texts, zstd};

const JSONL: &str =
    "{\"text\":\"one \\u00e9\",\"n\":1}\n\n{\"n\":[{}],\"text\":\"two\\n\"}\r\n{\"text\":\"\"}\n{\"text\":\"three\"}";
const DOCUMENTS: [&str; 3] = ["one é", "two\n", "three"];

#[test]
fn json_lines_in_each_compression() {
    let folder = Folder::new();
    let plain = JSONL.as_bytes();
    for (name, bytes) in [
        ("a.jsonl", plain.to_vec()),
        ("a.NDJSON", plain.to_vec()),
        ("a.jsonl.gz", gzip(plain)),
        ("b.jsonl.gz", [gzip(&plain[..9]), gzip(&plain[9..])].concat()), // as `cat` joins them
        ("a.jsonl.zst", zstd(plain)),
        ("b.jsonl.zst", [zstd(&plain[..9]), zstd(&plain[9..])].concat()),
    ] {
        let path = folder.write(name, &bytes);
        let (pieces, faults) = read(&[path], ReadOptions::default()).unwrap();
        assert_eq!(texts(&pieces), DOCUMENTS, "{name}");
        assert!(pieces.iter().all(|piece| piece.ends_document));
        assert_eq!((faults.total(), pieces[2].bytes_read), (0, bytes.len() as u64));
    }
}

#[test]
fn another_field_or_column() {
    let folder = Folder::new();
    let lines = folder.write("a.jsonl", br#"{"content":"yes","text":"no"}"#);
    assert_eq!(texts(&read(&[lines], of_field("content")).unwrap().0), ["yes"]);
}

fn of_field(field: &str) -> ReadOptions {
    ReadOptions { field: field.to_owned(), ..ReadOptions::default() }
}

#[test]
fn a_field_in_another_object() {
    let folder = Folder::new();
    let line =
        r#"{"data":{"text":"inner","a.b":"dotted","a":{"b":"deep"}},"data.text":"outer","list":[{"text":"no"}]}"#;
    let path = folder.write("a.jsonl", line.as_bytes());
    for (field, text) in [("data.text", "outer"), ("data.a.b", "dotted")] {
        assert_eq!(texts(&read(std::slice::from_ref(&path), of_field(field)).unwrap().0), [text]);
    }
    let nested = folder.write("b.json", br#"[{"data":{"text":"first","text":"last"}},{"data":{"a":{"b":"deep"}}}]"#);
    let skipping = |field| ReadOptions { faults: OnFault::Skip, ..of_field(field) };
    for (field, text) in [("data.text", "last"), ("data.a.b", "deep")] {
        assert_eq!(texts(&read(std::slice::from_ref(&nested), skipping(field)).unwrap().0), [text]);
    }
    for field in ["list.text", "data.", ".text", "data.text.x"] {
        let error = read(std::slice::from_ref(&path), of_field(field)).unwrap_err().to_string();
        assert!(error.contains(&format!("there is no field {field:?} but \"data\"")), "{error}");
    }
}

/// A frame of zstd (RFC 8878) whose window is 2^`window_log` bytes, with `content` in one raw block.
fn zstd_frame(window_log: u8, content: &[u8]) -> Vec<u8> {
    let block_header = ((content.len() as u32) << 3 | 1).to_le_bytes();
    [&[0x28, 0xb5, 0x2f, 0xfd, 0, (window_log - 10) << 3], &block_header[..3], content].concat()
}

#[test]
fn zstd_with_long_windows() {
    let folder = Folder::new();
    for window_log in [20, 28, 31] {
        let path = folder.write("a.txt.zst", &zstd_frame(window_log, b"some text"));
        assert_eq!(texts(&read(&[path], ReadOptions::default()).unwrap().0), ["some text"]);
    }
}

#[test]
fn content_says_the_compression_where_the_name_does_not() {
    let folder = Folder::new();
    for (name, bytes) in [("a.jsonl", gzip(JSONL.as_bytes())), ("b.ndjson", zstd(JSONL.as_bytes()))] {
        let (pieces, _) = read(&[folder.write(name, &bytes)], ReadOptions::default()).unwrap();
        assert_eq!(texts(&pieces), DOCUMENTS, "{name}");
    }
    let (pieces, _) = read(&[folder.write("shard-of-text", &gzip(b"words"))], ReadOptions::default()).unwrap();
    assert_eq!(texts(&pieces), ["words"]);
}

#[test]
fn a_byte_order_mark_is_no_text() {
    let folder = Folder::new();
    for name in ["a.txt", "b.txt.gz"] {
        let bytes = "\u{feff}a\u{feff}b\n".as_bytes();
        let path = folder.write(name, &if name.ends_with("gz") { gzip(bytes) } else { bytes.to_vec() });
        assert_eq!(texts(&read(&[path], ReadOptions::default()).unwrap().0), ["a\u{feff}b\n"]);
    }
}

#[test]
fn parquet_in_each_compression() {
    let folder = Folder::new();
    let rows: Vec<_> = ["one é", "two\n", "", "three"].map(|text| Some(text.as_bytes())).to_vec();
    for (name, compression) in [
        ("plain.parquet", Compression::UNCOMPRESSED),
        ("snappy.parquet", Compression::SNAPPY),
        ("brotli.parquet", Compression::BROTLI(BrotliLevel::default())),
        ("lz4.parquet", Compression::LZ4_RAW),
        ("gzip.parquet", Compression::GZIP(GzipLevel::default())),
        ("zstd.parquet", Compression::ZSTD(ZstdLevel::default())),
    ] {
        let path = folder.write_parquet(name, &rows, compression);
        let size = path.metadata().unwrap().len();
        let (pieces, faults) = read(&[path], ReadOptions::default()).unwrap();
        assert_eq!(texts(&pieces), DOCUMENTS, "{name}");
        assert!(pieces.iter().all(|piece| piece.ends_document));
        assert!(pieces.windows(2).all(|pair| pair[0].bytes_read <= pair[1].bytes_read));
        assert!(pieces[2].bytes_read <= size && faults.total() == 0);
    }
}

#[test]
fn parquet_of_many_rows() {
    let folder = Folder::new();
    let rows: Vec<String> = (0..3_000).map(|row| format!("row {row}")).collect();
    let path = folder.write_parquet(
        "a.parquet",
        &rows.iter().map(|row| Some(row.as_bytes())).collect::<Vec<_>>(),
        Compression::SNAPPY,
    );
    assert_eq!(texts(&read(&[path], ReadOptions::default()).unwrap().0), rows);
}

#[test]
fn folders_are_walked_in_the_order_of_paths() {
    let folder = Folder::new();
    for name in ["b/2.txt", "b/10.md", "a.txt", ".hidden.txt", "b/.git/config", "c.unknown"] {
        folder.write(name, name.as_bytes());
    }
    folder.write("empty.txt", b"");
    let last = folder.write("z/last.txt.gz", &gzip(b"last"));

    let corpus = Corpus::open(&[folder.path().join("z"), folder.path()], ReadOptions::default()).unwrap();
    let names: Vec<_> = corpus.files().iter().map(|file| file.strip_prefix(folder.path()).unwrap()).collect();
    let expected = ["z/last.txt.gz", "a.txt", "b/10.md", "b/2.txt", "c.unknown", "empty.txt", "z/last.txt.gz"];
    assert_eq!(names, expected.map(std::path::Path::new));

    let pieces: Vec<_> = corpus.documents().map(Result::unwrap).collect();
    assert_eq!(texts(&pieces), ["last", "a.txt", "b/10.md", "b/2.txt", "c.unknown", "last"]);
    let compressed = last.metadata().unwrap().len();
    assert_eq!(corpus.bytes(), 2 * compressed + 28);
    assert_eq!(pieces[2].bytes_read, compressed + 12);
    assert_eq!(pieces.last().unwrap().bytes_read, corpus.bytes());
}

#[test]
fn keys_name_documents() {
    let folder = Folder::new();
    let text = "one\n<|endoftext|>\ntwo\n<|endoftext|>\none\n";
    let path = folder.write("a.txt", text.as_bytes());
    let (pieces, _) = read(std::slice::from_ref(&path), separated()).unwrap();
    assert_eq!(texts(&pieces), ["one\n", "two\n", "one\n"]);
    assert_eq!(pieces[0].key, 0xe0e6_3aa4_c8e1_ed79);
    assert_eq!(pieces[0].key, pieces[2].key);
    assert_ne!(pieces[0].key, pieces[1].key);
}

#[test]
fn empty_files_have_no_documents_and_no_faults() {
    let folder = Folder::new();
    for name in ["a.txt", "a.json", "a.jsonl", "a.csv", "a.tsv"] {
        for content in ["", "\u{feff}", "\n"] {
            let path = folder.write(name, content.as_bytes());
            let (pieces, faults) = read(&[path], ReadOptions::default()).unwrap();
            let blank = pieces.iter().all(|piece| piece.text.trim().is_empty());
            assert!(blank && faults.total() == 0, "{name}, {content:?}: {pieces:?}");
        }
    }
}

#[test]
fn what_cannot_be_opened_is_refused() {
    let folder = Folder::new();
    let open = |name: &str| Corpus::open(&[folder.path().join(name)], ReadOptions::default()).unwrap_err();
    assert!(matches!(open("nowhere"), DataError::Missing { .. }));
    assert!(matches!(open(""), DataError::NoFiles { .. }));
    folder.write("a.parquet.gz", b"");
    assert!(matches!(open("a.parquet.gz"), DataError::WrappedParquet { .. }));
    #[cfg(unix)]
    assert!(matches!(open("/dev/null"), DataError::NotAFile { .. }));
    assert!(matches!(Corpus::open(&[], ReadOptions::default()), Err(DataError::NoFiles { .. })));
}
