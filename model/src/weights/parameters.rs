//! The values of a model's parameters, one at a time and by name.

use std::{cell::RefCell, collections::HashMap, sync::Arc};

use burn::{
    module::{Module, ModuleVisitor, Param},
    tensor::{Tensor, TensorData},
};

use crate::{ModelError, Positions, RopeLayout, Transformer};

/// Fetches a tensor from its device.
type Fetch = Box<dyn Fn() -> TensorData>;

/// The parameters of a model, whose adapters are merged into the weights that they change.
pub(super) struct Parameters<'a> {
    model: &'a Transformer,
    /// The shards of each, in their order.
    found: HashMap<String, Vec<Fetch>>,
    /// The one that was asked for last: experts are written one after the other.
    last: RefCell<Option<(String, Arc<[f32]>)>>,
}

impl<'a> Parameters<'a> {
    /// Those of `model`; nothing is copied yet.
    pub(super) fn of(model: &'a Transformer) -> Self {
        let mut collect = Collect::default();
        model.visit(&mut collect);
        let mut found = collect.found;
        found.retain(|name, _| !name.contains(".adapter."));
        for (at, block) in model.blocks.iter().enumerate() {
            let adapted = block.projections().into_iter().filter(|(_, linear)| linear.adapter.is_some());
            for (projection, linear) in adapted {
                let linear = linear.clone();
                let name = format!("blocks.{at}.{}.{}.weight", block.layer_of(projection), projection.name());
                found.insert(name, vec![Box::new(move || linear.merged().into_data())]);
            }
        }
        Self { model, found, last: RefCell::default() }
    }

    /// The values of a parameter, of which a model without it has so many zeros. Where queries and keys rotate, channels are as
    /// `layout` pairs them.
    ///
    /// # Errors
    /// A value that is not finite.
    pub(super) fn values(&self, name: &str, layout: RopeLayout, absent: usize) -> Result<Arc<[f32]>, ModelError> {
        if let Some((_, values)) = self.last.borrow().as_ref().filter(|(last, _)| last == name) {
            return Ok(values.clone());
        }
        // What was there goes first.
        self.last.replace(None);
        let Some(shards) = self.found.get(name) else { return Ok(vec![0.0; absent].into()) };
        let mut values: Vec<f32> = Vec::new();
        for shard in shards {
            values.extend(shard().iter::<f32>());
        }
        if let Some(value) = values.iter().find(|value| !value.is_finite()) {
            let reason = "is no number that a model computes with: take an earlier checkpoint";
            return Err(ModelError::Unexportable { what: format!("{name}: {value}"), reason: reason.into() });
        }
        let config = self.model.config();
        if turns(name) && config.positions == Positions::Rope && config.rope_layout != layout {
            values = paired(&values, config.head_width(), layout);
        }
        let values: Arc<[f32]> = values.into();
        self.last.replace(Some((name.into(), values.clone())));
        Ok(values)
    }

    /// Requires that parameters, where the model has them, are zeros.
    ///
    /// # Errors
    /// The first one that is not, which `form` has no place for.
    pub(super) fn must_be_zero(&self, names: &[String], form: &str) -> Result<(), ModelError> {
        let is_set = |shard: &Fetch| shard().iter::<f32>().any(|value| value != 0.0);
        match names.iter().find(|name| self.found.get(*name).is_some_and(|shards| shards.iter().any(is_set))) {
            Some(name) => Err(ModelError::Unexportable {
                what: name.clone(),
                reason: format!("is not all zeros, and {form} has no place for it"),
            }),
            None => Ok(()),
        }
    }
}

/// Whether the channels of a parameter are those that rotate.
fn turns(name: &str) -> bool {
    let Some((_, rest)) = name.split_once(".attention.") else { return false };
    ["query.", "key.", "query_norm.", "key_norm."].iter().any(|of| rest.starts_with(of))
}

/// Values of heads of so many channels, the last axis of a parameter, whose pairs are as `layout` has them and were as the other one.
pub(super) fn paired(values: &[f32], width: usize, layout: RopeLayout) -> Vec<f32> {
    let half = width / 2;
    let mut out = vec![0.0; values.len()];
    for (from, to) in values.chunks_exact(width).zip(out.chunks_exact_mut(width)) {
        for pair in 0..half {
            match layout {
                RopeLayout::Half => (to[pair], to[pair + half]) = (from[2 * pair], from[2 * pair + 1]),
                RopeLayout::Interleaved => (to[2 * pair], to[2 * pair + 1]) = (from[pair], from[pair + half]),
            }
        }
    }
    out
}

#[derive(Default)]
struct Collect {
    path: Vec<String>,
    found: HashMap<String, Vec<Fetch>>,
}

impl ModuleVisitor for Collect {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.into());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let path = self.path.join(".");
        let name = path.split(".shards.").next().unwrap_or_default().to_string();
        let tensor = param.val();
        self.found.entry(name).or_default().push(Box::new(move || tensor.clone().into_data()));
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::{Adapter, AdapterConfig, TransformerConfig};

    #[test]
    fn pairs_are_moved_there_and_back() {
        let halves = [0.0, 1.0, 2.0, 10.0, 11.0, 12.0];
        let neighbours = paired(&halves, 6, RopeLayout::Interleaved);
        assert_eq!(neighbours, [0.0, 10.0, 1.0, 11.0, 2.0, 12.0]);
        assert_eq!(paired(&neighbours, 6, RopeLayout::Half), halves);
    }

    #[test]
    fn an_adapter_is_part_of_its_weight() {
        let config = TransformerConfig::llama(10, 8, 1, 8, 2);
        let device = Device::flex();
        let mut model = config.init(0, &device).unwrap();
        let mut init = config.initializer(1, &device).unwrap();
        let up = &mut model.blocks[0].mlp.as_mut().unwrap().up;
        let [inputs, outputs] = up.weight.dims();
        let one = AdapterConfig { rank: 1, alpha: 2.0, ..AdapterConfig::default() };
        let mut adapter = Adapter::init([inputs, outputs], &one, &mut init);
        adapter.down = Param::from_tensor(Tensor::ones([inputs, 1], &device));
        adapter.up = Param::from_tensor(Tensor::ones([1, outputs], &device));
        let plain: Vec<f32> = up.weight.val().into_data().iter::<f32>().collect();
        up.adapter = Some(adapter);
        let parameters = Parameters::of(&model);
        let merged = parameters.values("blocks.0.mlp.up.weight", RopeLayout::Half, 0).unwrap();
        assert!(merged.iter().zip(&plain).all(|(merged, plain)| (merged - plain - 2.0).abs() < 1e-6));
        assert!(parameters.found.keys().all(|name| !name.contains("adapter")));
        assert_eq!(*parameters.values("blocks.0.mlp.up.bias", RopeLayout::Half, 3).unwrap(), [0.0; 3]);
    }
}
