//! The same in plain Burn operations: right everywhere, with every expert's product of every row.

use burn::tensor::{IndexingUpdateOp, Int, Tensor};

use super::routing::Routing;

/// Below every score.
const TAKEN: f32 = -1e30;

/// See [`route`](super::route()).
pub fn route(scores: Tensor<2>, bias: Tensor<1>, k: usize) -> Routing {
    let ([n, experts], device) = (scores.dims(), scores.device());
    let mut left = scores + bias.unsqueeze::<2>();
    let mut chosen = Vec::new();
    for _ in 0..k {
        let best = left.clone().argmax(1);
        let taken = among(best.clone(), experts);
        left = left * (taken.clone().neg() + 1.0) + taken * TAKEN;
        chosen.push(best);
    }
    let chosen: Tensor<2, Int> = Tensor::cat(chosen, 1);
    let slots = n * k;
    // Of each slot (a row at one of its experts): how many of its expert's come up to it.
    let one_hot = among(chosen.clone().reshape([slots, 1]), experts);
    let up_to = one_hot.clone().cumsum(0);
    let load = one_hot.clone().sum_dim(0);
    let before = load.clone().cumsum(1) - load.clone();
    let places = ((up_to + before - 1.0) * one_hot).sum_dim(1).reshape([slots]).int();
    let of_slots = Tensor::<1, Int>::arange(0..slots as i64, &device).div_scalar(k as i64);
    let rows = Tensor::<1, Int>::zeros([slots], &device);
    let rows = rows.select_assign(0, places.clone(), of_slots, IndexingUpdateOp::Add);
    let ends = load.cumsum(1).reshape([experts]).int();
    let starts = Tensor::cat(vec![Tensor::zeros([1], &device), ends], 0);
    Routing { experts: chosen, rows, places: places.reshape([n, k]), starts }
}

/// `[N, E]`: 1 at the index `[N, 1]` of each row.
fn among(index: Tensor<2, Int>, experts: usize) -> Tensor<2> {
    let [n, _] = index.dims();
    let all = Tensor::<1, Int>::arange(0..experts as i64, &index.device()).reshape([1, experts]);
    all.expand([n, experts]).equal(index.expand([n, experts])).float()
}

/// See [`grouped`](super::grouped()).
pub fn grouped(x: Tensor<2>, weight: Tensor<3>, starts: Tensor<1, Int>) -> Tensor<2> {
    let ([m, _], [experts, c, f]) = (x.dims(), weight.dims());
    let rows = Tensor::<1, Int>::arange(0..m as i64, &starts.device());
    let of_expert = |expert: usize| {
        let bound = |at: usize| starts.clone().narrow(0, at, 1).expand([m]);
        let own = rows.clone().greater_equal(bound(expert)).float() * rows.clone().lower(bound(expert + 1)).float();
        let product = x.clone().matmul(weight.clone().narrow(0, expert, 1).reshape([c, f]));
        let own = if product.is_autodiff() { Tensor::from_inner(own) } else { own };
        product * own.reshape([m, 1])
    };
    (0..experts).map(of_expert).reduce(Tensor::add).expect("there is an expert")
}
