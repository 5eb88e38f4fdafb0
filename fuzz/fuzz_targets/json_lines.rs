//! Files of text that are read line by line: JSON Lines, plain or compressed, and text. The first byte says which.

#![no_main]

use libfuzzer_sys::fuzz_target;

const NAMES: [&str; 6] = ["a.jsonl", "a.jsonl.gz", "a.jsonl.zst", "a.txt", "a.txt.gz", "a.ndjson"];

fuzz_target!(|data: &[u8]| {
    let Some((&form, content)) = data.split_first() else { return };
    let path = hearth_fuzz::file(NAMES[usize::from(form) % NAMES.len()], content);
    hearth_fuzz::read_documents(path, (form >= 128).then_some("<|endoftext|>"));
});
