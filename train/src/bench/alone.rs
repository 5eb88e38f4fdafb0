//! The operations of blocks by themselves, with a step's shapes, weights and number of passes.

use burn::{
    module::Module,
    tensor::{Device, Distribution, Tensor},
};
use hearth_model::{Activation, Block, Linear, Positions, RopeLayout, Transformer, TransformerConfig};
use hearth_wgsl::{AttentionOptions, attention, attention_with_sinks, gelu, relu_squared, rotate, swiglu, vjp};

use super::{stages::Clock, subject::Subject};
use crate::{
    TrainError,
    plan::Cut,
    walk::{Activations, Placement},
};

/// Seconds of each kind of operation, in all blocks and micro-batches of a step.
pub(super) struct BlockTimes {
    pub products: f64,
    pub attention: f64,
    pub norms: f64,
    pub gates: f64,
}

/// Runs the operations by themselves.
pub(super) struct Alone {
    config: TransformerConfig,
    device: Device,
    cut: Cut,
    inputs: Inputs,
    /// The block in place of all, where some live in host memory: there are as many on the device at once.
    fetched: Option<Block>,
}

/// What the operations are given.
struct Inputs {
    /// One for each linear layer of a block.
    of_linears: Vec<Tensor<3>>,
    stream_btc: Tensor<3>,
    inner_btf: [Tensor<3>; 2],
    queries_bthd: Tensor<4>,
    keys_btkd: Tensor<4>,
    /// RoPE's table, `[1, T, D / 2]`.
    angles: Option<Tensor<3>>,
}

impl Alone {
    pub fn new(subject: &Subject) -> Self {
        let Subject { trainer, cut, device, .. } = subject;
        let (model, config) = (trainer.model(), trainer.model().config());
        let beside = if config.is_latent() { config.rope_head_width } else { 0 };
        let [b, t, d] = [cut.micro_batch, config.context_length, config.head_width() + beside];
        let random = |shape| Tensor::random(shape, Distribution::Uniform(-1.0, 1.0), device);
        let of_heads = |heads| Tensor::random([b, t, heads, d], Distribution::Uniform(-1.0, 1.0), device);
        let input = |linear: &Linear| random([b, t, linear.weight.dims()[0]]);
        let on_host = cut.policy.segments.iter().any(|segment| segment.parameters == Placement::Host);
        Self {
            inputs: Inputs {
                of_linears: model.blocks[0].projections().into_iter().map(|(_, linear)| input(linear)).collect(),
                stream_btc: random([b, t, config.width]),
                inner_btf: std::array::from_fn(|_| random([b, t, config.ffn_width()])),
                queries_bthd: of_heads(config.heads),
                keys_btkd: of_heads(config.kv_heads()),
                angles: (config.positions == Positions::Rope).then(|| random([1, t, d / 2])),
            },
            fetched: on_host.then(|| model.blocks[0].clone().fork(&device.clone().autodiff())),
            config: config.clone(),
            device: device.clone(),
            cut: cut.clone(),
        }
    }

    /// Runs each kind of operation once for all blocks of `model`.
    pub fn take_turn(&self, model: &Transformer) -> Result<BlockTimes, TrainError> {
        Ok(BlockTimes {
            products: self.time(model, |pass, _, block| self.products(pass, block))?,
            attention: self.time(model, |pass, layer, block| self.attention(pass, layer, block))?,
            norms: self.time(model, |pass, _, block| self.norms(pass, block))?,
            gates: self.time(model, |pass, _, block| self.gates(pass, block))?,
        })
    }

    /// Every linear layer: its product, and those of the gradients of its input and weights.
    fn products(&self, pass: Pass, block: &Block) {
        for ((_, linear), x) in block.projections().into_iter().zip(&self.inputs.of_linears) {
            pass.run([x.clone()], |[x]| {
                hearth_wgsl::linear(x, linear.weight.val(), linear.bias.as_ref().map(|bias| bias.val()))
            });
        }
    }

    fn attention(&self, pass: Pass, layer: usize, block: &Block) {
        let Inputs { queries_bthd, keys_btkd, angles, .. } = &self.inputs;
        let options = AttentionOptions {
            window: self.config.window(layer),
            softcap: self.config.attention_softcap,
            ..AttentionOptions::default()
        };
        let interleaved = self.config.rope_layout == RopeLayout::Interleaved;
        pass.run([queries_bthd.clone(), keys_btkd.clone(), keys_btkd.clone()], |[q, k, v]| {
            let (q, k) = match angles {
                Some(angles) => rotate(q, k, angles.clone(), angles.clone(), interleaved),
                None => (q, k),
            };
            match block.attention.as_ref().and_then(|it| it.sinks.as_ref()) {
                Some(sinks) => attention_with_sinks(q, k, v, sinks.val(), None, options),
                None => attention(q, k, v, None, options),
            }
        });
    }

    fn norms(&self, pass: Pass, block: &Block) {
        let Inputs { stream_btc, queries_bthd, keys_btkd, .. } = &self.inputs;
        for norm in [&block.attention_norm, &block.mlp_norm] {
            pass.run([stream_btc.clone()], |[x]| norm.forward(x));
        }
        let Some(attention) = &block.attention else { return };
        for (norm, x) in [(&attention.query_norm, queries_bthd), (&attention.key_norm, keys_btkd)] {
            norm.iter().for_each(|norm| pass.run([x.clone()], |[x]| norm.forward(x)));
        }
    }

    fn gates(&self, pass: Pass, block: &Block) {
        let [gate, up] = self.inputs.inner_btf.clone();
        let Some(mlp) = &block.mlp else { return };
        match mlp.gate {
            Some(_) => pass.run([gate, up], |[gate, up]| swiglu(gate, up)),
            None if mlp.activation() == Activation::ReluSquared => pass.run([up], |[up]| relu_squared(up)),
            None => pass.run([up], |[up]| gelu(up)),
        }
    }

    /// Seconds of what `work` does for each block of a step; those that are recomputed run forward once more.
    fn time(&self, model: &Transformer, work: impl Fn(Pass, usize, &Block)) -> Result<f64, TrainError> {
        let micro_batch = || {
            for segment in &self.cut.policy.segments {
                for layer in segment.blocks.clone() {
                    let block = self.fetched.as_ref().unwrap_or(&model.blocks[layer]);
                    if segment.activations != Activations::Keep {
                        work(Pass::Forward, layer, &block.valid());
                    }
                    work(Pass::Both, layer, block);
                }
            }
        };
        let (mut clock, mut seconds) = (Clock { device: &self.device }, 0.0);
        clock.time(&mut seconds, || (0..self.cut.accumulation).for_each(|_| micro_batch()))?;
        Ok(seconds)
    }
}

/// The way that an operation is run.
#[derive(Clone, Copy)]
enum Pass {
    /// Off the tape.
    Forward,
    /// On a tape, and back.
    Both,
}

impl Pass {
    fn run<const N: usize, const D: usize>(
        self,
        inputs: [Tensor<D>; N],
        operation: impl Fn([Tensor<D>; N]) -> Tensor<D>,
    ) {
        match self {
            Self::Forward => drop(operation(inputs)),
            Self::Both => {
                let y = operation(inputs.map(|x| x.autodiff().require_grad()));
                let dy = y.clone().inner();
                drop(vjp(y, dy));
            }
        }
    }
}
