//! The worker as a page sees it.

use std::{collections::BTreeMap, ops::ControlFlow};

use hearth_data::Tokenizer;
use hearth_train::{
    DeviceChoice, Event, Run as NativeRun, Start, TrainConfig,
    checkpoint::{Folder, Store, newest},
    devices::open,
};

use crate::{
    messages::{Reply, Request, RunInfo, Settings, State, StorageState, TroubleKind},
    run::NamedFile,
    testing::{Files, Page, settings, text},
};

/// The uninterrupted run: its losses, and the files that it leaves.
fn whole() -> (BTreeMap<u32, f64>, BTreeMap<String, Vec<u8>>) {
    let files = Files::default();
    let mut page = Page::with_text(&files);
    page.ask(Request::Start { settings: settings() });
    page.until_state(State::Done);
    let losses = page.losses();
    drop(page);
    (losses, files.take())
}

/// What the tensors of a step are.
fn tensors(files: &BTreeMap<String, Vec<u8>>, step: u64) -> [&Vec<u8>; 2] {
    ["model", "optimizer"].map(|name| {
        let name = format!("step-{step:08}/{name}.safetensors");
        files.get(&name).unwrap_or_else(|| panic!("no {name} among {:?}", files.keys()))
    })
}

fn stored(page: &Page) -> Option<RunInfo> {
    page.told().into_iter().find_map(|reply| match reply {
        Reply::Ready { run, .. } => Some(run),
        _ => None,
    })?
}

#[test]
fn a_run_tells_what_happens_and_leaves_the_folder_of_a_native_one() {
    let (losses, files) = whole();
    assert_eq!(losses.keys().copied().collect::<Vec<_>>(), (0..12).collect::<Vec<_>>());
    assert!(losses[&11] < losses[&0] - 0.2, "{losses:?}");
    let names: Vec<&str> = files.keys().map(String::as_str).filter(|name| !name.starts_with("step-")).collect();
    assert_eq!(names, ["config.toml", "input.txt", "metrics.jsonl", "tokenizer.json"]);
    tensors(&files, 12);
    let metrics = String::from_utf8(files["metrics.jsonl"].clone()).unwrap();
    assert_eq!(metrics.lines().filter(|line| line.contains("train_loss")).count(), 12, "{metrics}");
    assert!(metrics.contains(r#"{"event":"sample","step":6,"prompt":"th""#), "{metrics}");
    assert!(files["input.txt"] == text().as_bytes());
}

#[test]
fn the_page_hears_of_each_state_once() {
    let mut page = Page::with_text(&Files::default());
    page.ask(Request::Start { settings: settings() });
    page.until_state(State::Done);
    let told = page.told();
    let states: Vec<State> = told
        .iter()
        .filter_map(|reply| match reply {
            Reply::State { state, .. } => Some(*state),
            _ => None,
        })
        .collect();
    assert_eq!(states, [State::Starting, State::Training, State::Done]);
    let count = |is_such: fn(&Reply) -> bool| told.iter().filter(|reply| is_such(reply)).count();
    assert_eq!(count(|reply| matches!(reply, Reply::Evaluation { .. })), 4, "0, 5, 10 and the end");
    let saved = |reply: &Reply| match reply {
        Reply::Saved { step, bytes, stored: true } => Some((*step, *bytes > 1000.0)),
        _ => None,
    };
    let saved: Vec<(u32, bool)> = told.iter().filter_map(saved).collect();
    assert!(saved.is_sorted() && saved.len() >= 3 && saved.last() == Some(&(12, true)), "{saved:?}");
    assert_eq!(count(|reply| matches!(reply, Reply::Trouble { .. })), 0);
}

/// A tab that is closed at any moment, while it writes too, loses nothing that stood, and the run goes on to the same bits.
#[test]
fn a_killed_tab_goes_on_to_the_same_bits() {
    let (losses, whole) = whole();
    for turns in (5..400).step_by(13) {
        let files = Files::default();
        let mut page = Page::with_text(&files);
        page.ask(Request::Start { settings: settings() });
        (0..turns).for_each(|_| page.turn());
        drop(page);

        let mut page = Page::with_text(&files);
        match stored(&page) {
            Some(run) => {
                assert!(run.has_text && run.is_plain && run.steps == 12, "{run:?}");
                assert_eq!(Settings { steps: 12, ..run.settings }, settings());
                page.ask(Request::Continue { steps: 12 });
            }
            None => page.ask(Request::Start { settings: settings() }),
        }
        page.until_state(State::Done);
        for (step, loss) in page.losses() {
            assert_eq!(loss, losses[&step], "step {step} after {turns} turns");
        }
        drop(page);
        assert!(tensors(&files.borrow(), 12) == tensors(&whole, 12), "after {turns} turns");
    }
}

#[test]
fn a_run_pauses_and_goes_on_step_by_step_and_answers_meanwhile() {
    let (losses, whole) = whole();
    let files = Files::default();
    let mut page = Page::with_text(&files);
    page.ask(Request::Start { settings: settings() });
    page.until(|reply| matches!(reply, Reply::Steps { .. }));
    page.ask(Request::Pause);
    page.until_state(State::Paused);
    let before = page.losses().len();
    (0..50).for_each(|_| page.turn());
    assert_eq!(page.losses().len(), before);

    let saved = |files: &Files| {
        files
            .borrow()
            .keys()
            .filter_map(|name| name.split('/').next()?.strip_prefix("step-")?.parse::<usize>().ok())
            .max()
    };
    assert_eq!(saved(&files), Some(before), "a pause has the checkpoint of its step");
    page.ask(Request::Step { count: 2 });
    page.until_state(State::Paused);
    assert_eq!((page.losses().len(), saved(&files)), (before + 2, Some(before)));
    page.ask(Request::Save);
    page.until(|reply| matches!(reply, Reply::Saved { stored: true, .. }));
    assert_eq!(saved(&files), Some(before + 2));
    let generate = |id| Request::Generate { id, prompt: "th".into(), tokens: 20, temperature: 0.8, top_k: 0, seed: 1 };
    page.ask(generate(7));
    let drawn = page.until(|reply| matches!(reply, Reply::Generated { .. }));
    assert_eq!(drawn, Reply::Generated { id: 7, tokens: 20, end: "tokens".into() });
    page.ask(generate(8));
    page.until(|reply| matches!(reply, Reply::Token { id: 8, .. }));
    page.ask(Request::Cancel { id: 8 });
    let drawn = page.until(|reply| matches!(reply, Reply::Generated { .. }));
    assert!(matches!(drawn, Reply::Generated { id: 8, tokens: 0..10, .. }), "{drawn:?}");
    // One that is cancelled before it has begun is answered, too.
    page.ask(generate(8));
    page.ask(Request::Cancel { id: 8 });
    let drawn = page.until(|reply| matches!(reply, Reply::Generated { .. }));
    assert_eq!(drawn, Reply::Generated { id: 8, tokens: 0, end: "interrupted".into() });
    page.ask(Request::Look { id: 9, prompt: "the king".into(), temperature: 1.0 });
    let look = page.until(|reply| matches!(reply, Reply::Looked { .. }));
    assert!(matches!(look, Reply::Looked { id: 9, look } if look.tokens.len() == 8));
    page.ask(Request::Look { id: 10, prompt: "é".into(), temperature: 1.0 });
    let trouble = page.until_trouble();
    assert!(trouble.id == Some(10) && trouble.words.contains("'é'"), "{trouble:?}");
    page.ask(Request::Probe { id: 11, settings: settings() });
    assert_eq!(page.until_trouble().kind, TroubleKind::NotNow);
    page.ask(Request::Plan { id: 14, settings: settings() });

    page.ask(Request::Resume);
    page.ask(generate(12));
    page.until_state(State::Done);
    assert_eq!(page.losses(), losses);
    page.until(|reply| matches!(reply, Reply::Plan { id: 14, .. }));
    page.ask(generate(13));
    page.until(|reply| matches!(reply, Reply::Generated { id: 13, .. }));
    drop(page);
    assert!(tensors(&files.borrow(), 12) == tensors(&whole, 12));
}

#[test]
fn a_run_that_is_stopped_goes_on_and_one_that_is_done_goes_further() {
    let (_, whole) = whole();
    let files = Files::default();
    let mut page = Page::with_text(&files);
    page.ask(Request::Start { settings: settings() });
    page.until(|reply| matches!(reply, Reply::Steps { .. }));
    page.ask(Request::Stop);
    page.until_state(State::Done);
    page.ask(Request::Continue { steps: 12 });
    page.until_state(State::Done);
    assert!(tensors(&files.borrow(), 12) == tensors(&whole, 12));
    page.ask(Request::Continue { steps: 15 });
    page.until_state(State::Done);
    assert_eq!(*page.losses().last_key_value().unwrap().0, 14);
    tensors(&files.borrow(), 15);
}

/// The files that the page takes home.
fn exported(page: &mut Page) -> Vec<NamedFile> {
    page.ask(Request::Export { id: 5 });
    match page.until_post(|reply| matches!(reply, Reply::Files { .. })) {
        (Reply::Files { names, command, .. }, parts) => {
            assert_eq!(command, "hearth train config.toml --out . --resume auto");
            names.into_iter().zip(parts).collect()
        }
        _ => unreachable!("that was asked for"),
    }
}

fn import(page: &Page, files: Vec<NamedFile>) {
    let (names, parts) = files.into_iter().unzip();
    page.ask_with(Request::Import { id: 6, names }, parts);
}

/// The same run natively, in a folder, until so many steps.
fn natively(folder: &std::path::Path, steps: u64, begin: Start) -> BTreeMap<u32, f64> {
    let vocabulary = Tokenizer::chars_of(text()).unwrap().vocab_size();
    let config = Settings { steps: 12, ..settings() }.config(vocabulary).unwrap();
    let config = TrainConfig::parse(&config.to_toml(), "config.toml", &[format!("limits.steps={steps}")]).unwrap();
    let losses = std::rc::Rc::new(std::cell::RefCell::new(BTreeMap::new()));
    let heard = losses.clone();
    let run = NativeRun::new(config, open(DeviceChoice::Cpu).unwrap(), folder).text(text()).begin(begin);
    run.on_event(move |event| {
        if let Event::Step(metrics) = event {
            heard.borrow_mut().insert(metrics.step as u32, metrics.train_loss.unwrap());
        }
        ControlFlow::Continue(())
    })
    .go()
    .unwrap();
    losses.take()
}

/// To a native folder and back, the run is the one that stayed, to the bit: here the page computes natively, too.
#[test]
fn a_run_moves_to_a_native_folder_and_back() {
    let (losses, whole) = whole();
    let mut page = Page::with_text(&Files::default());
    page.ask(Request::Start { settings: settings() });
    page.until(|reply| matches!(reply, Reply::Saved { step: 4, .. }));
    page.ask(Request::Stop);
    page.until_state(State::Done);
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in exported(&mut page) {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    let store: std::sync::Arc<dyn Store> = std::sync::Arc::new(Folder::new(folder.path()));
    let step = newest(&store, |_, _| ()).unwrap().expect("a checkpoint").step();
    // As far as a native run gets that was to have twelve steps and is stopped: its own figures would change the schedule.
    let there = natively(folder.path(), 12, Start::Auto);
    assert!(there.iter().all(|(step, loss)| *loss == losses[step]) && there.len() as u64 == 12 - step, "{there:?}");
    let read = |name: &str| std::fs::read(folder.path().join(format!("step-00000012/{name}"))).unwrap();
    assert!([&read("model.safetensors"), &read("optimizer.safetensors")] == tensors(&whole, 12));

    let mut back = Page::with_text(&Files::default());
    let files = std::fs::read_dir(folder.path().join("step-00000012")).unwrap().map(|entry| {
        let path = entry.unwrap().path();
        (format!("step-00000012/{}", path.file_name().unwrap().display()), std::fs::read(&path).unwrap())
    });
    import(&back, files.collect());
    let found = back.until(|reply| matches!(reply, Reply::Run { .. }));
    let Reply::Run { run: Some(run), .. } = found else { panic!("{found:?}") };
    assert!(run.step == 12 && run.has_text && run.parameters > 1000.0, "{run:?}");
    back.ask(Request::Continue { steps: 14 });
    back.until_state(State::Done);
}

#[test]
fn a_full_storage_is_said_and_the_checkpoint_before_is_kept() {
    let files = Files::default();
    let mut page = Page::with_text(&files);
    page.ask(Request::Start { settings: settings() });
    page.until(|reply| matches!(reply, Reply::Saved { step: 4, stored: true, .. }));
    let used: usize = files.borrow().values().map(Vec::len).sum();
    page.set_room(used + 100);
    let trouble = page.until_trouble();
    assert!(trouble.kind == TroubleKind::StorageFull && trouble.words.contains("kept"), "{trouble:?}");
    page.until(|reply| matches!(reply, Reply::Saved { stored: false, .. }));
    page.until_state(State::Done);
    assert_eq!(exported(&mut page).iter().filter(|(name, _)| name == "step-00000012/manifest.json").count(), 1);
    drop(page);
    let page = Page::open(&files);
    assert!(stored(&page).unwrap().step >= 4);
}

#[test]
fn without_storage_a_run_trains_and_can_be_taken_home() {
    for storage in [StorageState::OtherTab, StorageState::Unavailable] {
        let files = Files::default();
        let mut page = Page::with_storage(&files, storage);
        page.ask_with(Request::Text { id: 1, name: "a.txt".into() }, vec![text().into()]);
        page.ask(Request::Start { settings: settings() });
        page.until(|reply| matches!(reply, Reply::Saved { stored: false, .. }));
        page.until_state(State::Done);
        assert!(files.borrow().is_empty() && exported(&mut page).len() > 10);
    }
}

#[test]
fn what_is_broken_is_passed_over_in_words() {
    let (_, whole) = whole();
    let newest = "step-00000012/model.safetensors";
    let with = |change: fn(&mut Vec<u8>), all: bool| {
        let mut files = whole.clone();
        for (name, content) in &mut files {
            if name == newest || (all && name.ends_with("model.safetensors")) {
                change(content);
            }
        }
        Files::new(files.into())
    };
    let page = Page::open(&with(|content| content[200] ^= 1, false));
    let run = stored(&page).unwrap();
    assert!(run.step < 12 && run.notes[0].contains("was changed since it was written"), "{run:?}");
    let mut page = Page::open(&with(|content| content.truncate(9), true));
    let trouble = page.until_trouble();
    assert!(stored(&page).is_none() && trouble.kind == TroubleKind::BadCheckpoint, "{trouble:?}");

    let mut page = Page::open(&Files::default());
    import(&page, vec![("photo.jpg".into(), vec![0; 9])]);
    assert!(page.until_trouble().words.contains("no checkpoint in it"));
    // One of a later version.
    let newer = whole.iter().filter(|(name, _)| name.starts_with("step-00000012/")).map(|(name, content)| {
        let text = String::from_utf8_lossy(content);
        let is_manifest = name.ends_with("manifest.json");
        (
            name.clone(),
            if is_manifest { text.replace("\"format\": ", "\"format\": 9").into_bytes() } else { content.clone() },
        )
    });
    import(&page, newer.collect());
    let trouble = page.until_trouble();
    assert!(trouble.kind == TroubleKind::BadCheckpoint && trouble.id == Some(6), "{trouble:?}");
}

#[test]
fn what_cannot_be_is_refused_in_words() {
    let mut page = Page::open(&Files::default());
    let mut refused = |request: Request, parts: Vec<Vec<u8>>| {
        page.ask_with(request, parts);
        page.until_trouble()
    };
    let start = || Request::Start { settings: settings() };
    assert_eq!(refused(start(), Vec::new()).kind, TroubleKind::NotNow);
    let text_of = |id| Request::Text { id, name: "a.bin".into() };
    let trouble = refused(text_of(3), vec![vec![0xff, 0xfe, 0, 0, 1]]);
    assert!(trouble.kind == TroubleKind::NotText && trouble.id == Some(3), "{trouble:?}");
    assert_eq!(refused(text_of(4), vec![Vec::new()]).kind, TroubleKind::NotText);
    assert_eq!(refused(Request::Continue { steps: 5 }, Vec::new()).kind, TroubleKind::NotNow);
    assert_eq!(refused(Request::Export { id: 1 }, Vec::new()).kind, TroubleKind::NotNow);
    let generate = Request::Generate { id: 2, prompt: String::new(), tokens: 1, temperature: 1.0, top_k: 0, seed: 0 };
    assert_eq!(refused(generate, Vec::new()).kind, TroubleKind::NotNow);
    let trouble = refused(Request::Plan { id: 9, settings: Settings { heads: 5, ..settings() } }, Vec::new());
    assert!(trouble.kind == TroubleKind::Settings && trouble.id == Some(9), "{trouble:?}");

    page.ask_with(text_of(5), vec![b"too short".to_vec()]);
    page.ask(start());
    let trouble = page.until_trouble();
    assert!(trouble.kind == TroubleKind::TextTooShort, "{trouble:?}");
    assert!(!trouble.can_continue);
}

/// What cannot begin leaves the run that is kept alone.
#[test]
fn a_start_that_is_refused_removes_nothing() {
    let (_, whole) = whole();
    let files = Files::new(whole.clone().into());
    let mut page = Page::open(&files);
    page.ask_with(Request::Text { id: 5, name: "a.txt".into() }, vec![b"too short".to_vec()]);
    page.ask(Request::Start { settings: settings() });
    assert_eq!(page.until_trouble().kind, TroubleKind::TextTooShort);
    page.ask_with(Request::Text { id: 6, name: "a.txt".into() }, vec![text().into()]);
    page.ask(Request::Start { settings: Settings { width: 4096, layers: 64, heads: 64, ..settings() } });
    assert_eq!(page.until_trouble().kind, TroubleKind::Limit);
    drop(page);
    assert!(*files.borrow() == whole);
}

#[test]
fn a_diverging_run_says_so_and_keeps_what_stood() {
    let mut page = Page::with_text(&Files::default());
    let wild =
        Settings { learning_rate: 1e30, save_every: 0, evaluate_every: 0, sample_every: 0, steps: 60, ..settings() };
    page.ask(Request::Start { settings: wild });
    let trouble = page.until_trouble();
    assert!(trouble.kind == TroubleKind::Diverged, "{trouble:?}");
}

#[test]
fn plans_probes_and_certificates_are_answered() {
    let mut page = Page::open(&Files::default());
    page.ask(Request::Plan { id: 1, settings: settings() });
    let plan = page.until(|reply| matches!(reply, Reply::Plan { .. }));
    assert!(matches!(plan, Reply::Plan { id: 1, plan } if plan.refused.is_none() && plan.tokens_per_step == 64.0));
    page.ask(Request::Probe { id: 2, settings: settings() });
    let probe = page.until(|reply| matches!(reply, Reply::Probe { .. }));
    assert!(matches!(probe, Reply::Probe { id: 2, seconds_per_step, .. } if seconds_per_step > 0.0));
    page.ask(Request::Certify { id: 3 });
    let found = page.until(|reply| matches!(reply, Reply::Certificate { .. }));
    assert!(
        matches!(&found, Reply::Certificate { certificate, .. } if certificate.passed && certificate.rows.len() == 3)
    );
}
