//! Gradients in the sink.

use std::convert::Infallible;

use burn::{
    module::{Module, Param},
    tensor::{Device, Shape, Tensor},
};
use hearth_wgsl::each_device;

use super::{TIME, config, gradients, micro_batch, model};
use crate::walk::{Outlet, Placement, Policy, Sink, Walk};

/// Parameters of three ranks, as a mixture of experts has them.
#[derive(Module, Debug)]
struct Ranks {
    experts: Param<Tensor<3>>,
    matrix: Param<Tensor<2>>,
    vector: Param<Tensor<1>>,
}

#[derive(Debug)]
struct Nowhere;

impl Outlet for Nowhere {
    fn send(&mut self, _gradients: Tensor<1>) {}
}

#[test]
fn gradients_come_back_with_their_rank_and_shape() {
    let device = Device::flex();
    let module = Ranks {
        experts: Param::from_tensor(Tensor::zeros([2, 3, 4], &device)),
        matrix: Param::from_tensor(Tensor::zeros([5, 2], &device)),
        vector: Param::from_tensor(Tensor::zeros([7], &device)),
    };
    let mut sink = Sink::with_outlet(Nowhere);
    sink.add(module.experts.id, Tensor::<3>::zeros([2, 3, 4], &device), Placement::Device);
    sink.add(module.matrix.id, Tensor::<2>::zeros([5, 2], &device), Placement::Device);
    sink.add(module.vector.id, Tensor::<1>::zeros([7], &device), Placement::Device);
    sink.expect_last();
    sink.complete(&module);
    let values = (0..24 + 10 + 7).map(|value| value as f32).collect::<Vec<f32>>();
    let sums = sink.with_sums(&device, || Ok::<_, Infallible>(values.clone())).unwrap();
    let gradients = sums.into_gradients(&module);
    let experts = gradients.get::<3>(module.experts.id).expect("a gradient of rank 3");
    assert_eq!(experts.shape(), Shape::new([2, 3, 4]));
    assert_eq!(experts.into_data().iter::<f32>().collect::<Vec<f32>>(), values[..24]);
    let matrix = gradients.get::<2>(module.matrix.id).expect("a gradient of rank 2").into_data();
    assert_eq!(matrix.iter::<f32>().collect::<Vec<f32>>(), values[24..34]);
    let vector = gradients.get::<1>(module.vector.id).expect("a gradient of rank 1").into_data();
    assert_eq!(vector.iter::<f32>().collect::<Vec<f32>>(), values[34..]);
}

each_device! {
    /// Of each parameter, a sharded matrix as one, wherever it lives; and the gradients are still there after it.
    fn norms_are_those_of_the_values(device) {
        for parameters in [Placement::Device, Placement::Host] {
            let config = config("stories260k");
            let mut walk = Walk::new(&config, TIME, &device);
            walk.policy = Policy { embedding: parameters, ..Policy::keep(2) };
            let model = model(&config, &walk);
            let expected = gradients(&walk, &model);
            let mut sink = Sink::default();
            for number in 0..2 {
                walk.train(&model, micro_batch(number, &device), None, 0.5, &mut sink);
            }
            let norms = sink.norms(&model);
            assert_eq!(norms.len(), expected.len());
            for ((name, norm), (expected_name, values)) in norms.into_iter().zip(&expected) {
                let found = f64::from(norm.into_scalar::<f32>());
                let expected = values.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
                assert_eq!(name, *expected_name);
                assert!((found - expected).abs() <= 1e-5 * expected, "{name}: {found} is not {expected}");
            }
            assert_eq!(sink.named(&model).len(), expected.len(), "norms consume nothing");
        }
    }
}
