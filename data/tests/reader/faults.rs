use std::path::PathBuf;

use base64::{Engine, prelude::BASE64_STANDARD};
use hearth_data::FaultPlace::{self, Element, Line, Row};
use hearth_data::{DataError, FaultKind, OnFault, ReadOptions};
use parquet::basic::Compression;

use super::files::{Folder, gzip, read, separated, skipping, texts, zstd};

/// Reads `path` both ways: failing names its first fault, and skipping leaves `documents` and all of `faults`.
fn check(path: PathBuf, options: ReadOptions, documents: &[&str], faults: &[(FaultKind, Option<FaultPlace>)]) {
    let error = read(std::slice::from_ref(&path), options.clone()).unwrap_err();
    assert!(error.to_string().starts_with(&path.display().to_string()), "{error}");
    let DataError::Faulty(fault) = error else { panic!("{error}") };
    assert_eq!((fault.kind, fault.place), faults[0], "{fault}");

    let (pieces, found) = read(std::slice::from_ref(&path), ReadOptions { faults: OnFault::Skip, ..options }).unwrap();
    assert_eq!(texts(&pieces), documents);
    let first: Vec<_> = found.first().iter().map(|fault| (fault.kind, fault.place)).collect();
    assert_eq!(first, faults);
    assert_eq!(found.total(), faults.len() as u64);
    assert!(found.first().iter().all(|fault| fault.path == path));
}

#[test]
fn configurations_say_skip_or_fail() {
    let read = |json: &str| serde_json::from_str::<OnFault>(json).unwrap();
    assert_eq!((read("\"skip\""), read("\"fail\"")), (OnFault::Skip, OnFault::default()));
}

#[test]
fn lines_of_json_that_have_no_document() {
    let folder = Folder::new();
    let lines: [&[u8]; 8] = [
        br#"{"text":"good"}"#,
        br#"{"text":"cut"#,
        br#"["text"]"#,
        br#"{"txt":"no"}"#,
        br#"{"text":7}"#,
        b"{\"text\":\"caf\xe9\"}",
        br#"{"text":"one"} {"text":"two"}"#,
        br#"{"text":"good too"}"#,
    ];
    let path = folder.write("a.jsonl", &lines.join(&b'\n'));
    let kinds = [
        (FaultKind::BrokenJson, Some(Line(2))),
        (FaultKind::BrokenJson, Some(Line(3))),
        (FaultKind::MissingField, Some(Line(4))),
        (FaultKind::NotAString, Some(Line(5))),
        (FaultKind::NotUtf8, Some(Line(6))),
        (FaultKind::BrokenJson, Some(Line(7))),
    ];
    check(path.clone(), ReadOptions::default(), &["good", "good too"], &kinds);
    let (_, faults) = read(&[path], skipping()).unwrap();
    assert_eq!(faults.counts()[&FaultKind::BrokenJson], 3);
}

/// The sentence that the only line of a JSON Lines file gets.
fn sentence(line: &str) -> String {
    let folder = Folder::new();
    let path = folder.write("a.jsonl", line.as_bytes());
    read(&[path], ReadOptions::default()).unwrap_err().to_string()
}

#[test]
fn sentences_say_what_is_wrong_in_a_line() {
    for (line, said) in [
        (r#"{"text":"a"}{"text":"b"}"#, "line 1: more follows the first value: give each object a line of its own"),
        ("{\"text\":\"a\"}\r{\"text\":\"b\"}\r", "line 1: more follows the first value"),
        ("{\n  \"text\": \"a\"\n}", "line 1: the line ends inside of a value"),
        (r#"{"a":tru}"#, "line 1: expected ident at column 9"),
        (r#""words""#, "line 1: this is a string, not an object"),
        (r#"{"text":null}"#, "the field \"text\" is null, not a string"),
        (r#"{"text":["a"]}"#, "the field \"text\" is a list, not a string"),
        (r#"{"text":NaN}"#, "the field \"text\" is a number, not a string"),
        (r#"{"b":1,"a":2}"#, "there is no field \"text\" but \"a\", \"b\""),
        ("{}", "there is no field \"text\" and no other"),
    ] {
        assert!(sentence(line).contains(said), "{}", sentence(line));
    }
    let many: Vec<_> = (0..25).map(|n| format!("\"{n:02}\":0")).collect();
    assert!(sentence(&format!("{{{}}}", many.join(","))).contains("\"19\", and 5 more"));
}

#[test]
fn elements_of_an_array_that_have_no_document() {
    let folder = Folder::new();
    let array = r#"[{"text":"good"}, 7, {"text" "cut"}, {"txt":"no"}, {"a":1]}, {"text":"good too"}]"#;
    let kinds = [
        (FaultKind::BrokenJson, Some(Element(2))),
        (FaultKind::BrokenJson, Some(Element(3))),
        (FaultKind::MissingField, Some(Element(4))),
        (FaultKind::BrokenJson, Some(Element(5))),
    ];
    check(folder.write("a.json", array.as_bytes()), ReadOptions::default(), &["good", "good too"], &kinds);

    for (name, array, kind, element) in [
        ("cut.json", r#"[{"text":"good"}, {"text":"cu"#, FaultKind::Unreadable, 2),
        ("unclosed.json", r#"[{"text":"good"}"#, FaultKind::Unreadable, 1),
        ("more.json", r#"[{"text":"good"}] [{"text":"no"}]"#, FaultKind::BrokenJson, 1),
    ] {
        let documents: &[&str] = if name == "unclosed.json" { &[] } else { &["good"] };
        let path = folder.write(name, array.as_bytes());
        check(path, ReadOptions::default(), documents, &[(kind, Some(Element(element)))]);
    }
    let long = format!(r#"[{{"text":"{}"}},{{"text":"good"}}]"#, "x".repeat(64 << 20));
    let fault = (FaultKind::LineTooLong, Some(Element(1)));
    check(folder.write("long.json", long.as_bytes()), ReadOptions::default(), &["good"], &[fault]);
}

#[test]
fn rows_of_values_that_have_no_document() {
    let folder = Folder::new();
    let rows = b"id,text\n1,good\n2\n3,a,b\n4,caf\xe9\n5,good too\n";
    let kinds = [
        (FaultKind::BrokenRow, Some(Line(3))),
        (FaultKind::BrokenRow, Some(Line(4))),
        (FaultKind::NotUtf8, Some(Line(5))),
    ];
    check(folder.write("a.csv", rows), ReadOptions::default(), &["good", "good too"], &kinds);

    let semicolons = folder.write("b.csv", b"id;text\n1;a\n");
    let error = read(std::slice::from_ref(&semicolons), ReadOptions::default()).unwrap_err().to_string();
    assert!(error.contains("there is no column \"text\" but \"id;text\""), "{error}");
    check(semicolons, ReadOptions::default(), &[], &[(FaultKind::MissingField, None)]);
    let unclosed = format!("text\ngood\n\"{}", "x\n".repeat(40 << 20));
    let fault = (FaultKind::Unreadable, Some(Line(3)));
    check(folder.write("c.csv", unclosed.as_bytes()), ReadOptions::default(), &["good"], &[fault]);
}

/// Where Python's `csv.reader(file, strict=True)` says "unexpected end of data".
#[test]
fn rows_of_values_that_end_inside_of_quotation_marks() {
    let folder = Folder::new();
    for last in ["\"cut", "\"cut\n", "\"cut \"\"", "1,\"cut\nonce, and\n\ntwice\n\n"] {
        let path = folder.write("a.csv", format!("text\ngood\n{last}").as_bytes());
        check(path, ReadOptions::default(), &["good"], &[(FaultKind::BrokenRow, Some(Line(3)))]);
    }
    let header = folder.write("b.csv", b"id,\"text\n1,good\n");
    check(header, ReadOptions::default(), &[], &[(FaultKind::BrokenRow, None)]);
    for whole in ["text\ngood\n\"\"", "text\ngood\r\n\r\n", "text\ngood", "text\n\"good\"\n\"\"\n\n"] {
        let (pieces, _) = read(&[folder.write("c.csv", whole.as_bytes())], ReadOptions::default()).unwrap();
        assert_eq!(texts(&pieces), ["good"], "{whole:?}");
    }
}

#[test]
fn lines_of_text_that_are_not_utf8() {
    let folder = Folder::new();
    let path = folder.write("a.txt", b"one\ntw\xff o\n<|endoftext|>\nthree\xe2\x82\nfour");
    check(
        path,
        separated(),
        &["one\n", "four"],
        &[(FaultKind::NotUtf8, Some(Line(2))), (FaultKind::NotUtf8, Some(Line(4)))],
    );
    let path = folder.write("b.txt", b"cut in a character \xe2\x82");
    check(path, ReadOptions::default(), &[], &[(FaultKind::NotUtf8, Some(Line(1)))]);
}

#[test]
fn a_line_too_long_to_hold() {
    let folder = Folder::new();
    let long = format!("{{\"text\":\"{}\"}}", "x".repeat(64 << 20));
    let path = folder.write("a.jsonl", format!("{long}\n{{\"text\":\"good\"}}\n{long}").as_bytes());
    check(
        path,
        ReadOptions::default(),
        &["good"],
        &[(FaultKind::LineTooLong, Some(Line(1))), (FaultKind::LineTooLong, Some(Line(3)))],
    );
}

#[test]
fn compressed_files_cut_short() {
    let folder = Folder::new();
    let (good, filler) = ("{\"text\":\"good\"}\n", "0123456789abcdef".repeat(5_000));
    let text = format!("{good}{filler}");
    for (name, bytes) in [("a.jsonl.gz", gzip(text.as_bytes())), ("a.jsonl.zst", zstd(text.as_bytes()))] {
        let path = folder.write(name, &bytes[..bytes.len() - 5]);
        let (pieces, faults) = read(std::slice::from_ref(&path), skipping()).unwrap();
        assert!(texts(&pieces).iter().all(|text| *text == "good"));
        assert_eq!(faults.counts()[&FaultKind::Unreadable], 1, "{name}: {faults:?}");
        let error = read(&[path], ReadOptions::default()).unwrap_err();
        assert!(error.to_string().contains(name), "{error}");
    }
    for name in ["not.txt.gz", "not.txt.zst"] {
        check(
            folder.write(name, b"plain text"),
            ReadOptions::default(),
            &[],
            &[(FaultKind::Unreadable, Some(Line(1)))],
        );
    }
}

/// What was read before a text breaks off is kept, and the files after it are read.
#[test]
fn reading_goes_on_behind_a_broken_file() {
    let folder = Folder::new();
    let text = (0..40_000).map(|n| format!("number {n}\n")).collect::<String>();
    let bytes = gzip(text.as_bytes());
    folder.write("a.txt.gz", &bytes[..bytes.len() / 2]);
    folder.write("b.txt", b"after");
    let (pieces, faults) = read(&[folder.path()], skipping()).unwrap();
    let (after, before) = pieces.split_last().unwrap();
    assert_eq!((after.text.as_str(), faults.total()), ("after", 1));
    assert!(before.len() > 1 && text.starts_with(&texts(before).concat()));
    assert!(before.last().unwrap().ends_document);
}

#[test]
fn rows_and_columns_of_parquet() {
    let folder = Folder::new();
    let rows: [Option<&[u8]>; 5] = [Some(b"good"), None, Some(b"caf\xe9"), None, Some(b"good too")];
    let path = folder.write_parquet("a.parquet", &rows, Compression::SNAPPY);
    let kinds = [
        (FaultKind::MissingField, Some(Row(2))),
        (FaultKind::NotUtf8, Some(Row(3))),
        (FaultKind::MissingField, Some(Row(4))),
    ];
    check(path.clone(), ReadOptions::default(), &["good", "good too"], &kinds);

    for (field, kind) in [("nothing", FaultKind::MissingField), ("other", FaultKind::NotAString)] {
        let options = ReadOptions { field: field.to_owned(), ..ReadOptions::default() };
        check(path.clone(), options, &[], &[(kind, None)]);
    }

    let bytes = std::fs::read(&path).unwrap();
    let cut = folder.write("cut.parquet", &bytes[..bytes.len() - 20]);
    check(cut, ReadOptions::default(), &[], &[(FaultKind::Unreadable, None)]);
    // The pages between the magic number and the footer, whose length stands before the last magic number.
    let mut damaged = bytes;
    let (_, footer) = damaged.split_at(damaged.len() - 8);
    let pages = damaged.len() - 8 - u32::from_le_bytes(footer[..4].try_into().unwrap()) as usize;
    damaged[4..pages].fill(0xff);
    let path = folder.write("damaged.parquet", &damaged);
    check(path, ReadOptions::default(), &[], &[(FaultKind::Unreadable, Some(Row(1)))]);
}

/// Files with which fuzzing (`fuzz/`) made the crate `parquet` 60.1 panic.
#[test]
fn a_parquet_file_that_a_library_panics_at_is_damaged() {
    let folder = Folder::new();
    for (number, line) in include_str!("damaged_parquet.txt").lines().enumerate() {
        let path = folder.write(&format!("{number}.parquet"), &BASE64_STANDARD.decode(line).unwrap());
        let error = read(std::slice::from_ref(&path), ReadOptions::default()).unwrap_err().to_string();
        assert!(error.contains(&format!("{number}.parquet")) && !error.contains('\n'), "{error}");
        let (_, faults) = read(&[path], ReadOptions { faults: OnFault::Skip, ..ReadOptions::default() }).unwrap();
        assert!(faults.total() > 0, "{number}");
    }
}

/// Twenty thousand lists of two billion truth values each, in two hundred thousand bytes: the crate would go through all.
#[test]
fn a_footer_that_says_more_than_it_holds_is_damaged() {
    let folder = Folder::new();
    let list = [0x19, 0xf1, 0xff, 0xff, 0xff, 0xff, 0x07];
    let footer = [list.repeat(20_000), vec![0]].concat();
    let length = (footer.len() as u32).to_le_bytes();
    let path = folder.write("a.parquet", &[b"PAR1", footer.as_slice(), &length, b"PAR1"].concat());
    let error = read(&[path], ReadOptions::default()).unwrap_err().to_string();
    assert!(error.contains("a.parquet: its footer is damaged"), "{error}");
}
