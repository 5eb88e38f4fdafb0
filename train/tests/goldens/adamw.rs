//! `torch.optim.AdamW` on a matrix, which decays, and a vector, which does not: three updates with their moments.

use std::collections::HashMap;

use burn::{
    module::{Module, Param},
    optim::GradientsParams,
    tensor::{Device, Tensor, TensorData},
};
use hearth_train::optim::{Optimizer, OptimizerConfig, Update};
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

    /// Compares a parameter and its moments with those after update `number`.
    fn check<const D: usize>(&self, optimizer: &Optimizer, param: &Param<Tensor<D>>, name: &str, number: usize) {
        let [first, second] = optimizer.state(param.id).expect("after an update") else { panic!("two moments") };
        let value = param.val().reshape([-1]);
        for (key, found) in [("", value), (".first", first.clone()), (".second", second.clone())] {
            let key = format!("{name}{key}.{number}");
            for (found, expected) in found.into_data().iter::<f32>().zip(self.0[&key].iter::<f32>()) {
                let allowed = 1e-7 + 1e-6 * expected.abs();
                assert!((found - expected).abs() <= allowed, "{key}: {found} is not {expected}");
            }
        }
    }
}

each_device! {
    fn equals_pytorch(device) {
        let (tensors, _) = read_tensors("adamw.safetensors");
        let scales: Vec<f32> = tensors["scales"].iter().collect();
        let expected = Expected(tensors);
        let of_leaf = device.clone().autodiff();
        let mut model = Two {
            matrix: Param::from_tensor(expected.tensor("matrix.0", &of_leaf)),
            vector: Param::from_tensor(expected.tensor("vector.0", &of_leaf)),
        };
        let config = OptimizerConfig { beta1: 0.9, beta2: 0.95, eps: 1e-8, weight_decay: 0.1, ..Default::default() };
        let mut optimizer = Optimizer::new(&config, &model);
        assert_eq!(scales.len(), 3);
        for (number, scale) in scales.into_iter().enumerate() {
            let mut gradients = GradientsParams::new();
            gradients.register(model.matrix.id, expected.tensor::<2>("matrix.gradient", &device) * scale);
            gradients.register(model.vector.id, expected.tensor::<1>("vector.gradient", &device) * scale);
            let wanted = Tensor::from_data([true], &device);
            let update = Update { learning_rate: 0.01, number: number as u64, factor: None, wanted };
            model = optimizer.step(model, gradients, update);
            expected.check(&optimizer, &model.matrix, "matrix", number + 1);
            expected.check(&optimizer, &model.vector, "vector", number + 1);
        }
    }
}
