//! Which rows go to which expert.

use burn::tensor::{Int, Tensor};

/// Where rows go: `N` rows, each to `k` of `E` experts, are `N k` places, those of an expert one after the other.
#[derive(Clone, Debug)]
pub struct Routing {
    /// The experts of each row, `[N, k]`, the best first.
    pub experts: Tensor<2, Int>,
    /// The row at each place, `[N k]`.
    pub rows: Tensor<1, Int>,
    /// The place of each row at each of its experts, `[N, k]`.
    pub places: Tensor<2, Int>,
    /// The first place of each expert, and behind the last, `[E + 1]`.
    pub starts: Tensor<1, Int>,
}

impl Routing {
    /// Number of rows that each expert has, `[E]`, as floats.
    pub fn load(&self) -> Tensor<1> {
        let [ends] = self.starts.dims();
        let starts = self.starts.clone().float();
        starts.clone().narrow(0, 1, ends - 1) - starts.narrow(0, 0, ends - 1)
    }
}
