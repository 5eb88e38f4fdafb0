use std::{ops::ControlFlow, sync::Arc};

use hearth_data::Tokenizer;
use hearth_train::{DeviceChoice, Event, Run, Start, TrainError, devices::open, run::RunTokens};

use super::{config, tokens};

fn run(settings: &[&str], folder: &std::path::Path) -> Run {
    let (train, validation) = tokens().split(0.1).unwrap();
    let tokens = RunTokens { train: Arc::new(train), validation: Arc::new(validation), tokenizer: Tokenizer::byte() };
    Run::new(config(settings), open(DeviceChoice::Cpu).unwrap(), folder).tokens(tokens)
}

/// Tokens, a listener and a model go in as values, and the model comes out.
#[test]
fn a_program_feeds_hears_and_ends_a_run() {
    let folder = tempfile::tempdir().unwrap();
    let hear = |event: &Event| match event {
        Event::Step(metrics) if metrics.step == 1 => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    };
    let summary = run(&["limits.steps=50"], &folder.path().join("first")).on_event(hear).go().unwrap();
    assert!(summary.interrupted && (2..=3).contains(&summary.steps), "{}", summary.steps);
    // A run that is to end has no time for an evaluation.
    assert_eq!(summary.val_loss, None);

    let summary = run(&["limits.steps=3"], &folder.path().join("whole")).go().unwrap();
    let (tell, told) = std::sync::mpsc::channel();
    let hear = move |event: &Event| {
        if let Event::Evaluation(metrics) = event {
            tell.send((metrics.step, metrics.val_loss.unwrap())).unwrap();
        }
        ControlFlow::Continue(())
    };
    let second = run(&["limits.steps=1", "evaluation.every=1"], &folder.path().join("second"));
    second.model(summary.model).on_event(hear).go().unwrap();
    assert_eq!(told.iter().next().unwrap(), (0, summary.val_loss.unwrap()));
}

/// A folder is claimed before anything in it is looked at: another process may be about to write a newer checkpoint.
#[test]
fn a_folder_is_claimed_before_its_checkpoints_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    run(&["limits.steps=1"], &path).go().unwrap();
    std::fs::write(path.join("step-00000001/state.json"), "broken").unwrap();
    let other = std::fs::File::create(path.join(".lock")).unwrap();
    other.lock().unwrap();
    let again = || run(&["limits.steps=2"], &path).begin(Start::Auto).go().unwrap_err();
    assert!(matches!(again(), TrainError::RunBusy { .. }));
    drop(other);
    assert!(matches!(again(), TrainError::Resume { .. }));
}

#[test]
fn a_model_of_another_configuration_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let first = run(&["limits.steps=1"], &folder.path().join("first")).go().unwrap();
    let refused = |run: Run, said: &str| {
        let error = run.go().unwrap_err();
        assert!(matches!(error, TrainError::Config { .. }) && error.to_string().contains(said), "{error}");
    };
    let other = run(&["limits.steps=1", "model.layers=2"], &folder.path().join("other"));
    refused(other.model(first.model.clone()), "of another configuration than [model]");
    let resumed = run(&["limits.steps=2"], &folder.path().join("first")).begin(Start::Auto);
    refused(resumed.model(first.model), "has its model there");
}
