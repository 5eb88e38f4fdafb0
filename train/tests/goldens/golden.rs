//! Reads a golden file and compares a model with it.

use std::{collections::HashMap, path::Path};

use burn::{
    module::Module,
    tensor::{Bytes, DType, Device, Int, Tensor, TensorData},
};
use hearth_data::Batch;
use hearth_model::{Transformer, TransformerConfig, weights};
use hearth_train::{
    guard::Ceiling,
    optim::{OptimizerConfig, Schedule, ScheduleKind},
    step::{StepOptions, Trainer},
    walk::Walk,
};
use safetensors::SafeTensors;

/// The tests of one golden file, on each device.
macro_rules! against_pytorch {
    ($file:literal) => {
        hearth_wgsl::each_device! {
            /// Odd length, with targets that do not count.
            fn logits_loss_and_gradients(device) {
                crate::golden::Golden::read($file).check_case("main", &device);
            }
        }

        hearth_wgsl::each_device! {
            fn a_single_position(device) {
                crate::golden::Golden::read($file).check_case("single", &device);
            }
        }

        hearth_wgsl::each_device! {
            fn ten_steps(device) {
                crate::golden::Golden::read($file).check_steps(&device);
            }
        }
    };
}

/// What may differ.
pub struct Tolerance {
    /// As a share of a tensor's largest value.
    pub gradient: f64,
    /// In nats.
    pub loss: f64,
}

/// Gradients that are zero by construction are compared with this instead of their own size.
const SMALLEST_SCALE: f64 = 1e-2;

pub struct Golden {
    pub config: TransformerConfig,
    z_loss: f64,
    pub router_balance: f64,
    pub router_bias_rate: f64,
    tensors: HashMap<String, TensorData>,
}

impl Golden {
    pub fn read(file: &str) -> Self {
        let (tensors, metadata) = read_tensors(file);
        let number = |name: &str| metadata.get(name).map_or(0.0, |value| value.parse().unwrap());
        Self {
            router_balance: number("router_balance"),
            router_bias_rate: number("router_bias_rate"),
            config: serde_json::from_str(&metadata["config"]).unwrap(),
            z_loss: metadata["z_loss"].parse().unwrap(),
            tensors,
        }
    }

    /// With every matrix over the vocabulary cut into so many shards.
    pub fn with_shards(mut self, shards: usize) -> Self {
        self.config.vocab_shard_bytes = self.config.vocab_size.div_ceil(shards) * self.config.width * size_of::<f32>();
        assert_eq!(self.config.vocab_shards().len(), shards);
        self
    }

    /// One batch: logits, loss, and the gradient of each parameter.
    pub fn check_case(&self, case: &str, device: &Device) {
        let tolerance = tolerance(device);
        let batch = self.batch(case, 0);
        let model = self.model(device);
        let ids = TensorData::new(batch.inputs.clone(), [batch.rows, batch.time]);
        let logits = model.valid().logits(Tensor::<2, Int>::from_data(ids, device));
        self.assert_close(&format!("{case}.logits"), &logits.into_data(), tolerance.gradient);

        let trainer = Trainer::new(model, self.walk(batch.time, device), options());
        let (loss, sink) = trainer.gradients(0, &[batch]);
        let loss: Vec<f32> = loss.into_data().iter().collect();
        self.assert_each_close(&format!("{case}.loss"), &loss, tolerance.loss, 0.0);
        let gradients = sink.named(trainer.model());
        let expected = self.tensors.keys().filter(|name| name.starts_with("param.")).count();
        assert_eq!(gradients.len(), expected, "every parameter has a gradient");
        for (name, gradient) in gradients {
            self.assert_close(&format!("{case}.grad.{name}"), &gradient, tolerance.gradient);
        }
    }

    /// Ten AdamW steps with decay groups and clipping: the losses before each update, and the gradient norms.
    pub fn check_steps(&self, device: &Device) {
        drop(self.check_steps_by(options(), device));
    }

    /// As [`Golden::check_steps`], with other options; what was trained.
    pub fn check_steps_by(&self, options: StepOptions, device: &Device) -> Trainer {
        let tolerance = tolerance(device);
        let walk = self.walk(self.batch("steps", 0).time, device);
        let mut trainer = Trainer::new(self.model(device), walk, options);
        let (mut losses, mut norms) = (Vec::new(), Vec::new());
        for step in 0..10 {
            let outcome = trainer.step(step as u64, &[self.batch("steps", step)], &Ceiling::FINITE);
            losses.extend(outcome.loss.into_data().iter::<f32>());
            norms.extend(outcome.grad_norm.into_data().iter::<f32>());
        }
        self.assert_each_close("steps.losses", &losses, tolerance.loss, 0.0);
        self.assert_each_close("steps.grad_norms", &norms, 0.0, tolerance.gradient);
        trainer
    }

    pub fn model(&self, device: &Device) -> Transformer {
        let mut model = self.config.init(0, &device.clone().autodiff()).unwrap();
        let parameters = self.tensors.iter().filter_map(|(name, data)| {
            let name = name.strip_prefix("param.")?;
            Some((name.to_string(), data.clone()))
        });
        weights::assign(&mut model, parameters, Path::new("golden")).unwrap();
        model
    }

    pub fn batch(&self, case: &str, index: usize) -> Batch {
        let (tokens, targets) = (&self.tensors[&format!("{case}.tokens")], &self.tensors[&format!("{case}.targets")]);
        let shape = tokens.shape().to_vec();
        let [rows, time] = [shape[shape.len() - 2], shape[shape.len() - 1]];
        let cut = |data: &TensorData| data.iter::<i32>().skip(index * rows * time).take(rows * time).collect();
        Batch { inputs: cut(tokens), targets: cut(targets), rows, time, packing: None }
    }

    pub fn walk(&self, time: usize, device: &Device) -> Walk {
        let mut walk = Walk::new(&self.config, time, device);
        walk.loss.z_loss = self.z_loss;
        walk.balance = self.router_balance;
        walk
    }

    pub fn assert_close(&self, name: &str, found: &TensorData, tolerance: f64) {
        assert_close(name, found, &self.tensors[name], tolerance);
    }

    fn assert_each_close(&self, name: &str, found: &[f32], absolute: f64, relative: f64) {
        let expected: Vec<f32> = self.tensors[name].iter().collect();
        assert_eq!(found.len(), expected.len(), "{name}");
        for (step, (found, expected)) in found.iter().zip(&expected).enumerate() {
            let (found, expected) = (f64::from(*found), f64::from(*expected));
            let error = (found - expected).abs();
            let allowed = absolute + relative * expected.abs();
            assert!(error <= allowed, "{name}[{step}]: {found} is not {expected}, off by {error:.1e}");
        }
    }
}

/// Within a share of the largest value.
pub fn assert_close(name: &str, found: &TensorData, expected: &TensorData, tolerance: f64) {
    assert_eq!(found.shape(), expected.shape(), "{name}");
    let scale = expected.iter::<f32>().fold(SMALLEST_SCALE, |largest, value| largest.max(f64::from(value.abs())));
    for (index, (found, expected)) in found.iter::<f32>().zip(expected.iter::<f32>()).enumerate() {
        let error = f64::from((found - expected).abs()) / scale;
        assert!(error <= tolerance, "{name}[{index}]: {found} is not {expected}, off by {error:.1e} of {scale:.3}");
    }
}

/// The tensors of a golden file, and its metadata.
pub fn read_tensors(file: &str) -> (HashMap<String, TensorData>, HashMap<String, String>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens").join(file);
    let bytes = std::fs::read(&path).unwrap();
    let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
    let metadata = header.metadata().clone().unwrap();
    assert_eq!(metadata["format_version"], "1");
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let tensors = tensors.iter().map(|(name, view)| {
        let dtype = match view.dtype() {
            safetensors::Dtype::F32 => DType::F32,
            safetensors::Dtype::I32 => DType::I32,
            other => panic!("{name} is {other:?}"),
        };
        let values = Bytes::from_bytes_vec(view.data().to_vec());
        (name.to_string(), TensorData::from_bytes(values, view.shape().to_vec(), dtype))
    });
    (tensors.collect(), metadata)
}

pub fn tolerance(device: &Device) -> Tolerance {
    if *device == Device::flex() {
        Tolerance { gradient: 1e-5, loss: 1e-6 }
    } else {
        Tolerance { gradient: 1e-4, loss: 1e-5 }
    }
}

pub fn options() -> StepOptions {
    StepOptions {
        optimizer: OptimizerConfig {
            learning_rate: 1e-2,
            beta1: 0.9,
            beta2: 0.95,
            eps: 1e-8,
            weight_decay: 0.1,
            clip_norm: 1.0,
            ..OptimizerConfig::default()
        },
        schedule: Schedule { kind: ScheduleKind::Constant, warmup_steps: 0, ..Schedule::default() },
        ..StepOptions::new(10)
    }
}
