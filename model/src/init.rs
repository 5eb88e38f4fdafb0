//! Initial weights, drawn on the host: the same seed gives the same weights on every device.

use burn::{
    module::Param,
    nn::Linear,
    tensor::{Device, Tensor, TensorData},
};
use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};
use rand_distr::StandardNormal;

/// Draws parameters one after the other; each has a random stream of its own.
pub(crate) struct Initializer<'a> {
    seed: u64,
    stream: u64,
    device: &'a Device,
}

impl<'a> Initializer<'a> {
    pub fn new(seed: u64, device: &'a Device) -> Self {
        Self { seed, stream: 0, device }
    }

    /// Independent normal values with mean 0.
    pub fn normal<const D: usize>(&mut self, shape: [usize; D], std: f64) -> Param<Tensor<D>> {
        let mut random = self.random();
        self.draw(&mut random, shape, std)
    }

    /// As [`Initializer::normal`] for a matrix of `columns`, cut into shards of so many `rows`: the same values however
    /// it is cut.
    pub fn normal_rows(&mut self, rows: &[usize], columns: usize, std: f64) -> Vec<Param<Tensor<2>>> {
        let mut random = self.random();
        rows.iter().map(|rows| self.draw(&mut random, [*rows, columns], std)).collect()
    }

    pub fn constant(&self, width: usize, value: f32) -> Param<Tensor<1>> {
        Param::from_tensor(Tensor::full([width], value, self.device))
    }

    /// The next parameter's random stream.
    fn random(&mut self) -> ChaCha8Rng {
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        random.set_stream(self.stream);
        self.stream += 1;
        random
    }

    fn draw<const D: usize>(&self, random: &mut ChaCha8Rng, shape: [usize; D], std: f64) -> Param<Tensor<D>> {
        let count = shape.iter().product();
        let values: Vec<f32> = (0..count).map(|_| (random.sample::<f64, _>(StandardNormal) * std) as f32).collect();
        Param::from_tensor(Tensor::from_data(TensorData::new(values, shape), self.device))
    }

    /// A linear layer `[inputs, outputs]`; the bias, if any, starts at 0.
    pub fn linear(&mut self, inputs: usize, outputs: usize, bias: bool, std: f64) -> Linear {
        Linear { weight: self.normal([inputs, outputs], std), bias: bias.then(|| self.constant(outputs, 0.0)) }
    }
}
