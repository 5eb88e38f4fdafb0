//! Initial weights, drawn on the host: the same seed gives the same weights on every device.

use burn::{
    module::Param,
    tensor::{Device, Tensor, TensorData},
};
use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};
use rand_distr::StandardNormal;

use crate::{ModelError, TransformerConfig};

/// Makes layers of one configuration, with weights drawn one parameter after the other, each from a random stream of its own.
///
/// A layer by itself, as [`TransformerConfig::init`] makes all of them:
///
/// ```
/// use hearth_model::{Block, Frame, TransformerBlock, TransformerConfig, burn::tensor::{Device, Tensor}};
///
/// let device = Device::flex();
/// let config = TransformerConfig::llama(64, 32, 2, 48, 4);
/// let block = Block::init(0, &mut config.initializer(7, &device)?);
/// let x_btc = Tensor::<3>::ones([1, 5, 48], &device);
/// assert_eq!(block.forward(x_btc, &Frame::new(&config, 0, 5, &device), None).dims(), [1, 5, 48]);
/// # Ok::<(), hearth_model::ModelError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Initializer<'a> {
    config: &'a TransformerConfig,
    seed: u64,
    stream: u64,
    /// Whether nothing is drawn: weights are to come from elsewhere.
    blank: bool,
    device: &'a Device,
}

impl TransformerConfig {
    /// What makes layers of this configuration, one by one: the same `seed` and order give the same weights on every device.
    ///
    /// # Errors
    /// What [`TransformerConfig::validate`] finds.
    pub fn initializer<'a>(&'a self, seed: u64, device: &'a Device) -> Result<Initializer<'a>, ModelError> {
        self.validate()?;
        Ok(Initializer { config: self, seed, stream: 0, blank: false, device })
    }
}

impl<'a> Initializer<'a> {
    /// The configuration, which is valid.
    pub fn config(&self) -> &'a TransformerConfig {
        self.config
    }

    /// The same for adapters, whose random streams are apart from the model's: a model has the same weights with them and without.
    pub(crate) fn beside(self) -> Self {
        Self { stream: self.stream | 1 << 32, ..self }
    }

    /// The same, which makes zeros: of memory that nobody has written to until a file's weights come.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn blank(self) -> Self {
        Self { blank: true, ..self }
    }

    /// Independent normal values with mean 0.
    pub fn normal<const D: usize>(&mut self, shape: [usize; D], std: f64) -> Param<Tensor<D>> {
        let mut random = self.random();
        self.draw(&mut random, shape, std)
    }

    /// Independent uniform values from `-limit` to `limit`.
    pub fn uniform<const D: usize>(&mut self, shape: [usize; D], limit: f64) -> Param<Tensor<D>> {
        let mut random = self.random();
        let values = shape.iter().product();
        let values = (0..values).map(|_| (random.random_range(-limit..=limit)) as f32).collect();
        self.param(values, shape)
    }

    /// As [`Initializer::normal`] for a matrix of `columns`, cut into shards of so many `rows`: the same values however
    /// it is cut.
    pub(crate) fn normal_rows(&mut self, rows: &[usize], columns: usize, std: f64) -> Vec<Param<Tensor<2>>> {
        let mut random = self.random();
        rows.iter().map(|rows| self.draw(&mut random, [*rows, columns], std)).collect()
    }

    /// The same value everywhere.
    pub fn constant<const D: usize>(&self, shape: [usize; D], value: f32) -> Param<Tensor<D>> {
        Param::from_tensor(Tensor::full(shape, value, self.device))
    }

    /// The next parameter's random stream.
    fn random(&mut self) -> ChaCha8Rng {
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        random.set_stream(self.stream);
        self.stream += 1;
        random
    }

    fn draw<const D: usize>(&self, random: &mut ChaCha8Rng, shape: [usize; D], std: f64) -> Param<Tensor<D>> {
        if self.blank {
            return self.constant(shape, 0.0);
        }
        let count = shape.iter().product();
        let values = (0..count).map(|_| (random.sample::<f64, _>(StandardNormal) * std) as f32).collect();
        self.param(values, shape)
    }

    fn param<const D: usize>(&self, values: Vec<f32>, shape: [usize; D]) -> Param<Tensor<D>> {
        Param::from_tensor(Tensor::from_data(TensorData::new(values, shape), self.device))
    }
}
