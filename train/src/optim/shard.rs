//! What each of several ranks updates, where the optimizer's state is sharded over them.

use std::{collections::HashMap, ops::Range};

use burn::{module::ParamId, tensor::Tensor};

/// One of `world` ranks, each of which keeps the state of its own part of the parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OptimizerShard {
    /// Number of the rank, from 0.
    pub rank: usize,
    /// Number of ranks.
    pub world: usize,
}

impl OptimizerShard {
    /// The consecutive elements of a tensor of `length` that are the rank's own; parts differ by at most one element.
    pub fn part(&self, length: usize) -> Range<usize> {
        let boundary = |rank: usize| (rank as u128 * length as u128 / self.world as u128) as usize;
        boundary(self.rank)..boundary(self.rank + 1)
    }
}

/// What a rank has of one parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// These elements; each of the others has some too.
    Elements(Range<usize>),
    /// All of it.
    Whole,
    /// Nothing: all of it is this rank's.
    Elsewhere(usize),
}

impl Part {
    /// Number of elements of it, of a parameter that has `length`.
    pub fn elements(&self, length: usize) -> usize {
        match self {
            Self::Elements(own) => own.len(),
            Self::Whole => length,
            Self::Elsewhere(_) => 0,
        }
    }

    /// What it is of a flat tensor, in a buffer of its own where it is a piece: a view would hold on to the whole, and so would
    /// what an operation puts in its place.
    pub fn of(&self, tensor: Tensor<1>) -> Tensor<1> {
        match self {
            Self::Whole => tensor,
            Self::Elements(own) if !own.is_empty() => {
                let piece = Tensor::zeros([own.len()], &tensor.device());
                piece.slice_assign(.., tensor.slice([own.clone()]))
            }
            _ => Tensor::zeros([0], &tensor.device()),
        }
    }
}

/// How all parameters are divided among the ranks. Every rank divides them alike.
#[derive(Debug)]
pub(super) struct Sharding {
    shard: OptimizerShard,
    /// The parameters that are divided; of one that is not cut the rank that updates it.
    owners: HashMap<ParamId, Option<usize>>,
    /// Elements of parameters that are not cut, by the rank that updates them.
    loads: Vec<usize>,
}

impl Sharding {
    pub fn new(shard: OptimizerShard) -> Self {
        Self { shard, owners: HashMap::new(), loads: vec![0; shard.world] }
    }

    /// Divides a parameter: one that may not be cut goes to the rank that has least.
    pub fn divide(&mut self, id: ParamId, length: usize, is_cut: bool) {
        let least = (0..self.loads.len()).min_by_key(|rank| self.loads[*rank]).expect("there is a rank");
        if !is_cut {
            self.loads[least] += length;
        }
        self.owners.insert(id, (!is_cut).then_some(least));
    }

    /// Whether each rank has a part of a parameter.
    #[cfg(not(target_family = "wasm"))]
    pub fn has(&self, id: ParamId) -> bool {
        self.owners.contains_key(&id)
    }

    /// The rank's own part of a parameter of `length` elements.
    pub fn part(&self, id: ParamId, length: usize) -> Part {
        match self.owners.get(&id) {
            Some(Some(owner)) if *owner == self.shard.rank => Part::Whole,
            Some(Some(owner)) => Part::Elsewhere(*owner),
            _ => Part::Elements(self.shard.part(length)),
        }
    }
}
