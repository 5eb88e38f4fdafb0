//! Gradients by name, read back to the host.

use std::collections::HashMap;

use burn::{
    backend::ExecutionError,
    module::{Module, ModuleVisitor, Param, ParamId},
    optim::GradientsParams,
    tensor::{Tensor, TensorData},
};

use super::Sink;
use crate::{names::Names, readback::Readback};

impl Sink {
    /// Every gradient of `module` by the parameter's path, as `blocks.0.attention.query.weight`, read back to the host. A
    /// matrix over the vocabulary is whole, whatever its shards. Waits for the device; not in a browser.
    ///
    /// For one number a parameter, without an end of the sink, see [`Sink::norms`]. A visitor of one's own learns paths by
    /// `enter_module` and `exit_module`: Burn's `Module::visit` does not call `visit_float_with_path`.
    ///
    /// # Panics
    /// If the device is lost.
    pub fn named<M: Module>(self, module: &M) -> Vec<(String, TensorData)> {
        pollster::block_on(self.read_named(module))
            .unwrap_or_else(|error| panic!("gradients did not arrive: {error:?}"))
    }

    /// As [`Sink::named`], without blocking the thread.
    ///
    /// # Errors
    /// A device that is lost.
    pub async fn read_named<M: Module>(self, module: &M) -> Result<Vec<(String, TensorData)>, ExecutionError> {
        let Self { on_device, on_host, .. } = self;
        let on_host = on_host.unpack();
        let mut copies = Copies { names: Names::of(module), on_device, on_host, found: Vec::new() };
        module.visit(&mut copies);
        let mut named: Vec<(String, TensorData)> = Vec::new();
        for (name, values) in copies.found {
            let values = match values {
                Values::Device(copy) => copy.data().await?,
                Values::Host(data) => data,
            };
            match named.last_mut() {
                // The shards of a matrix come one after the other.
                Some((last, rows)) if *last == name => *rows = below(rows, &values),
                _ => named.push((name, values)),
            }
        }
        Ok(named)
    }
}

/// The rows of `upper` and then those of `lower`.
fn below(upper: &TensorData, lower: &TensorData) -> TensorData {
    let values: Vec<f32> = upper.iter::<f32>().chain(lower.iter::<f32>()).collect();
    TensorData::new(values, [upper.shape()[0] + lower.shape()[0], lower.shape()[1]])
}

enum Values {
    Device(Readback),
    Host(TensorData),
}

/// Queues the copy of each gradient.
struct Copies {
    names: Names,
    on_device: GradientsParams,
    on_host: HashMap<ParamId, TensorData>,
    found: Vec<(String, Values)>,
}

impl ModuleVisitor for Copies {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let on_device = self.on_device.remove::<D>(param.id).map(|gradient| Values::Device(Readback::new(gradient)));
        let values = on_device.or_else(|| self.on_host.remove(&param.id).map(Values::Host));
        if let Some(values) = values {
            self.found.push((self.names.name(param.id).into(), values));
        }
    }
}
