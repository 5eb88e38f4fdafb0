//! A mixture of experts in the place of a block's feed-forward network.

use std::ops::Range;

use burn::{
    module::{Module, Param},
    tensor::{Device, Int, Tensor, activation::sigmoid},
};
use hearth_wgsl::{Routing, carrying, embedding, gelu, grouped, linear, relu_squared, route, softmax, swiglu};

use crate::{
    Activation, ExpertMatrix, Frame, Initializer, Mlp, RouterScore, TransformerConfig,
    shape::{LayerShape, ParameterShape, Site, elements},
};

/// A router sends each position to some of many feed-forward networks, and adds what they make of it by its scores (Shazeer et al.
/// 2017, arXiv 1701.06538); shared ones see every position (DeepSeekMoE, arXiv 2401.06066). No position is dropped.
///
/// Experts are kept evenly busy in two ways. A bias of each expert decides with its score who is chosen, and nothing else; it moves
/// against the expert's load after every step (DeepSeek-V3, arXiv 2412.19437, section 2.1.2). And a loss beside the model's own has
/// its gradient added to the scores' (Switch, arXiv 2101.03961, section 2.2).
#[derive(Module, Debug)]
pub struct Experts {
    /// The projection to a score for each expert, `[C, E]`.
    pub router: Param<Tensor<2>>,
    /// What is added to the scores where experts are chosen, `[E]`. Its "gradient" is the load of each expert above the mean,
    /// times [`Experts::LOAD`].
    pub bias: Param<Tensor<1>>,
    /// As [`Mlp::gate`] of each expert, `[E, C, F]`; where there is one.
    pub gate: Option<ExpertMatrix>,
    /// As [`Mlp::up`], `[E, C, F]`.
    pub up: ExpertMatrix,
    /// As [`Mlp::down`], `[E, F, C]`.
    pub down: ExpertMatrix,
    /// The experts that see every position, as one network.
    pub shared: Option<Mlp>,
    #[module(skip)]
    settings: Settings,
}

/// How positions are routed.
#[derive(Clone, Copy, Debug)]
struct Settings {
    activation: Activation,
    chosen: usize,
    score: RouterScore,
    normalized: bool,
    scale: f64,
}

impl Experts {
    /// What loads are multiplied by where they stand for a gradient: so little that the global norm has none of it.
    pub const LOAD: f64 = 1e-20;

    /// Experts with random weights.
    pub fn init(init: &mut Initializer) -> Self {
        let config = init.config();
        let (experts, c, f, std) = (config.experts, config.width, config.expert_width(), config.init_std);
        let shared = config.shared_experts * f;
        Self {
            router: init.normal([c, experts], std),
            bias: init.constant([experts], 0.0),
            gate: config.mlp.is_gated().then(|| ExpertMatrix::init([experts, c, f], std, init)),
            up: ExpertMatrix::init([experts, c, f], std, init),
            down: ExpertMatrix::init([experts, f, c], config.residual_std(), init),
            shared: (shared > 0).then(|| Mlp::of_width(shared, init)),
            settings: Settings {
                activation: config.mlp,
                chosen: config.experts_per_token,
                score: config.router_score,
                normalized: config.normalize_experts,
                scale: config.expert_scale,
            },
        }
    }

    /// What a mixture of experts is made of and takes.
    pub fn shape(config: &TransformerConfig, site: &Site) -> LayerShape {
        let (experts, k, c, f) = (config.experts, config.experts_per_token, config.width, config.expert_width());
        let inner: &[&str] = if config.mlp.is_gated() { &["gate", "up"] } else { &["up"] };
        let own = [ParameterShape::new("router", [c, experts]), ParameterShape::new("bias", [experts])];
        let up = inner.iter().map(|name| ParameterShape::new(name, [experts, c, f]));
        let down = ParameterShape::new("down", [experts, f, c]);
        let shared = match config.shared_experts {
            0 => LayerShape::default(),
            many => Mlp::shape_of_width(config, many * f, site),
        };
        let [stream, scores] = [c, experts].map(|channels| site.positions(channels));
        let [spread, hidden] = [c, f].map(|channels| site.positions(k.saturating_mul(channels)));
        let activations = (inner.len() as u64 + 1 + u64::from(config.mlp == Activation::Geglu)) * hidden;
        let matrices = (inner.len() + 1) as u128 * c as u128 * f as u128;
        let time = site.time as f64;
        LayerShape {
            parameters: own.into_iter().chain(up).chain([down]).chain(shared.within("shared")).collect(),
            idle: (experts - k) as u128 * matrices,
            flops: 2.0 * time * (c as f64 * experts as f64 + k as f64 * matrices as f64) + shared.flops,
            // The rows of experts, their hidden values, what they make, and the scores on their way to weights.
            tape: 2 * spread + activations + (k as u64 + 3) * scores + shared.tape,
            forward: 2 * spread + activations + shared.forward,
            backward: stream + 2 * spread + activations + scores,
            tensors: vec![
                ("the experts' activations [N k, F]", hidden),
                ("a parameter of all experts [E, C, F]", elements([experts, c, f])),
            ],
            longest: 2.0 * spread as f64 * f as f64,
        }
    }

    /// The same with adapters beside the shared experts, as the initializer's configuration has them.
    pub(crate) fn adapted(self, init: &mut Initializer) -> Self {
        Self { shared: self.shared.map(|shared| shared.adapted(init)), ..self }
    }

    /// Maps `[B, T, C]` to `[B, T, C]`.
    pub fn forward(&self, x_btc: Tensor<3>, frame: &Frame) -> Tensor<3> {
        let [b, t, c] = x_btc.dims();
        let (n, k) = (b * t, self.settings.chosen);
        let x_nc = x_btc.clone().reshape([n, c]);
        let scores_ne = self.scores(x_nc.clone());
        let routing = route(scores_ne.clone().without_autodiff(), self.bias.val().without_autodiff(), k);
        let weights_nk = self.weights(scores_ne, &routing, frame);
        let x_mc = rows(x_nc, routing.rows.clone().reshape([1, n * k])).reshape([n * k, c]);
        let y_nkc = rows(self.networks(x_mc, routing.starts), routing.places);
        let y_btc = (y_nkc * weights_nk.reshape([n, k, 1])).sum_dim(1).reshape([b, t, c]);
        match &self.shared {
            Some(shared) => y_btc + shared.forward_keyed(x_btc, frame.adapter_key(1)),
            None => y_btc,
        }
    }

    /// Maps rows `[M, C]` that are sorted by expert, each by its expert's network; expert `e` has those from `starts[e]` on.
    fn networks(&self, x_mc: Tensor<2>, starts: Tensor<1, Int>) -> Tensor<2> {
        if let [_] = self.up.shards[..] {
            return self.shard(0, x_mc, starts);
        }
        // Every device is given all rows, for how many are its own is known on the devices alone. Those of others are zeros, forward
        // and back, and the sum of all has each row as its expert's device made it, to the bit.
        let (home, rows) = (x_mc.device(), x_mc.dims()[0]);
        let of_shard = |(at, (up, own)): (usize, (&Param<Tensor<3>>, Range<usize>))| {
            let device = up.device().without_autodiff();
            let starts = starts.clone().narrow(0, own.start, own.len() + 1).to_device(&device);
            let [first, end] = [0, own.len()].map(|at| starts.clone().narrow(0, at, 1).expand([rows]));
            let index = Tensor::<1, Int>::arange(0..rows as i64, &device);
            let others = index.clone().lower(first).bool_or(index.greater_equal(end)).reshape([rows, 1]);
            let others = others.expand(x_mc.dims());
            let device = if x_mc.is_autodiff() { device.autodiff() } else { device };
            let x_mc = x_mc.clone().to_device(&device).mask_fill(others.clone(), 0.0);
            self.shard(at, x_mc, starts).mask_fill(others, 0.0).to_device(&home)
        };
        let made = self.up.shards_with_experts().enumerate().map(of_shard);
        made.reduce(Tensor::add).expect("experts are on a device at least")
    }

    /// As [`Experts::networks`], of the experts of one shard.
    fn shard(&self, at: usize, x_mc: Tensor<2>, starts: Tensor<1, Int>) -> Tensor<2> {
        let product = |x: Tensor<2>, weight: &ExpertMatrix| grouped(x, weight.shards[at].val(), starts.clone());
        let up_mf = product(x_mc.clone(), &self.up);
        let hidden_mf = match (&self.gate, self.settings.activation) {
            (Some(gate), Activation::Geglu) => gelu(product(x_mc, gate)) * up_mf,
            (Some(gate), _) => swiglu(product(x_mc, gate), up_mf),
            (None, Activation::ReluSquared) => relu_squared(up_mf),
            (None, _) => gelu(up_mf),
        };
        product(hidden_mf, &self.down)
    }

    /// The devices that the experts are on.
    pub fn devices(&self) -> Vec<Device> {
        self.up.shards.iter().map(|shard| shard.device().without_autodiff()).collect()
    }

    /// The same experts dealt out over `devices`.
    ///
    /// # Panics
    /// Without devices, or with more of them than experts.
    pub fn over(self, devices: &[Device]) -> Self {
        Self {
            gate: self.gate.map(|gate| gate.over(devices)),
            up: self.up.over(devices),
            down: self.down.over(devices),
            ..self
        }
    }

    fn scores(&self, x_nc: Tensor<2>) -> Tensor<2> {
        let logits_ne = linear(x_nc, self.router.val(), None);
        match self.settings.score {
            RouterScore::Softmax => softmax(logits_ne),
            RouterScore::Sigmoid => sigmoid(logits_ne),
        }
    }

    /// What each of a position's experts counts, `[N, k]`; on the way back experts are told their load.
    fn weights(&self, scores_ne: Tensor<2>, routing: &Routing, frame: &Frame) -> Tensor<2> {
        let ([n, experts], Settings { chosen: k, normalized, scale, .. }) = (scores_ne.dims(), self.settings);
        // By products with ones and zeros, whose gradient needs no atomics.
        let all = Tensor::<1, Int>::arange(0..experts as i64, &routing.experts.device()).reshape([1, 1, experts]);
        let own = routing.experts.clone().reshape([n, k, 1]).expand([n, k, experts]);
        let one_hot = plain(own.equal(all.expand([n, k, experts])).float(), &scores_ne);
        let mut weights_nk = (scores_ne.clone().reshape([n, 1, experts]) * one_hot).sum_dim(2).reshape([n, k]);
        if normalized {
            weights_nk = weights_nk.clone() / (weights_nk.sum_dim(1) + 1e-20);
        }
        if !weights_nk.is_autodiff() {
            return weights_nk * scale;
        }
        let load = routing.load();
        let above_mean = (load.clone() - (n * k) as f64 / experts as f64) * Self::LOAD;
        weights_nk = carrying(weights_nk, self.bias.val(), above_mean);
        if frame.balance > 0.0 {
            let shares_ne = match self.settings.score {
                RouterScore::Softmax => scores_ne,
                RouterScore::Sigmoid => scores_ne.clone() / (scores_ne.sum_dim(1) + 1e-20),
            };
            // E sum_e f_e P_e, with f_e the share of the choices and P_e the mean of the scores, summed over positions.
            let slope = load * (frame.balance * experts as f64 / (n * k) as f64);
            weights_nk = carrying(weights_nk, shares_ne, slope.reshape([1, experts]).expand([n, experts]));
        }
        weights_nk * scale
    }
}

/// Rows `[B, T, C]` of `[N, C]`.
fn rows(x: Tensor<2>, at: Tensor<2, Int>) -> Tensor<3> {
    embedding(x, at, 0)
}

/// A constant, with autodiff where `like` is.
fn plain<const D: usize, const R: usize>(x: Tensor<D>, like: &Tensor<R>) -> Tensor<D> {
    if like.is_autodiff() { Tensor::from_inner(x) } else { x }
}
