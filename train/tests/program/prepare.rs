//! `hearth prepare` as a user meets it: standard input, folders and what is said.

use std::{
    fs::{self, File},
    io::Write,
    path::Path,
    process::{Command, Output, Stdio},
};

use hearth_data::{Split, TokenFiles};

/// Runs `hearth prepare` with byte tokens in `folder`, with `input` on standard input.
fn prepare(arguments: &[&str], folder: &Path, input: &[u8]) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_hearth"));
    program.arg("prepare").args(arguments).current_dir(folder);
    let mut program = program.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // One that refuses its arguments reads nothing.
    let _ = program.stdin.take().unwrap().write_all(input);
    program.wait_with_output().unwrap()
}

const BYTES: [&str; 4] = ["--tokenizer", "byte", "--validation-fraction", "0"];

/// What it says on standard error where it succeeds.
fn prepared(arguments: &[&str], folder: &Path, input: &[u8]) -> String {
    let output = prepare(arguments, folder, input);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{arguments:?}: {stderr}");
    stderr
}

/// The one sentence with which it refuses.
fn refused(arguments: &[&str], folder: &Path, input: &[u8]) -> String {
    let output = prepare(arguments, folder, input);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {stderr}");
    stderr.lines().last().unwrap().strip_prefix("error: ").expect("an error comes last").to_owned()
}

/// The training documents of a folder of byte tokens.
fn documents(folder: &Path) -> Vec<String> {
    let files = TokenFiles::open_prepared(folder, Split::Train, None).unwrap();
    let text = |document| {
        let range = files.document(document).unwrap();
        let mut ids = vec![0; (range.end - range.start) as usize];
        files.copy(range.start, &mut ids).unwrap();
        String::from_utf8(ids.iter().map(|&id| u8::try_from(id).unwrap()).collect()).unwrap()
    };
    (0..files.documents()).map(text).collect()
}

#[test]
fn standard_input_is_read_once() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let from_input = |out: &str, input: &[u8]| {
        prepared(&[&["-", "--out", out], &BYTES[..]].concat(), folder, input);
        documents(&folder.join(out))
    };
    assert_eq!(from_input("plain", b"one\ntwo\n"), ["one\ntwo\n"]);
    assert_eq!(from_input("lines", b"{\"text\":\"one\"}\n{\"text\":\"two\"}\n"), ["one", "two"]);
    assert_eq!(from_input("array", b"\n[ {\"text\":\"one\"},\n{\"text\":\"two\"} ]"), ["one", "two"]);
    assert_eq!(from_input("braces", b"{ this } is text"), ["{ this } is text"]);

    let again = refused(&[&["-", "--out", "plain"], &BYTES[..]].concat(), folder, b"other text");
    assert!(again.starts_with("plain has shards already") && again.contains("standard input"), "{again}");
    let broken = refused(&[&["-", "--out", "x"], &BYTES[..]].concat(), folder, b"{\"text\":\"one\"}\n{\"text\":");
    assert!(broken.starts_with("standard input, line 2: "), "{broken}");
    let learned = refused(&["-", "--vocab-size", "300", "--out", "y"], folder, b"text");
    assert!(learned.starts_with("--vocab-size 300: standard input is read once"), "{learned}");
}

#[test]
fn a_folder_is_read_without_what_is_about_it_and_what_came_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::create_dir(folder.join("set")).unwrap();
    for (name, text) in [("README.md", "# A card"), ("a.json", "[{\"text\":\"one\"}]"), ("b.txt", "two")] {
        fs::write(folder.join("set").join(name), text).unwrap();
    }
    let within = [&["set", "--out", "set/tokens"], &BYTES[..]].concat();
    let said = prepared(&within, folder, b"");
    assert!(said.contains("not read") && said.contains("set/README.md"), "{said}");
    assert_eq!(documents(&folder.join("set/tokens")), ["one", "two"]);
    // Its own shards are not among the files that it reads.
    let again = String::from_utf8(prepare(&within, folder, b"").stdout).unwrap();
    assert!(again.contains("was finished before"), "{again}");

    fs::create_dir(folder.join("same")).unwrap();
    fs::write(folder.join("same/a.txt"), "text").unwrap();
    let same = refused(&[&["same", "--out", "./same"], &BYTES[..]].concat(), folder, b"");
    assert_eq!(same, "--out is same, which is read: give a folder of its own");
    let shards = refused(&[&["set/tokens", "--out", "z"], &BYTES[..]].concat(), folder, b"");
    assert!(shards.starts_with("set/tokens is a folder that `hearth prepare` wrote"), "{shards}");

    let lock = File::create(folder.join("set/tokens/.lock")).unwrap();
    lock.try_lock().unwrap();
    let busy = refused(&within, folder, b"");
    assert!(busy.starts_with("another process prepares set/tokens"), "{busy}");
}

#[test]
fn another_size_of_the_vocabulary_is_refused_once_shards_depend_on_it() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let lines: String = (0..200).map(|n| format!("{{\"text\":\"line {n} of a text\"}}\n")).collect();
    fs::write(folder.join("a.jsonl"), lines).unwrap();
    let with_size = |size| ["a.jsonl", "--vocab-size", size, "--validation-fraction", "0", "--out", "t"];
    prepared(&with_size("270"), folder, b"");
    let refusal = refused(&with_size("280"), folder, b"");
    assert!(refusal.contains("`vocab_size` = 270, now it is 280"), "{refusal}");
    prepared(&with_size("270"), folder, b"");

    // As a kill before the first shard leaves it: the tokenizer is there, and nothing that depends on it.
    let manifest = fs::read_to_string(folder.join("t/prepare.json")).unwrap();
    let begun = manifest.replace("\"shards\": 1", "\"shards\": 0").replace("\"finished\": true", "\"finished\": false");
    assert_ne!(begun, manifest);
    fs::write(folder.join("t/prepare.json"), begun).unwrap();
    prepared(&with_size("280"), folder, b"");
    let saved = fs::read(folder.join("t/tokenizer.json")).unwrap();
    let tokenizer: hearth_data::Tokenizer = serde_json::from_slice(&saved).unwrap();
    assert_eq!(tokenizer.vocab_size(), 280);
}

#[test]
fn the_token_between_documents_is_the_one_that_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("a.txt"), "one\n<turn>\ntwo\n").unwrap();
    let learned = hearth_data::Tokenizer::train_bpe(std::iter::empty(), 257).unwrap();
    let mut tokenizer = serde_json::to_value(learned).unwrap()["tokenizer"].take();
    let mut turn = tokenizer["added_tokens"][0].clone();
    (turn["id"], turn["content"]) = (257.into(), "<turn>".into());
    tokenizer["added_tokens"].as_array_mut().unwrap().push(turn);
    fs::write(folder.join("tokenizer.json"), tokenizer.to_string()).unwrap();
    let end = |more: &[&str], out| {
        let arguments =
            [&["a.txt", "--tokenizer", "tokenizer.json", "--validation-fraction", "0", "--out", out], more].concat();
        prepared(&arguments, folder, b"");
        let files = TokenFiles::open_prepared(&folder.join(out), Split::Train, None).unwrap();
        let mut last = [0];
        files.copy(files.len() - 1, &mut last).unwrap();
        (last[0], files.documents())
    };
    assert_eq!(end(&[], "plain"), (0, 1));
    assert_eq!(end(&["--separator", "<turn>"], "separator"), (257, 2));
    assert_eq!(end(&["--separator", "one"], "word"), (0, 1));
    assert_eq!(end(&["--separator", "<turn>", "--end-of-text", "<|endoftext|>"], "named"), (0, 2));
    let error = |more: &[&str]| {
        let arguments = [&["a.txt", "--out", "no"], more].concat();
        refused(&arguments, folder, b"")
    };
    let unknown = error(&["--tokenizer", "tokenizer.json", "--end-of-text", "<eos>"]);
    assert!(unknown.contains("has no token \"<eos>\""), "{unknown}");
    assert!(error(&["--tokenizer", "byte", "--end-of-text", "<eos>"]).contains("has no token \"<eos>\""));
    assert!(error(&["--tokenizer", "byte", "--pattern", "x"]).starts_with("--pattern 'x' cuts text"));
}

#[test]
fn a_part_that_gets_nothing_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("a.jsonl"), "{\"text\":\"one\"}\n").unwrap();
    let with_fraction = |fraction, out| {
        let said =
            prepared(&["a.jsonl", "--tokenizer", "byte", "--validation-fraction", fraction, "--out", out], folder, b"");
        said.lines().last().unwrap_or_default().to_owned()
    };
    assert!(with_fraction("0", "none").starts_with("nothing stands between documents"));
    let said = with_fraction("0.000001", "small");
    assert!(
        said.starts_with("no document went to validation at --validation-fraction 0.000001: prepare into"),
        "{said}"
    );
    let said = with_fraction("0.999999", "large");
    assert!(said.starts_with("no document went to training at --validation-fraction 0.999999: prepare into"), "{said}");
}

/// Pages of text are split at any usual fraction.
#[test]
fn a_short_text_alone_has_both_parts() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let text: String = (0..1_000).map(|n| format!("line {n} of a text that is alone, and not long.\n")).collect();
    fs::write(folder.join("a.txt"), &text).unwrap();
    for fraction in ["0.1", "0.5", "0.9"] {
        let out = folder.join(fraction);
        let arguments = ["a.txt", "--tokenizer", "byte", "--validation-fraction", fraction, "--out", fraction];
        prepared(&arguments, folder, b"");
        let tokens = |split| TokenFiles::open_prepared(&out, split, None).unwrap().len() as f64;
        let (train, validation) = (tokens(Split::Train), tokens(Split::Validation));
        assert_eq!(train + validation, text.len() as f64);
        let wanted: f64 = fraction.parse().unwrap();
        let share = validation / text.len() as f64;
        assert!((wanted - 0.09..wanted + 0.09).contains(&share), "{share} of {fraction}");
    }
}

/// A separator is a line: one of none, or of two, parts nothing.
#[test]
fn a_separator_stands_on_a_line() {
    let folder = tempfile::tempdir().unwrap();
    for separator in ["", "  ", "a\nb"] {
        let arguments = ["-", "--out", "tokens", "--tokenizer", "byte", "--separator", separator];
        let sentence = refused(&arguments, folder.path(), b"text");
        assert!(sentence.contains("give what stands on a line of its own"), "{sentence}");
    }
}
