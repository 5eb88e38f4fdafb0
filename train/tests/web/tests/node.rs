//! The run of a page, compiled for wasm32 and executed by Node, against the native one.
//!
//! `HEARTH_WASM` names the module that `.ci/wasm` builds; without it the tests say that they are left out.

use std::{
    cell::RefCell,
    fs,
    io::Write,
    ops::ControlFlow,
    path::{Path, PathBuf},
    process::Command,
    rc::Rc,
    sync::Arc,
};

use hearth_train::{
    DeviceChoice, Event, Run, Start,
    checkpoint::{Folder, Store, newest},
    devices::open,
};
use hearth_web_check::{config, text, train};

/// What two libraries of mathematics may come to in ten steps.
const TOLERANCE: f64 = 1e-5;

fn module() -> Option<PathBuf> {
    let path = std::env::var_os("HEARTH_WASM").map(PathBuf::from);
    if path.is_none() {
        // Not by eprintln!, which a test that passes keeps to itself.
        let _ = writeln!(std::io::stderr(), "SKIPPED: HEARTH_WASM names no module: run .ci/web");
    }
    path
}

/// Losses of the steps, and that of the validation at the end.
type Losses = (Vec<f64>, f64);

/// Trains in wasm until `steps`, from the newest checkpoint in `folder`, and leaves one there.
fn in_node(module: &Path, folder: &Path, steps: u64) -> Losses {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("run.mjs");
    let output = Command::new("node").arg(script).arg(module).arg(folder).arg(steps.to_string()).output();
    let output = output.expect("node is installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("the losses")
}

/// The same session natively.
fn natively(folder: &Path, steps: u64) -> Losses {
    let store: Arc<dyn Store> = Arc::new(Folder::new(folder));
    pollster::block_on(train(&store, steps)).unwrap()
}

/// The same run as the program `hearth` does it.
fn as_the_program_does(folder: &Path, begin: Start, steps: u64) -> Losses {
    let losses = Rc::new(RefCell::new(Vec::new()));
    let heard = losses.clone();
    let device = open(DeviceChoice::Cpu).unwrap();
    let run = Run::new(config(steps), device, folder).text(text()).begin(begin).on_event(move |event| {
        if let Event::Step(metrics) = event {
            heard.borrow_mut().extend(metrics.train_loss);
        }
        ControlFlow::Continue(())
    });
    let val_loss = run.go().unwrap().val_loss.unwrap();
    (losses.take(), val_loss)
}

fn assert_close(found: &Losses, expected: &Losses) {
    assert_eq!(found.0.len(), expected.0.len());
    let pairs = found.0.iter().zip(&expected.0).chain([(&found.1, &expected.1)]);
    for (step, (found, expected)) in pairs.enumerate() {
        assert!((found - expected).abs() <= TOLERANCE, "loss {step} is {found}, and natively {expected}");
    }
}

fn checkpoint(folder: &Path, step: u64) -> PathBuf {
    let path = folder.join(format!("step-{step:08}"));
    assert!(path.join("manifest.json").exists(), "{}", path.display());
    path
}

#[test]
fn ten_steps_have_the_native_losses() {
    let Some(module) = module() else { return };
    let [here, there, program] = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let expected = natively(here.path(), 10);
    assert_eq!(expected.0.len(), 10);
    assert!(expected.0[9] < expected.0[0], "{expected:?}");
    assert_close(&in_node(&module, there.path(), 10), &expected);
    assert_close(&as_the_program_does(program.path(), Start::New, 10), &expected);
    // Files but those with a clock or a device's name in them have the size that they have natively.
    for file in ["model.safetensors", "optimizer.safetensors", "config.toml", "tokenizer.json"] {
        let [here, there] = [&here, &there].map(|folder| fs::read(checkpoint(folder.path(), 10).join(file)).unwrap());
        assert_eq!(here.len(), there.len(), "{file}");
    }
}

/// Five steps in wasm and five natively, and the other way round, are the curve of ten steps in one place.
#[test]
fn a_run_moves_between_its_homes() {
    let Some(module) = module() else { return };
    let [whole, out, back] = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let expected = natively(whole.path(), 10);
    let joined = |first: Losses, second: Losses| ([first.0, second.0].concat(), second.1);

    let first = in_node(&module, out.path(), 5);
    let second = as_the_program_does(out.path(), Start::Resume(checkpoint(out.path(), 5)), 10);
    assert_close(&joined(first, second), &expected);

    let first = as_the_program_does(back.path(), Start::New, 5);
    let second = in_node(&module, back.path(), 10);
    assert_close(&joined(first, second), &expected);
    let store: Arc<dyn Store> = Arc::new(Folder::new(back.path()));
    assert_eq!(newest(&store, |_, error| panic!("{error}")).unwrap().unwrap().step(), 10);
}

/// In wasm, too, what goes on from a checkpoint comes to the same bits as if nothing had been.
#[test]
fn a_run_in_wasm_is_resumed_to_the_same_bits() {
    let Some(module) = module() else { return };
    let [whole, resumed] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let expected = in_node(&module, whole.path(), 10);
    let (from, to) = (checkpoint(whole.path(), 5), resumed.path().join("step-00000005"));
    fs::create_dir(&to).unwrap();
    for file in fs::read_dir(from).unwrap().map(|file| file.unwrap()) {
        fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
    assert_eq!(in_node(&module, resumed.path(), 10), (expected.0[5..].to_vec(), expected.1));
    for file in ["model.safetensors", "optimizer.safetensors"] {
        let [whole, resumed] = [&whole, &resumed].map(|run| fs::read(checkpoint(run.path(), 10).join(file)).unwrap());
        assert!(whole == resumed, "{file}");
    }
}
