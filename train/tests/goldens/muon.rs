//! Muon: Newton-Schulz alone, ten updates of matrices of all kinds of shapes, ten steps of a model.

use std::collections::HashMap;

use burn::{
    module::{Module, Param},
    optim::GradientsParams,
    tensor::{Device, Tensor, TensorData},
};
use hearth_train::optim::{MuonScale, Optimizer, OptimizerConfig, RuleKind, Update, orthogonalized};
use hearth_wgsl::each_device;

use crate::golden::{Golden, options, read_tensors, tolerance};

const FILE: &str = "muon.safetensors";
const UPDATES: usize = 10;

fn assert_close(name: &str, found: &TensorData, expected: &TensorData, tolerance: f64) {
    let scale = expected.iter::<f32>().fold(0.0, |most: f64, value| most.max(f64::from(value.abs())));
    for (found, expected) in found.iter::<f32>().zip(expected.iter::<f32>()) {
        let error = f64::from((found - expected).abs()) / scale;
        assert!(error <= tolerance, "{name}: {found} is not {expected}, off by {error:.1e} of {scale:.3}");
    }
}

/// `[R, C]` as one matrix.
fn matrices(data: &TensorData, device: &Device) -> Tensor<3> {
    let shape = match *data.shape().as_slice() {
        [count, rows, columns] => [count, rows, columns],
        [rows, columns] => [1, rows, columns],
        ref other => panic!("{other:?}"),
    };
    Tensor::<1>::from_data(TensorData::new(data.iter::<f32>().collect(), [data.num_elements()]), device).reshape(shape)
}

each_device! {
    fn newton_schulz(device) {
        let (tensors, _) = read_tensors(FILE);
        for name in ["wide", "tall", "several", "row"] {
            let found = orthogonalized(matrices(&tensors[&format!("{name}.1.gradient")], &device)).into_data();
            assert_close(name, &found, &tensors[&format!("{name}.orthogonalized")], tolerance(&device).gradient);
        }
    }
}

/// The block of a model that has one matrix, or several in one parameter.
#[derive(Module, Debug)]
struct Blocks<const D: usize> {
    blocks: Vec<Param<Tensor<D>>>,
}

fn ten_updates<const D: usize>(tensors: &HashMap<String, TensorData>, name: &str, scale: MuonScale, device: &Device) {
    let tensor = |key: &str| Tensor::<D>::from_data(tensors[key].clone(), device);
    let config = OptimizerConfig { rule: RuleKind::Muon, muon_scale: scale, ..OptimizerConfig::default() };
    let mut model = Blocks { blocks: vec![Param::from_tensor(tensor(&format!("{name}.0")).autodiff())] };
    let mut optimizer = Optimizer::new(&config, &model, 8);
    let id = model.blocks[0].id;
    let scale = if scale == MuonScale::Original { "original" } else { "match_rms_adamw" };
    for number in 1..=UPDATES {
        let mut gradients = GradientsParams::new();
        gradients.register(id, tensor(&format!("{name}.{number}.gradient")));
        let wanted = Tensor::from_data([true], device);
        let update = Update { learning_rate: 0.02, number: number as u64 - 1, factor: None, wanted };
        model = optimizer.step(model, gradients, update);
        let [momentum] = optimizer.state(id).unwrap() else { panic!("one tensor") };
        for (key, found) in [
            (format!("{name}.{scale}.{number}"), model.blocks[0].val().into_data()),
            (format!("{name}.{scale}.momentum.{number}"), momentum.clone().into_data()),
        ] {
            assert_close(&key, &found, &tensors[&key], tolerance(device).gradient);
        }
    }
}

each_device! {
    fn ten_updates_of_matrices(device) {
        let (tensors, _) = read_tensors(FILE);
        for scale in [MuonScale::Original, MuonScale::MatchRmsAdamw] {
            for name in ["wide", "tall", "row"] {
                ten_updates::<2>(&tensors, name, scale, &device);
            }
            ten_updates::<3>(&tensors, "several", scale, &device);
        }
    }
}

each_device! {
    /// Muon for the matrices of blocks, AdamW for the rest, one learning rate.
    fn ten_steps(device) {
        let mut options = options();
        options.optimizer.rule = RuleKind::Muon;
        drop(Golden::read(FILE).check_steps_by(options, &device));
    }
}
