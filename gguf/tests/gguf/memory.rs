//! Headers that cost the most memory for their size.

use std::fs;

use hearth_gguf::Gguf;

use crate::{counted::peak_of, hostile::Bytes};

#[track_caller]
fn check(what: &str, bytes: Bytes, valid: bool) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large.gguf");
    fs::write(&path, &bytes.0).unwrap();
    let (opened, peak) = peak_of(|| Gguf::open(&path));
    assert_eq!(opened.is_ok(), valid, "{what}: {:?}", opened.err());
    let multiple = peak as f64 / bytes.0.len() as f64;
    assert!(multiple < 8.0, "{what}: {multiple:.1} times the size of the file");
}

#[test]
fn is_a_small_multiple_of_the_file() {
    const MANY: u32 = 20_000;
    let array = |element: u32, count: u32| Bytes::header(0, 1).string(b"a").u32(9).u32(element).u64(count.into());
    check("strings of one byte", (0..MANY).fold(array(8, MANY), |bytes, _| bytes.string(b"x")), true);
    check("empty strings", (0..MANY).fold(array(8, MANY), |bytes, _| bytes.string(b"")), true);
    check("empty arrays", (0..MANY).fold(array(9, MANY), |bytes, _| bytes.u32(0).u64(0)), true);
    let pairs = (0..MANY).fold(Bytes::header(0, MANY.into()), |bytes, index| {
        bytes.string(&char::from_u32(index + 1).unwrap().to_string().into_bytes()).u32(0).raw(&[0])
    });
    check("short keys", pairs, true);
    let tensors = (0..MANY).fold(Bytes::header(MANY.into(), 0), |bytes, index| {
        bytes.tensor(&char::from_u32(index + 1).unwrap().to_string(), &[1], 24, u64::from(index) * 32)
    });
    check("small tensors without data", tensors, false);
    // Each level asks for as many as the rest could hold, and has none of them.
    let nested = (0..2).fold(array(9, MANY), |bytes, _| bytes.u32(9).u64(MANY.into()));
    check("counts one in the other", nested.raw(&vec![0; 12 * MANY as usize]), false);
    check("a long key", Bytes::header(0, 1).string(&vec![b'k'; 1 << 20]).u32(99).u64(0), false);
}
