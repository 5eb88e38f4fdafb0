//! Published architectures as Hugging Face's library writes them: logits, loss and every gradient.

use std::{collections::HashMap, path::PathBuf};

use burn::{
    module::{Module, ModuleVisitor, Param},
    tensor::{Device, Int, Tensor, TensorData},
};
use hearth_data::Batch;
use hearth_model::{Transformer, weights::Published};
use hearth_train::{
    step::{StepOptions, Trainer},
    walk::Walk,
};

use crate::golden::{assert_close, read_tensors, tolerance};

macro_rules! architectures {
    ($($name:ident),*) => {
        $(mod $name {
            hearth_wgsl::each_device! {
                fn logits_loss_and_gradients(device) {
                    crate::pretrained::check(stringify!($name), &device);
                }
            }
        })*
    };
}

/// As llama.cpp has them: the same numbers, in other places.
macro_rules! files {
    ($($name:ident),*) => {
        mod gguf {
            $(#[test]
            fn $name() {
                super::check_logits(concat!(stringify!($name), "/model.gguf"), stringify!($name));
            })*
        }
    };
}

files!(gpt2, llama, llama3, mistral, mixtral, qwen2, qwen3, qwen3_moe, smollm3, olmo2, gemma2, gemma3);

architectures!(
    gpt2,
    llama,
    llama3,
    llama_linear,
    llama_yarn,
    mistral,
    mixtral,
    qwen2,
    qwen3,
    qwen3_moe,
    smollm3,
    olmo2,
    gemma2,
    gemma3
);

fn check_logits(path: &str, name: &str) {
    // What no file of llama.cpp's says of Gemma, whose published models have it all the same.
    let published = open(path);
    let mut config = published.config().clone();
    match name {
        "gemma2" => config.attention_scale = Some(10f64.powf(-0.5)),
        "gemma3" => config.sliding_window = vec![5, 5, 0],
        _ => {}
    }
    let model = published.load(&config, &Device::flex()).unwrap_or_else(|error| panic!("{error}"));
    let (golden, _) = read_tensors(&format!("pretrained/{name}/golden.safetensors"));
    let logits = model.logits(Tensor::<2, Int>::from_data(golden["tokens"].clone(), &Device::flex())).into_data();
    assert_close("logits", &logits, &golden["logits"], 1e-5);
}

fn check(name: &str, device: &Device) {
    let (published, model) = load(name, device);
    let config = published.config();
    let (golden, _) = read_tensors(&format!("pretrained/{name}/golden.safetensors"));
    let ids = |name: &str| golden[name].iter::<i32>().collect::<Vec<_>>();
    let [rows, time] = golden["tokens"].shape().dims();
    let batch = Batch { inputs: ids("tokens"), targets: ids("targets"), rows, time, packing: None };
    let tolerance = tolerance(device);

    let tokens = TensorData::new(batch.inputs.clone(), [rows, time]);
    let logits = model.valid().logits(Tensor::<2, Int>::from_data(tokens, device)).into_data();
    assert_close("logits", &logits, &golden["logits"], tolerance.gradient);

    let mut walk = Walk::new(config, time, device);
    walk.loss.z_loss = 0.0;
    let trainer = Trainer::new(model, walk, StepOptions::new(1));
    let (loss, sink) = trainer.gradients(0, &[batch]);
    assert_close("loss", &loss.into_data(), &golden["loss"], tolerance.loss);
    // A model whose parameters are the gradients; Gemma's norms multiply by one more than is stored.
    let (as_written_today, gradients) = load(&format!("{name}/gradients"), device);
    assert_eq!(as_written_today.config(), config);
    let expected = parameters(&gradients);
    let found = sink.named(trainer.model());
    for (parameter, gradient) in &found {
        if parameter.ends_with("experts.bias") {
            continue;
        }
        let mut expected = expected[parameter].clone();
        if name.starts_with("gemma") && parameter.ends_with("norm.gamma") {
            let shape = expected.shape();
            expected = TensorData::new(expected.iter::<f32>().map(|it| it - 1.0).collect(), shape);
        }
        assert_close(parameter, gradient, &expected, tolerance.gradient);
    }
    assert_eq!(found.len(), expected.len());
}

fn open(path: &str) -> Published {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/goldens/pretrained");
    Published::open(&folder.join(path)).unwrap_or_else(|error| panic!("{error}"))
}

fn load(name: &str, device: &Device) -> (Published, Transformer) {
    let published = open(name);
    let model =
        published.load(published.config(), &device.clone().autodiff()).unwrap_or_else(|error| panic!("{error}"));
    (published, model)
}

/// The values of a model's parameters by name.
pub fn parameters(model: &Transformer) -> HashMap<String, TensorData> {
    #[derive(Default)]
    struct Collect {
        path: Vec<String>,
        found: HashMap<String, TensorData>,
    }

    impl ModuleVisitor for Collect {
        fn enter_module(&mut self, name: &str, _container: &str) {
            self.path.push(name.into());
        }

        fn exit_module(&mut self, _name: &str, _container: &str) {
            self.path.pop();
        }

        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.found.insert(self.path.join(".").replace(".shards.0", ""), param.val().into_data());
        }
    }

    let mut collect = Collect::default();
    model.visit(&mut collect);
    collect.found
}
