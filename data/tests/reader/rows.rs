//! Rows of chats: whole objects of JSON, and rows of Parquet with lists and structures.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use hearth_data::{Corpus, DataError, FaultKind, FaultPlace, FileFaults, Piece, ReadOptions};
use parquet::data_type::{ByteArray, ByteArrayType};
use parquet::file::{properties::WriterProperties, writer::SerializedFileWriter};
use parquet::schema::parser::parse_message_type;

use super::files::{Folder, gzip, skipping, texts};

fn rows(paths: &[PathBuf], options: ReadOptions) -> Result<(Vec<Piece>, FileFaults), DataError> {
    let corpus = Corpus::open(paths, options)?;
    let mut rows = corpus.rows();
    let pieces = rows.by_ref().collect::<Result<_, _>>()?;
    Ok((pieces, rows.faults().clone()))
}

fn error(path: PathBuf) -> String {
    rows(&[path], ReadOptions::default()).unwrap_err().to_string()
}

#[test]
fn objects_of_json_are_rows_with_their_places() {
    let folder = Folder::new();
    let lines = b" {\"messages\":[]}\n\n{\"b\":NaN,\"a\":\"NaN\"}\r\n{\"text\":\"\"}";
    let array = folder.write("b.json", b"[{\"text\":\"[x]\"}, {\"a\":{\"b\":[1,2]}}]");
    for (name, bytes) in [("a.jsonl", lines.to_vec()), ("a.ndjson.gz", gzip(lines))] {
        let (pieces, faults) = rows(&[folder.write(name, &bytes), array.clone()], ReadOptions::default()).unwrap();
        assert_eq!(
            texts(&pieces),
            [
                "{\"messages\":[]}",
                "{\"b\":0  ,\"a\":\"NaN\"}",
                "{\"text\":\"\"}",
                "{\"text\":\"[x]\"}",
                "{\"a\":{\"b\":[1,2]}}"
            ]
        );
        let places: Vec<_> = pieces.iter().map(|piece| piece.origin.clone().unwrap()).collect();
        assert!(places[..3].iter().all(|it| it.path.ends_with(name)) && places[3].path.ends_with("b.json"));
        let places: Vec<_> = places.iter().map(|it| it.place).collect();
        let [line, element] = [FaultPlace::Line, FaultPlace::Element];
        assert_eq!(places, [line(1), line(3), line(4), element(1), element(2)]);
        assert!(pieces.iter().all(|piece| piece.ends_document) && faults.total() == 0);
        // What a piece is split by is the row.
        assert_eq!(pieces.iter().map(|piece| piece.key).collect::<std::collections::BTreeSet<_>>().len(), 5);
    }
}

#[test]
fn what_is_no_row_is_told_with_its_place() {
    let folder = Folder::new();
    let broken = folder.write("a.jsonl", b"{\"text\":1}\n[1]\n{\"text\":\n{}\n\xff\n");
    let sentence = error(broken.clone());
    assert!(sentence.contains("a.jsonl, line 2: this is a list, not an object"), "{sentence}");
    let (pieces, faults) = rows(&[broken], skipping()).unwrap();
    assert_eq!((texts(&pieces), faults.total()), (vec!["{\"text\":1}", "{}"], 3));
    assert_eq!(faults.counts()[&FaultKind::BrokenJson], 2);
    for name in ["a.txt", "a.csv", "a"] {
        let sentence = error(folder.write(name, b"some text"));
        assert!(sentence.contains("rows of chats are read from .jsonl, .json and .parquet files"), "{sentence}");
    }
    assert!(error(folder.write("a.pdf", b"some text")).contains("a.pdf: "));
}

const SCHEMA: &str = "message rows {
    optional group messages (LIST) { repeated group list { optional group element {
        optional binary content (UTF8); optional binary role (UTF8);
    } } }
    optional binary source (UTF8);
}";

/// Values, and their definition and repetition levels.
type Column = (&'static [&'static str], &'static [i16], Option<&'static [i16]>);

/// Rows of two messages, of none, of null and of one without content, as often as asked for.
fn write_chats(folder: &Folder, name: &str, times: usize) -> PathBuf {
    let path = folder.path().join(name);
    let schema = Arc::new(parse_message_type(SCHEMA).unwrap());
    let properties = Arc::new(WriterProperties::builder().set_data_page_row_count_limit(3).build());
    let mut file = SerializedFileWriter::new(File::create(&path).unwrap(), schema, properties).unwrap();
    let columns: [Column; 3] = [
        (&["H\"i", "Yo"], &[4, 4, 1, 0, 3], Some(&[0, 1, 0, 0, 0])),
        (&["user", "assistant", "assistant"], &[4, 4, 1, 0, 4], Some(&[0, 1, 0, 0, 0])),
        (&["a", "b"], &[1, 0, 0, 1], None),
    ];
    let mut group = file.next_row_group().unwrap();
    for (values, definition, repetition) in columns {
        let mut column = group.next_column().unwrap().unwrap();
        for _ in 0..times {
            let values: Vec<ByteArray> = values.iter().map(|text| ByteArray::from(*text)).collect();
            column.typed::<ByteArrayType>().write_batch(&values, Some(definition), repetition).unwrap();
        }
        column.close().unwrap();
    }
    group.close().unwrap();
    file.close().unwrap();
    path
}

#[test]
fn rows_of_parquet_have_their_lists_and_structures() {
    let folder = Folder::new();
    let path = write_chats(&folder, "a.parquet", 100);
    let size = path.metadata().unwrap().len();
    let (pieces, _) = rows(&[path], ReadOptions::default()).unwrap();
    let expected = [
        r#"{"messages":[{"content":"H\"i","role":"user"},{"content":"Yo","role":"assistant"}]}"#,
        r#"{"messages":[]}"#,
        r#"{"messages":null}"#,
        r#"{"messages":[{"content":null,"role":"assistant"}]}"#,
    ];
    assert_eq!(texts(&pieces), expected.repeat(100));
    assert_eq!(pieces[399].origin.as_ref().unwrap().place, FaultPlace::Row(400));
    assert!(pieces.is_sorted_by_key(|piece| piece.bytes_read) && pieces[399].bytes_read == size);
}

#[test]
fn parquet_without_a_column_of_chats_names_those_it_has() {
    let folder = Folder::new();
    let path = folder.path().join("a.parquet");
    let schema = Arc::new(parse_message_type("message rows { optional binary body (UTF8); }").unwrap());
    SerializedFileWriter::new(File::create(&path).unwrap(), schema, Arc::default()).unwrap().close().unwrap();
    let sentence = error(path);
    assert!(sentence.contains("none of the columns that rows of chats have, \"messages\", "), "{sentence}");
    assert!(sentence.contains("but \"body\""), "{sentence}");
}

/// Whatever bytes are changed or cut off, rows or a sentence come, and no panic.
#[test]
fn damaged_parquet_does_no_harm() {
    let folder = Folder::new();
    let good = std::fs::read(write_chats(&folder, "good.parquet", 3)).unwrap();
    let path = folder.path().join("a.parquet");
    let read = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        rows(std::slice::from_ref(&path), skipping()).map_or(0, |(pieces, _)| pieces.len())
    };
    for at in 0..good.len() {
        for change in [0x01, 0x80, 0xff] {
            let mut bytes = good.clone();
            bytes[at] ^= change;
            assert!(read(&bytes) <= 10_000, "byte {at}");
        }
        if at % 7 == 0 {
            read(&good[..at]);
        }
    }
}
