//! Rows of chats in shards: which tokens are trained, what is cut and left out, pairs, and stops.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use hearth_data::chat::ChatTemplate;
use hearth_data::{
    Counts, DataError, FaultKind, FaultPlace, FileFaults, OnFault, Outcome, Piece, PieceOrigin, Preparation,
    PrepareSettings, PrepareSummary, ReadOptions, RowSettings, Rows, Split, TokenFiles, TokenStream, Tokenizer,
};

const TEMPLATE: &str =
    "{% for m in messages %}{{ m.role[0] }}:{{ m.content }}\n{% endfor %}{% if add_generation_prompt %}a:{% endif %}";

fn settings() -> RowSettings {
    RowSettings { template: Some(ChatTemplate::new(TEMPLATE).unwrap()), ..RowSettings::default() }
}

const SETTINGS: PrepareSettings = PrepareSettings { validation_fraction: 0.0, shard_tokens: 1000, threads: 2 };
const SKIPPING: OnFault = OnFault::Skip;

fn pieces(rows: &[String]) -> Vec<Piece> {
    let piece = |(number, row): (u64, &String)| Piece {
        text: row.clone(),
        ends_document: true,
        key: number * 3,
        bytes_read: number,
        origin: Some(PieceOrigin { path: Arc::from(Path::new("a.jsonl")), place: FaultPlace::Line(number) }),
    };
    (1..).zip(rows).map(piece).collect()
}

struct Prepared {
    summary: PrepareSummary,
    faults: FileFaults,
}

/// Prepares `rows`; where `stop` is given, that row comes after the order to stop.
fn run(
    folder: &Path,
    rows: &[String],
    row_settings: &RowSettings,
    (settings, on_fault, stop): (PrepareSettings, OnFault, Option<usize>),
) -> Result<Prepared, DataError> {
    let reading = &ReadOptions { faults: on_fault, ..ReadOptions::default() };
    let tokenizer = &Tokenizer::byte();
    let preparation = Preparation { tokenizer, vocab_size: None, files: &[], reading, folder, settings };
    let (stopped, mut faults) = (AtomicBool::new(false), FileFaults::default());
    let mut pieces = pieces(rows).into_iter().enumerate().map(|(number, piece)| {
        stopped.fetch_or(Some(number) == stop, std::sync::atomic::Ordering::Relaxed);
        Ok(piece)
    });
    let summary = preparation.run_rows(row_settings, &mut pieces, &mut faults, &stopped, |_| {})?;
    Ok(Prepared { summary, faults })
}

/// Each document's text, in which what is trained stands in brackets.
fn documents(folder: &Path, split: Split) -> Vec<String> {
    let files = TokenFiles::open_prepared(folder, split, None).unwrap();
    files.verify().unwrap();
    let text = |document| {
        let range = files.document(document).unwrap();
        let length = (range.end - range.start) as usize;
        let (mut ids, mut mask) = (vec![0; length], vec![false; length]);
        files.copy(range.start, &mut ids).unwrap();
        files.trained(range.start, &mut mask).unwrap();
        let mut text = String::new();
        for (id, trained) in ids.iter().zip(mask) {
            let character = char::from(*id as u8);
            if trained { text.extend(['[', character, ']']) } else { text.push(character) }
        }
        text.replace("][", "")
    };
    (0..files.documents()).map(text).collect()
}

fn chat(user: &str, assistant: &str) -> String {
    format!(r#"{{"messages":[{{"role":"user","content":"{user}"}},{{"role":"assistant","content":"{assistant}"}}]}}"#)
}

fn owned(rows: &[&str]) -> Vec<String> {
    rows.iter().map(|row| (*row).to_owned()).collect()
}

#[test]
fn each_form_of_a_row_is_a_document_with_its_mask() {
    let folder = tempfile::tempdir().unwrap();
    let rows = owned(&[
        &chat("Hi", "Yo"),
        r#"{"text":"all of it"}"#,
        r#"{"prompt":"1+1=","completion":"2"}"#,
        r#"{"conversations":[{"from":"gpt","value":"A"},{"from":"human","value":"b"},{"from":"gpt","value":"C"}]}"#,
    ]);
    let prepared = run(folder.path(), &rows, &settings(), (SETTINGS, OnFault::Fail, None)).unwrap();
    let expected = ["u:Hi\na:[Yo\n]", "[all of it]", "1+1=[2]", "a:[A\n]u:b\na:[C\n]"];
    assert_eq!(documents(folder.path(), Split::Train), expected);
    let tokens = expected.concat().replace(['[', ']'], "").len() as u64;
    let untrained = "u:Hi\na:1+1=a:u:b\na:".len() as u64;
    assert_eq!(prepared.summary.train, Counts { shards: 1, tokens, documents: 4, untrained, ..Counts::default() });
    assert!(!prepared.summary.pairs && prepared.faults.total() == 0);
}

#[test]
fn rows_are_cut_left_out_and_counted_by_reason() {
    let folder = tempfile::tempdir().unwrap();
    let rows = owned(&[
        &chat("Hi", "Yo"),
        &chat("Hi", "a longer answer"),
        &chat("a question that is too long", "no"),
        r#"{"messages":[{"role":"user","content":"alone"}]}"#,
        r#"{"messages":[{"content":"nobody"}]}"#,
        r#"{"other":1}"#,
        r#"{"prompt":"x","completion":""}"#,
        r#"{"text":""}"#,
    ]);
    let cut = RowSettings { context_length: Some(11), ..settings() };
    let prepared = run(folder.path(), &rows, &cut, (SETTINGS, SKIPPING, None)).unwrap();
    assert_eq!(documents(folder.path(), Split::Train), ["u:Hi\na:[Yo\n]", "u:Hi\na:[a lon]"]);
    let counts = prepared.summary.train;
    assert_eq!((counts.documents, counts.cut, counts.left_out), (2, 1, 6));
    let by_kind: BTreeMap<_, _> = prepared.faults.counts().clone();
    let expected = [(FaultKind::NotARow, 2), (FaultKind::Untrained, 3), (FaultKind::TooLong, 1)];
    assert_eq!(by_kind, expected.into());
    let told: Vec<_> = prepared.faults.first().iter().map(ToString::to_string).collect();
    assert_eq!(told[0], "a.jsonl, line 3: none of its first 12 tokens is trained");
    assert!(
        told[1].starts_with("a.jsonl, line 4: none of the 1 messages to be trained is the assistant's"),
        "{told:?}"
    );
    assert_eq!(told[2], "a.jsonl, line 5: `messages[0].role` is missing, not a string, as \"user\" or \"assistant\"");
    assert!(
        told[3].starts_with("a.jsonl, line 6: `row` is an object with [\"other\"], not an object with"),
        "{told:?}"
    );

    // Where faults are not left out, one ends it; what is too long is no fault.
    let again = tempfile::tempdir().unwrap();
    let error = run(again.path(), &rows, &cut, (SETTINGS, OnFault::Fail, None)).err().unwrap().to_string();
    assert!(error.starts_with("a.jsonl, line 4: ") && error.contains("--faults skip"), "{error}");
    let kept = run(again.path(), &rows[..3], &cut, (SETTINGS, OnFault::Fail, None)).unwrap();
    assert_eq!((kept.summary.train.left_out, kept.summary.train.documents), (1, 2));
    let nothing = tempfile::tempdir().unwrap();
    let error = run(nothing.path(), &rows[3..], &cut, (SETTINGS, SKIPPING, None)).err().unwrap().to_string();
    assert!(error.starts_with("no row is left, 5 are left out, the first of them a.jsonl, line 1: "), "{error}");
}

#[test]
fn settings_of_rows_belong_to_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let rows = [chat("Hi", "Yo")];
    let begun = |row_settings: &RowSettings| run(folder.path(), &rows, row_settings, (SETTINGS, SKIPPING, None));
    begun(&settings()).unwrap();
    let other = ChatTemplate::new(TEMPLATE).unwrap().with_variable("x", 1).unwrap();
    for (field, row_settings) in [
        ("chat_template", RowSettings { template: Some(other), ..settings() }),
        ("context", RowSettings { context_length: Some(8), ..settings() }),
        ("rows", RowSettings { preferences: true, ..settings() }),
    ] {
        let error = begun(&row_settings).err().unwrap().to_string();
        assert!(error.contains(&format!("was begun with `{field}` = ")), "{error}");
    }
    assert_eq!(begun(&settings()).unwrap().summary.outcome, Outcome::AlreadyFinished);
    let error = run(&folder.path().join("x"), &rows, &RowSettings::default(), (SETTINGS, SKIPPING, None));
    assert!(error.err().unwrap().to_string().contains("no chat template is given"));
}

fn preference(prompt: &str, chosen: &str, rejected: &str) -> String {
    format!(r#"{{"prompt":"{prompt}","chosen":"{chosen}","rejected":"{rejected}"}}"#)
}

#[test]
fn pairs_are_two_documents_each_and_stay_together() {
    let folder = tempfile::tempdir().unwrap();
    let rows: Vec<_> = (0..60).map(|n| preference(&format!("{n}?"), &format!("yes {n}"), "no")).collect();
    let small = PrepareSettings { validation_fraction: 0.3, shard_tokens: 50, ..SETTINGS };
    let summary = run(folder.path(), &rows, &settings(), (small, OnFault::Fail, None)).unwrap().summary;
    assert!(summary.pairs && summary.train.shards > 5);
    let mut seen = Vec::new();
    for split in [Split::Train, Split::Validation] {
        let documents = documents(folder.path(), split);
        for pair in documents.chunks(2) {
            let [chosen, rejected] = pair else { panic!("half a pair") };
            let number: usize = chosen.split('?').next().unwrap().parse().unwrap();
            assert_eq!([chosen, rejected], [&format!("{number}?[yes {number}]"), &format!("{number}?[no]")]);
            seen.push(number);
        }
        let files = TokenFiles::open_prepared(folder.path(), split, None).unwrap();
        assert!(files.holds_pairs());
        let rows = Rows::pairs(Arc::new(files), 16, 1).unwrap();
        assert_eq!(rows.per_epoch(), documents.len() as u64 / 2);
    }
    seen.sort_unstable();
    assert_eq!(seen, (0..60).collect::<Vec<_>>());

    // One that is cut before its completion leaves the whole pair out.
    let cut = RowSettings { context_length: Some(3), ..settings() };
    let cut_folder = tempfile::tempdir().unwrap();
    let rows = [preference("1?", "yes", "no"), preference("1234?", "yes", "no")];
    let counts = run(cut_folder.path(), &rows, &cut, (SETTINGS, OnFault::Fail, None)).unwrap().summary.train;
    assert_eq!((counts.documents, counts.cut, counts.left_out), (2, 1, 1));
    assert_eq!(documents(cut_folder.path(), Split::Train), ["1?[ye]", "1?[no]"]);
}

#[test]
fn preferences_among_other_rows_are_refused_either_way() {
    let folder = tempfile::tempdir().unwrap();
    let rows = [preference("1?", "yes", "no"), chat("Hi", "Yo")];
    let refused = |rows: &[String], row_settings: &RowSettings| {
        run(folder.path(), rows, row_settings, (SETTINGS, SKIPPING, None)).err().unwrap().to_string()
    };
    assert!(refused(&rows, &settings()).starts_with("a.jsonl, line 2: this row is no preference, unlike those before"));
    let turned = [rows[1].clone(), rows[0].clone()];
    assert!(refused(&turned, &settings()).starts_with("a.jsonl, line 2: this row is a preference, unlike"));
    // One with messages is a chat, unless preferences are asked for.
    let both =
        [r#"{"prompt":"1","chosen":"y","rejected":"n","messages":[{"role":"assistant","content":"y"}]}"#.to_owned()];
    run(folder.path(), &both, &settings(), (SETTINGS, SKIPPING, None)).unwrap();
    assert_eq!(documents(folder.path(), Split::Train), ["a:[y\n]"]);
    let asked = RowSettings { preferences: true, ..settings() };
    let other = tempfile::tempdir().unwrap();
    assert!(run(other.path(), &both, &asked, (SETTINGS, SKIPPING, None)).unwrap().summary.pairs);
}

/// Names and contents of the files in a folder, without the lock.
fn contents(folder: &Path) -> BTreeMap<std::path::PathBuf, Vec<u8>> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let paths = paths.filter(|path| !path.ends_with(".lock"));
    paths.map(|path| (path.file_name().unwrap().into(), fs::read(&path).unwrap())).collect()
}

#[test]
fn goes_on_after_stops_to_the_same_bytes_and_counts() {
    let long = "x".repeat(9000);
    for pairs in [false, true] {
        // Padded, so that a batch has but some rows; every fifth row is left out, every third cut.
        let row = |n: usize| match (n % 5, pairs) {
            (4, _) => format!(r#"{{"text":"","pad":"{long}"}}"#),
            (_, true) => {
                format!(r#"{{"prompt":"{n}","chosen":"{}","rejected":"no","pad":"{long}"}}"#, "y".repeat(n % 30))
            }
            (_, false) => format!(r#"{{"prompt":"{n}","completion":"{}!","pad":"{long}"}}"#, "y".repeat(n % 30)),
        };
        let rows: Vec<_> = (1..120).map(row).collect();
        let settings = RowSettings { context_length: Some(20), ..settings() };
        let small = PrepareSettings { validation_fraction: 0.3, shard_tokens: 70, threads: 3 };
        let reference = tempfile::tempdir().unwrap();
        let whole = run(reference.path(), &rows, &settings, (small, SKIPPING, None)).unwrap();
        let both = [whole.summary.train, whole.summary.validation];
        let sum = |field: fn(&Counts) -> u64| both.iter().map(field).sum::<u64>();
        assert_eq!(sum(|counts| counts.left_out), whole.faults.total());
        assert!(sum(|counts| counts.cut) > 10 && sum(|counts| counts.shards) > 10);
        for stops in [vec![5], vec![40, 41, 80], vec![100, 118]] {
            let folder = tempfile::tempdir().unwrap();
            for stop in &stops {
                let stopped = run(folder.path(), &rows, &settings, (small, SKIPPING, Some(*stop))).unwrap();
                assert_eq!(stopped.summary.outcome, Outcome::Stopped);
            }
            let summary = run(folder.path(), &rows, &settings, (small, SKIPPING, None)).unwrap().summary;
            assert_eq!((summary.train, summary.validation), (both[0], both[1]), "{stops:?}");
            assert!(contents(folder.path()) == contents(reference.path()), "stopped at {stops:?}");
        }
    }
}
