//! Rank 0's parameters and moments for all: the others need no checkpoint, and devices that draw other numbers start alike.

use burn::{
    module::{Module, ModuleMapper, Param},
    tensor::{Device, Tensor, TensorData},
};

use super::{CollectiveError, Exchange, sharded::with_values};
use crate::{TrainError, optim::AdamW, readback::Readback, step::Trainer};

/// Gives rank 0's parameters and moments to all, and the momentum of its outer steps, which is returned.
pub(crate) fn share(
    trainer: &mut Trainer,
    exchange: &mut Exchange,
    momentum: Option<Vec<f32>>,
) -> Result<Option<Vec<f32>>, CollectiveError> {
    let device = trainer.walk().device.clone();
    let has_momentum = exchange.broadcast(vec![u8::from(momentum.is_some())], 0)?;
    let mut failed = None;
    trainer.replace(|model, optimizer| model.map(&mut Share { exchange, optimizer, device, failed: &mut failed }));
    if let Some(error) = failed {
        return Err(error);
    }
    match has_momentum.as_slice() {
        [1] => values(exchange, momentum.unwrap_or_default()).map(Some),
        _ => Ok(None),
    }
}

/// Rank 0's values.
fn values(exchange: &mut Exchange, own: Vec<f32>) -> Result<Vec<f32>, CollectiveError> {
    let own = if exchange.rank() == 0 { bytemuck::cast_slice(&own).to_vec() } else { Vec::new() };
    Ok(bytemuck::pod_collect_to_vec(&exchange.broadcast(own, 0)?))
}

fn read<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>, CollectiveError> {
    let data = Readback::new(tensor).wait();
    let data = data.map_err(|error| CollectiveError::Device(TrainError::of_device(error).to_string()))?;
    Ok(data.try_into_vec().expect("parameters are f32"))
}

struct Share<'a> {
    exchange: &'a mut Exchange,
    optimizer: &'a mut AdamW,
    device: Device,
    failed: &'a mut Option<CollectiveError>,
}

impl Share<'_> {
    fn shared<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Result<Param<Tensor<D>>, CollectiveError> {
        let moments = self.optimizer.moments::<D>(param.id);
        if self.exchange.rank() == 0 {
            let has_moments = vec![u8::from(moments.is_some())];
            self.exchange.broadcast(has_moments, 0)?;
            for tensor in [param.val().without_autodiff()].into_iter().chain(moments.into_iter().flatten()) {
                values(self.exchange, read(tensor)?)?;
            }
            return Ok(param);
        }
        let has_moments = self.exchange.broadcast(Vec::new(), 0)?;
        let shape = param.dims();
        let count = param.shape().num_elements();
        let mut next = || {
            let values = values(self.exchange, Vec::new())?;
            let (expected, found) = (count, values.len());
            let mismatch = CollectiveError::Mismatch { rank: 0, expected, other: self.exchange.rank(), found };
            if found == expected { Ok(values) } else { Err(mismatch) }
        };
        let parameter = next()?;
        if has_moments == [1] {
            let moments = [next()?, next()?];
            let device = &self.device;
            let tensor = |values| Tensor::from_data(TensorData::new(values, shape), device);
            self.optimizer.set_moments::<D>(param.id, moments.map(tensor));
        }
        Ok(with_values(param, parameter, &self.device))
    }
}

impl ModuleMapper for Share<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if self.failed.is_some() {
            return param;
        }
        self.shared(param.clone()).unwrap_or_else(|error| {
            *self.failed = Some(error);
            param
        })
    }
}
