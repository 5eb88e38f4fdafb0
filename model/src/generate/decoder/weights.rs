//! Parameters as slices.

use hearth_wgsl::{
    NormOptions,
    decode::{HostValues, Product, multiply, norm_row},
};

use crate::{Linear, Norm, TokenMatrix, ValueEmbedding, value_embedding::LARGEST_GATE};

/// A projection's weight `[C, F]` and bias `[F]`.
pub struct LinearWeights {
    weight: HostValues,
    bias: Option<HostValues>,
}

/// A normalisation's scale and shift.
pub struct NormWeights {
    gamma: HostValues,
    beta: Option<HostValues>,
    options: NormOptions,
}

/// A matrix over the vocabulary in shards, `[rows, C]` each.
pub struct TokenRows(Vec<HostValues>);

/// The vectors that are added to values by token, and the projection `[channels, K]` to the logits of their gates.
pub struct ValueWeights {
    pub table: TokenRows,
    gate: HostValues,
    channels: usize,
}

/// `None` where there is something that is not taken; what there is not is taken.
pub fn optional<T>(found: Option<Option<T>>) -> Option<Option<T>> {
    match found {
        Some(None) => None,
        other => Some(other.flatten()),
    }
}

impl LinearWeights {
    pub fn new(linear: &Linear) -> Option<Self> {
        let bias = optional(linear.bias.as_ref().map(|bias| HostValues::of(bias.val())))?;
        Some(Self { weight: HostValues::of(linear.merged())?, bias })
    }

    /// The product whose result goes to `y`.
    pub fn product<'a>(&'a self, y: &'a mut [f32]) -> Product<'a> {
        Product { weight: &self.weight, bias: self.bias.as_deref(), y }
    }
}

impl NormWeights {
    pub fn new(norm: &Norm) -> Option<Self> {
        let beta = optional(norm.beta.as_ref().map(|beta| HostValues::of(beta.val())))?;
        Some(Self { gamma: HostValues::of(norm.gamma.val())?, beta, options: norm.options() })
    }

    /// Channels that are normalised together.
    pub fn width(&self) -> usize {
        self.gamma.len()
    }

    /// Normalises one row.
    pub fn apply(&self, x: &[f32], y: &mut [f32]) {
        norm_row(x, &self.gamma, self.beta.as_deref(), self.options, y);
    }
}

impl TokenRows {
    pub fn new(matrix: &TokenMatrix) -> Option<Self> {
        matrix.values().into_iter().map(HostValues::of).collect::<Option<_>>().map(Self)
    }

    pub fn shards(&self) -> &[HostValues] {
        &self.0
    }

    /// Copies the row of an id, from the shard that has it.
    ///
    /// # Panics
    /// If none has it.
    pub fn copy(&self, id: u32, row: &mut [f32]) {
        let mut first = id as usize * row.len();
        for shard in &self.0 {
            match shard.get(first..first + row.len()) {
                Some(found) => return row.copy_from_slice(found),
                None => first -= shard.len(),
            }
        }
        panic!("token {id} is outside of the vocabulary");
    }
}

impl ValueWeights {
    pub fn new(embedding: &ValueEmbedding) -> Option<Self> {
        let [channels, _] = embedding.gate.dims();
        Some(Self { table: TokenRows::new(&embedding.table)?, gate: HostValues::of(embedding.gate.val())?, channels })
    }

    /// Adds the vector of a token to the values `[K, D]`, by the gates that the attention's input `[C]` decides about. `gates` `[K]`
    /// and `vector` `[K, D]` are room that is used again.
    pub fn add(&self, id: u32, x: &[f32], gates: &mut [f32], vector: &mut [f32], values: &mut [f32]) {
        multiply(&x[..self.channels], [Product { weight: &self.gate, bias: None, y: &mut *gates }]);
        self.table.copy(id, vector);
        let d = values.len() / gates.len();
        for ((values, vector), logit) in values.chunks_exact_mut(d).zip(vector.chunks_exact(d)).zip(gates) {
            let gate = LARGEST_GATE as f32 / (1.0 + (-*logit).exp());
            values.iter_mut().zip(vector).for_each(|(value, added)| *value += gate * added);
        }
    }
}
