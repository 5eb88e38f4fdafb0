//! The operations of blocks by themselves, with a step's shapes, weights and number of passes.

use burn::{
    module::Module,
    nn::Linear,
    tensor::{Device, Distribution, Tensor},
};
use hearth_model::{Block, Norm, Positions, RopeLayout, TransformerConfig};
use hearth_wgsl::{AttentionOptions, attention, gelu, rotate, swiglu, vjp};

use super::{Spread, stages::Clock, subject::Subject};
use crate::{
    TrainError,
    plan::Cut,
    walk::{Activations, Placement},
};

/// What each kind of operation takes in all blocks and micro-batches of a step.
pub(super) struct BlockTimes {
    pub products: Spread,
    pub attention: Spread,
    pub norms: Spread,
    pub gates: Spread,
}

/// Times each kind of operation in turns, after a first one that is not counted.
pub(super) fn block_times(subject: &Subject, turns: usize) -> Result<BlockTimes, TrainError> {
    let alone = Alone::new(subject, turns);
    Ok(BlockTimes {
        products: alone.products()?,
        attention: alone.attention()?,
        norms: alone.norms()?,
        gates: alone.gates()?,
    })
}

struct Alone<'a> {
    config: &'a TransformerConfig,
    device: &'a Device,
    cut: &'a Cut,
    /// One, for all that live in host memory: there are as many on the device at once.
    blocks: Vec<Block>,
    turns: usize,
}

impl<'a> Alone<'a> {
    fn new(subject: &'a Subject, turns: usize) -> Self {
        let Subject { trainer, cut, device, .. } = subject;
        let model = trainer.model();
        let on_host = cut.policy.segments.iter().any(|segment| segment.parameters == Placement::Host);
        let blocks = match on_host {
            true => vec![model.blocks[0].clone().fork(&device.clone().autodiff())],
            false => model.blocks.clone(),
        };
        Self { config: model.config(), device, cut, blocks, turns }
    }

    /// Every linear layer: its product, and those of the gradients of its input and weights.
    fn products(&self) -> Result<Spread, TrainError> {
        let input = |linear: &Linear| self.random([linear.weight.dims()[0]]);
        let inputs: Vec<Tensor<3>> = linears(&self.blocks[0]).into_iter().map(input).collect();
        self.time(|pass, _, block| {
            for (linear, x) in linears(block).into_iter().zip(&inputs) {
                pass.of([x.clone()], |[x]| linear.forward(x));
            }
        })
    }

    fn attention(&self) -> Result<Spread, TrainError> {
        let config = self.config;
        let (time, width) = (config.context_length, config.head_width());
        let [queries, keys] = [config.heads, config.kv_heads()].map(|heads| self.random([heads, width]));
        let angles = (config.positions == Positions::Rope).then(|| self.numbers([1, time, width / 2]));
        let interleaved = config.rope_layout == RopeLayout::Interleaved;
        self.time(|pass, layer, _| {
            let options = AttentionOptions { window: config.window(layer), ..AttentionOptions::default() };
            pass.of([queries.clone(), keys.clone(), keys.clone()], |[q, k, v]| {
                let (q, k) = match &angles {
                    Some(angles) => rotate(q, k, angles.clone(), angles.clone(), interleaved),
                    None => (q, k),
                };
                attention(q, k, v, None, options)
            });
        })
    }

    fn norms(&self) -> Result<Spread, TrainError> {
        let config = self.config;
        let x: Tensor<3> = self.random([config.width]);
        let heads = [config.heads, config.kv_heads()];
        let [queries, keys]: [Tensor<4>; 2] = heads.map(|heads| self.random([heads, config.head_width()]));
        self.time(|pass, _, block| {
            for norm in [&block.attention_norm, &block.mlp_norm] {
                pass.of([x.clone()], |[x]| norm.forward(x));
            }
            let of_heads = |norm: &Option<Norm>, x: &Tensor<4>| {
                if let Some(norm) = norm {
                    pass.of([x.clone()], |[x]| norm.forward(x));
                }
            };
            of_heads(&block.attention.query_norm, &queries);
            of_heads(&block.attention.key_norm, &keys);
        })
    }

    fn gates(&self) -> Result<Spread, TrainError> {
        let [gate, up]: [Tensor<3>; 2] = std::array::from_fn(|_| self.random([self.config.ffn_width()]));
        self.time(|pass, _, block| match block.mlp.gate {
            Some(_) => pass.of([gate.clone(), up.clone()], |[gate, up]| swiglu(gate, up)),
            None => pass.of([up.clone()], |[up]| gelu(up)),
        })
    }

    /// Times what `work` does for a block, summed over a step.
    fn time(&self, work: impl Fn(Pass, usize, &Block)) -> Result<Spread, TrainError> {
        let mut clock = Clock { device: self.device };
        let mut turn = || {
            let mut seconds = 0.0;
            clock.time(&mut seconds, || (0..self.cut.accumulation).for_each(|_| self.micro_batch(&work)))?;
            Ok(seconds)
        };
        turn()?;
        let seconds = (0..self.turns.max(1)).map(|_| turn()).collect::<Result<_, TrainError>>()?;
        Ok(Spread::of(seconds))
    }

    /// All blocks of a micro-batch; those that are recomputed run forward once more.
    fn micro_batch(&self, work: impl Fn(Pass, usize, &Block)) {
        for segment in &self.cut.policy.segments {
            for layer in segment.blocks.clone() {
                let block = &self.blocks[layer % self.blocks.len()];
                if segment.activations != Activations::Keep {
                    work(Pass::Forward, layer, &block.valid());
                }
                work(Pass::Both, layer, block);
            }
        }
    }

    /// Random numbers `[B, T, ..rest]`.
    fn random<const R: usize, const D: usize>(&self, rest: [usize; R]) -> Tensor<D> {
        let leading = [self.cut.micro_batch, self.config.context_length];
        let shape: Vec<usize> = leading.into_iter().chain(rest).collect();
        self.numbers(shape.try_into().expect("D is R and the two leading ones"))
    }

    fn numbers<const D: usize>(&self, shape: [usize; D]) -> Tensor<D> {
        Tensor::random(shape, Distribution::Uniform(-1.0, 1.0), self.device)
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
    fn of<const N: usize, const D: usize>(
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

/// The linear layers of a block.
fn linears(block: &Block) -> Vec<&Linear> {
    let (attention, mlp) = (&block.attention, &block.mlp);
    let projections = [&attention.query, &attention.key, &attention.value, &attention.output];
    projections.into_iter().chain(&mlp.gate).chain([&mlp.up, &mlp.down]).collect()
}
