//! A matrix for each expert, on one device or dealt out over several.

use std::ops::Range;

use burn::{
    module::{Module, Param, ParamId},
    tensor::{Device, Tensor},
};

use crate::Initializer;

/// `[E, C, F]` as shards of consecutive experts, each on a device of its own; one shard where all are on one device. A file holds
/// the whole, however it is dealt out.
#[derive(Module, Debug)]
pub struct ExpertMatrix {
    /// The shards, `[experts, C, F]` each, in the order of the experts.
    pub shards: Vec<Param<Tensor<3>>>,
}

/// Which of so many experts each of several devices has: equally many, or one more.
///
/// # Panics
/// Without devices.
pub fn dealt(experts: usize, devices: usize) -> Vec<Range<usize>> {
    assert!(devices > 0, "dealt: experts need a device");
    (0..devices).map(|at| experts * at / devices..experts * (at + 1) / devices).collect()
}

impl ExpertMatrix {
    /// Independent normal values, on one device.
    pub(crate) fn init(shape: [usize; 3], std: f64, init: &mut Initializer) -> Self {
        Self { shards: vec![init.normal(shape, std)] }
    }

    /// The same matrices dealt out over `devices`: see [`dealt`]. The first shard keeps its parameter's id.
    ///
    /// # Panics
    /// Without devices, or with more of them than experts.
    pub(crate) fn over(self, devices: &[Device]) -> Self {
        let experts: usize = self.shards.iter().map(|shard| shard.dims()[0]).sum();
        let count = devices.len();
        assert!(count <= experts, "ExpertMatrix: {experts} experts are too few for {count} devices");
        let (id, is_trained) = (self.shards[0].id, self.shards[0].is_require_grad());
        // In host memory, for the whole may be more than a device has.
        let on_host = |shard: Param<Tensor<3>>| shard.val().detach().without_autodiff().to_device(&Device::flex());
        let whole = Tensor::cat(self.shards.into_iter().map(on_host).collect(), 0);
        let shards = dealt(experts, count).into_iter().zip(devices).enumerate().map(|(at, (own, device))| {
            let values = whole.clone().narrow(0, own.start, own.len()).to_device(&device.clone().without_autodiff());
            let values = Tensor::from_inner(values);
            let id = if at == 0 { id } else { ParamId::new() };
            Param::initialized(id, if is_trained { values.require_grad() } else { values })
        });
        Self { shards: shards.collect() }
    }

    /// Each shard with its experts.
    pub(crate) fn shards_with_experts(&self) -> impl Iterator<Item = (&Param<Tensor<3>>, Range<usize>)> {
        self.shards.iter().scan(0, |start, shard| {
            let experts = *start..*start + shard.dims()[0];
            *start = experts.end;
            Some((shard, experts))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn experts_are_dealt_out_evenly() {
        assert_eq!(dealt(8, 1).first(), Some(&(0..8)));
        assert_eq!(dealt(8, 2), [0..4, 4..8]);
        assert_eq!(dealt(8, 3), [0..2, 2..5, 5..8]);
    }
}
