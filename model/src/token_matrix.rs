//! A matrix with a row for each token, cut into shards that any adapter can bind.

use std::ops::Range;

use burn::{
    module::{Module, Param},
    tensor::{Device, Int, Tensor},
};
use hearth_wgsl::{embedding, linear};

use crate::{Initializer, TransformerConfig};

/// `[V, C]` as shards of consecutive rows, none larger than `vocab_shard_bytes`.
///
/// GPT-2's matrix has 147 MiB in f32, and WebGPU binds 128 MiB by default. The cut depends on the configuration alone,
/// so the same model has the same shards on every device; a file holds the whole matrix.
#[derive(Module, Debug)]
pub struct TokenMatrix {
    /// The shards, `[rows, C]` each, in the order of the ids.
    pub shards: Vec<Param<Tensor<2>>>,
}

impl TransformerConfig {
    /// Rows of each shard of a matrix over the vocabulary; none without one. The configuration must be valid.
    pub fn vocab_shards(&self) -> Vec<usize> {
        self.shards_of(self.width)
    }

    /// As [`TransformerConfig::vocab_shards`], of a matrix with so many columns.
    pub(crate) fn shards_of(&self, columns: usize) -> Vec<usize> {
        if self.vocab_size == 0 {
            return Vec::new();
        }
        let most_rows = (self.vocab_shard_bytes / size_of::<f32>() / columns).max(1);
        let rows = self.vocab_size.div_ceil(self.vocab_size.div_ceil(most_rows));
        (0..self.vocab_size).step_by(rows).map(|start| rows.min(self.vocab_size - start)).collect()
    }
}

impl TokenMatrix {
    /// A matrix with random rows.
    pub fn init(init: &mut Initializer) -> Self {
        Self::init_of(init.config().width, init)
    }

    /// A matrix with random rows of so many columns.
    pub(crate) fn init_of(columns: usize, init: &mut Initializer) -> Self {
        let config = init.config();
        Self { shards: init.normal_rows(&config.shards_of(columns), columns, config.init_std) }
    }

    /// The shards without their tape.
    pub fn values(&self) -> Vec<Tensor<2>> {
        self.shards.iter().map(|shard| shard.val().without_autodiff()).collect()
    }

    /// Each shard with its ids.
    pub fn shards_with_ids(&self) -> impl Iterator<Item = (&Param<Tensor<2>>, Range<usize>)> {
        self.shards.iter().scan(0, |start, shard| {
            let ids = *start..*start + shard.dims()[0];
            *start = ids.end;
            Some((shard, ids))
        })
    }

    /// The rows of the ids `[B, T]`, `[B, T, C]`.
    ///
    /// The gradient is summed in token order, without atomics.
    pub fn rows(&self, tokens_bt: Tensor<2, Int>) -> Tensor<3> {
        let found = self.shards_with_ids().map(|(shard, ids)| embedding(shard.val(), tokens_bt.clone(), ids.start));
        found.reduce(Tensor::add).expect("a vocabulary has at least one id")
    }

    /// The same matrix in one shard; in host memory where there were several, for it may not fit the device's limits.
    pub(crate) fn whole(&self) -> Self {
        let [first, _, ..] = self.shards.as_slice() else { return self.clone() };
        let host = Device::flex();
        let values = self.shards.iter().map(|shard| shard.val().detach().to_device(&host)).collect();
        Self { shards: vec![Param::initialized(first.id, Tensor::cat(values, 0))] }
    }

    /// `whole`, which has one shard, cut and placed like this matrix.
    pub(crate) fn cut(&self, whole: &Self) -> Self {
        let [_, _, ..] = self.shards.as_slice() else { return whole.clone() };
        let whole = whole.shards[0].val();
        let cut = |(shard, ids): (&Param<Tensor<2>>, Range<usize>)| {
            let piece = whole.clone().narrow(0, ids.start, ids.len());
            shard.clone().transform_for_load(piece, shard.id)
        };
        Self { shards: self.shards_with_ids().map(cut).collect() }
    }

    /// Logits `[.., V]` of the normalised stream `[.., C]`, all of them at once.
    pub fn logits<const R: usize>(&self, x: Tensor<R>) -> Tensor<R> {
        let logits = self.shards.iter().map(|shard| linear(x.clone(), shard.val().transpose(), None)).collect();
        Tensor::cat(logits, R - 1)
    }
}
