//! The run of a page, compiled for wasm32 and executed by Node, against the native one.
//!
//! `HEARTH_WASM` names the module that `.ci/wasm` builds; without it the tests say that they are left out.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use hearth_train::checkpoint::{Folder, Store, newest};
use hearth_web_check::train;

/// What two libraries of mathematics may come to in ten steps.
const TOLERANCE: f64 = 1e-5;

fn module() -> Option<PathBuf> {
    let path = std::env::var_os("HEARTH_WASM").map(PathBuf::from);
    if path.is_none() {
        eprintln!("SKIPPED: HEARTH_WASM names no module: run .ci/web");
    }
    path
}

/// Trains in wasm until `steps`, from the newest checkpoint in `folder`, and leaves one there. The losses.
fn in_node(module: &Path, folder: &Path, steps: u64) -> Vec<f64> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("run.mjs");
    let output = Command::new("node").arg(script).arg(module).arg(folder).arg(steps.to_string()).output();
    let output = output.expect("node is installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("the losses")
}

/// The same natively.
fn natively(folder: &Path, steps: u64) -> Vec<f64> {
    let store: Arc<dyn Store> = Arc::new(Folder::new(folder));
    pollster::block_on(train(&store, steps)).unwrap()
}

fn assert_close(found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len());
    for (step, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert!((found - expected).abs() <= TOLERANCE, "loss {step} is {found}, and natively {expected}");
    }
}

#[test]
fn ten_steps_have_the_native_losses() {
    let Some(module) = module() else { return };
    let [here, there] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let expected = natively(here.path(), 10);
    assert_eq!(expected.len(), 10);
    assert_close(&in_node(&module, there.path(), 10), &expected);
}

/// Five steps in wasm and five natively, and the other way round: the curve of ten steps in one place.
#[test]
fn a_run_moves_between_its_homes() {
    let Some(module) = module() else { return };
    let [whole, out, back] = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let expected = natively(whole.path(), 10);

    let first = in_node(&module, out.path(), 5);
    assert_close(&[first, natively(out.path(), 10)].concat(), &expected);

    let first = natively(back.path(), 5);
    assert_close(&[first, in_node(&module, back.path(), 10)].concat(), &expected);
    let store: Arc<dyn Store> = Arc::new(Folder::new(back.path()));
    assert_eq!(newest(&store, |_, error| panic!("{error}")).unwrap().unwrap().step(), 10);
    assert!(fs::read_dir(back.path()).unwrap().count() >= 2);
}
