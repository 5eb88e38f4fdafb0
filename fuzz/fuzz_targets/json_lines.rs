//! Files of text, plain or compressed: JSON Lines, JSON, CSV and text. The first byte says which.

#![no_main]

use libfuzzer_sys::fuzz_target;

const NAMES: [&str; 10] = [
    "a.jsonl",
    "a.jsonl.gz",
    "a.jsonl.zst",
    "a.txt",
    "a.txt.gz",
    "a.ndjson",
    "a.json",
    "a.csv",
    "a.json.xz",
    "a.csv.bz2",
];

fuzz_target!(|data: &[u8]| {
    let Some((&form, content)) = data.split_first() else { return };
    let path = hearth_fuzz::file(NAMES[usize::from(form) % NAMES.len()], content);
    hearth_fuzz::read_documents(path, (form >= 128).then_some("<|endoftext|>"));
});
