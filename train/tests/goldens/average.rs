//! Moving averages of what AdamW makes, against torch-ema: ten updates of a matrix and a vector.

use burn::{
    module::{Module, Param},
    optim::GradientsParams,
    tensor::{Tensor, TensorData},
};
use hearth_train::optim::{Optimizer, OptimizerConfig, Update};
use hearth_wgsl::each_device;

use crate::golden::read_tensors;

const UPDATES: usize = 10;

#[derive(Module, Debug)]
struct Two {
    matrix: Param<Tensor<2>>,
    vector: Param<Tensor<1>>,
}

fn assert_close<const D: usize>(name: &str, found: Tensor<D>, expected: &TensorData) {
    for (found, expected) in found.into_data().iter::<f32>().zip(expected.iter::<f32>()) {
        let allowed = 2e-7 + 1e-6 * expected.abs();
        assert!((found - expected).abs() <= allowed, "{name}: {found} is not {expected}");
    }
}

each_device! {
    fn averages_equal_torch_emas(device) {
        let (tensors, metadata) = read_tensors("average.safetensors");
        let leaf = device.clone().autodiff();
        let mut model = Two {
            matrix: Param::from_tensor(Tensor::from_data(tensors["matrix.0"].clone(), &leaf)),
            vector: Param::from_tensor(Tensor::from_data(tensors["vector.0"].clone(), &leaf)),
        };
        let average = metadata["decay"].parse().unwrap();
        let config = OptimizerConfig { average, beta1: 0.9, beta2: 0.95, eps: 1e-8, weight_decay: 0.1, ..Default::default() };
        let mut optimizer = Optimizer::new(&config, &model, 4);
        for number in 1..=UPDATES {
            let mut gradients = GradientsParams::new();
            let gradient = |name: &str| tensors[&format!("{name}.{number}.gradient")].clone();
            gradients.register(model.matrix.id, Tensor::<2>::from_data(gradient("matrix"), &device));
            gradients.register(model.vector.id, Tensor::<1>::from_data(gradient("vector"), &device));
            let wanted = Tensor::from_data([true], &device);
            let update = Update { learning_rate: 0.01, number: number as u64 - 1, factor: None, wanted };
            model = optimizer.step(model, gradients, update);
            let averaged = optimizer.evaluated(model.clone());
            for (key, matrix, vector) in [
                ("", model.matrix.val(), model.vector.val()),
                (".average", averaged.matrix.val(), averaged.vector.val()),
            ] {
                let [of_matrix, of_vector] = ["matrix", "vector"].map(|name| format!("{name}{key}.{number}"));
                assert_close(&of_matrix, matrix, &tensors[&of_matrix]);
                assert_close(&of_vector, vector, &tensors[&of_vector]);
            }
        }
    }
}
