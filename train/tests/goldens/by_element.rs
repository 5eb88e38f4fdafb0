//! Rules by element on a matrix, which decays, and a vector, which does not: three updates with what is kept. AdamW is
//! `torch.optim.AdamW`, Lion the code of its paper.

use std::collections::HashMap;

use burn::{
    module::{Module, Param},
    optim::GradientsParams,
    tensor::{Device, Tensor, TensorData},
};
use hearth_train::optim::{Optimizer, OptimizerConfig, RuleKind, Update};
use hearth_wgsl::each_device;

use crate::golden::read_tensors;

#[derive(Module, Debug)]
struct Two {
    matrix: Param<Tensor<2>>,
    vector: Param<Tensor<1>>,
}

/// The file's tensors by name.
struct Expected(HashMap<String, TensorData>);

impl Expected {
    fn tensor<const D: usize>(&self, name: &str, device: &Device) -> Tensor<D> {
        Tensor::from_data(self.0[name].clone(), device)
    }

    /// Compares a parameter and what is kept of it with those after update `number`.
    fn check<const D: usize>(&self, optimizer: &Optimizer, param: &Param<Tensor<D>>, name: &str, number: usize) {
        let shapes = optimizer.state_shapes(param.id, &param.dims());
        let state = optimizer.state(param.id).expect("after an update");
        let kept = shapes.iter().zip(state).map(|(it, tensor)| (format!(".{}", it.name), tensor.clone()));
        for (key, found) in [(String::new(), param.val().reshape([-1]))].into_iter().chain(kept) {
            let key = format!("{name}{key}.{number}");
            for (found, expected) in found.into_data().iter::<f32>().zip(self.0[&key].iter::<f32>()) {
                let allowed = 1e-7 + 1e-6 * expected.abs();
                assert!((found - expected).abs() <= allowed, "{key}: {found} is not {expected}");
            }
        }
    }
}

fn three_updates(file: &str, rule: RuleKind, device: &Device) {
    let (tensors, _) = read_tensors(file);
    let scales: Vec<f32> = tensors["scales"].iter().collect();
    let expected = Expected(tensors);
    let of_leaf = device.clone().autodiff();
    let mut model = Two {
        matrix: Param::from_tensor(expected.tensor("matrix.0", &of_leaf)),
        vector: Param::from_tensor(expected.tensor("vector.0", &of_leaf)),
    };
    let config = OptimizerConfig { rule, beta1: 0.9, beta2: 0.95, eps: 1e-8, weight_decay: 0.1, ..Default::default() };
    let mut optimizer = Optimizer::new(&config, &model, 2);
    assert_eq!(scales.len(), 3);
    for (number, scale) in scales.into_iter().enumerate() {
        let mut gradients = GradientsParams::new();
        gradients.register(model.matrix.id, expected.tensor::<2>("matrix.gradient", device) * scale);
        gradients.register(model.vector.id, expected.tensor::<1>("vector.gradient", device) * scale);
        let wanted = Tensor::from_data([true], device);
        let update = Update { learning_rate: 0.01, number: number as u64, factor: None, wanted };
        model = optimizer.step(model, gradients, update);
        expected.check(&optimizer, &model.matrix, "matrix", number + 1);
        expected.check(&optimizer, &model.vector, "vector", number + 1);
    }
}

each_device! {
    fn adamw_equals_pytorch(device) {
        three_updates("adamw.safetensors", RuleKind::Adamw, &device);
    }
}

each_device! {
    fn lion_equals_its_code(device) {
        three_updates("lion.safetensors", RuleKind::Lion, &device);
    }
}
