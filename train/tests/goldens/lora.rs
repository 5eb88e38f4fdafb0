//! Adapters as PEFT writes them: logits, loss, every gradient and ten steps of AdamW.

use std::{collections::HashMap, path::PathBuf};

use burn::{
    module::Module,
    tensor::{Device, Int, Tensor, TensorData},
};
use hearth_data::Batch;
use hearth_model::{
    Transformer,
    weights::{PeftAdapter, Published, save_peft},
};
use hearth_train::{
    guard::Ceiling,
    optim::{OptimizerConfig, Schedule, ScheduleKind},
    step::{StepOptions, Trainer},
    walk::Walk,
};

use crate::golden::{assert_close, read_tensors, tolerance};

macro_rules! adapters {
    ($($name:ident beside $base:ident),*) => {
        $(mod $name {
            hearth_wgsl::each_device! {
                fn logits_loss_gradients_and_ten_steps(device) {
                    crate::lora::check(stringify!($name), stringify!($base), &device);
                }
            }

            #[test]
            fn is_written_as_it_was_read() {
                crate::lora::check_written(stringify!($name), stringify!($base));
            }
        })*
    };
}

adapters!(qwen2 beside qwen2, llama beside llama_linear, gemma beside gemma2, olmo beside olmo2);

const STEPS: usize = 10;

fn check(name: &str, base: &str, device: &Device) {
    let tolerance = tolerance(device);
    let (golden, _) = read_tensors(&format!("lora/{name}/golden.safetensors"));
    let model = load(name, "", base, &device.clone().autodiff());
    let first = batch(&golden, 0);
    let tokens = TensorData::new(first.inputs.clone(), [first.rows, first.time]);
    let logits = model.valid().logits(Tensor::<2, Int>::from_data(tokens, device)).into_data();
    assert_close("logits", &logits, &golden["logits"], tolerance.gradient);

    let mut options = StepOptions::new(STEPS as u64);
    options.schedule = Schedule { kind: ScheduleKind::Constant, warmup_steps: 0, ..Schedule::default() };
    options.optimizer = OptimizerConfig { learning_rate: 2e-2, weight_decay: 0.1, ..OptimizerConfig::default() };
    let mut walk = Walk::new(model.config(), first.time, device);
    walk.loss.z_loss = 0.0;
    let mut trainer = Trainer::new(model, walk, options);
    let (loss, sink) = trainer.gradients(0, &[first]);
    assert_close("loss", &loss.into_data(), &golden["loss"], tolerance.loss);
    let expected = adapters(&load(name, "gradients", base, device));
    let found = sink.named(trainer.model());
    assert_eq!(found.len(), expected.len(), "adapters alone have gradients");
    for (parameter, gradient) in &found {
        assert_close(parameter, gradient, &expected[parameter], tolerance.gradient);
    }

    let (mut losses, mut norms) = (Vec::new(), Vec::new());
    for step in 0..STEPS {
        let outcome = trainer.step(step as u64, &[batch(&golden, step + 1)], &Ceiling::FINITE);
        losses.extend(outcome.loss.into_data().iter::<f32>());
        norms.extend(outcome.grad_norm.into_data().iter::<f32>());
    }
    assert_close("losses", &TensorData::new(losses, [STEPS]), &golden["losses"], tolerance.loss);
    assert_close("norms", &TensorData::new(norms, [STEPS]), &golden["norms"], 10.0 * tolerance.gradient);
    let after = adapters(&load(name, "after", base, device));
    for (parameter, value) in adapters(&trainer.model().valid()) {
        assert_close(&parameter, &value, &after[&parameter], 100.0 * tolerance.gradient);
    }
}

fn check_written(name: &str, base: &str) {
    let folder = tempfile::tempdir().unwrap();
    let model = load(name, "", base, &Device::flex());
    save_peft(&model, base, folder.path()).unwrap();
    let own = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/goldens/lora").join(name);
    let [before, after] =
        [&own, folder.path()].map(|folder| std::fs::read(folder.join("adapter_model.safetensors")).unwrap());
    let [before, after] = [&before, &after].map(|bytes| safetensors::SafeTensors::deserialize(bytes).unwrap());
    assert_eq!(before.len(), after.len());
    for (name, tensor) in before.tensors() {
        let written = after.tensor(&name).unwrap();
        assert_eq!((tensor.shape(), tensor.data()), (written.shape(), written.data()), "{name}");
    }
    let again = PeftAdapter::open(folder.path()).unwrap();
    assert_eq!((again.base(), again.config(model.config()).ok()), (Some(base), model.config().adapter.clone()));
}

/// A base with an adapter from a folder of this one's.
fn load(name: &str, part: &str, base: &str, device: &Device) -> Transformer {
    let goldens = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/goldens");
    let published = Published::open(&goldens.join("pretrained").join(base)).unwrap();
    let model = published.load(published.config(), device).unwrap();
    let own = goldens.join("lora").join(name);
    let folder = tempfile::tempdir().unwrap();
    // Gradients and later values are of the same kind.
    for (file, from) in [("adapter_config.json", own.clone()), ("adapter_model.safetensors", own.join(part))] {
        std::fs::copy(from.join(file), folder.path().join(file)).unwrap();
    }
    PeftAdapter::open(folder.path()).and_then(|adapter| adapter.beside(model)).unwrap_or_else(|error| panic!("{error}"))
}

fn batch(golden: &HashMap<String, TensorData>, index: usize) -> Batch {
    let shape = golden["tokens"].shape();
    let [_, rows, time] = shape.dims();
    let cut = |name: &str| golden[name].iter::<i32>().skip(index * rows * time).take(rows * time).collect();
    Batch { inputs: cut("tokens"), targets: cut("targets"), rows, time, packing: None }
}

/// The values of a model's adapters by name.
fn adapters(model: &Transformer) -> HashMap<String, TensorData> {
    let mut found = crate::pretrained::parameters(model);
    found.retain(|name, _| name.contains(".adapter."));
    found
}
