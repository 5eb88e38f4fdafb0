//! Parameters one at a time from wherever they are, so that a model needs no more memory than its own while it is read.

use std::collections::HashMap;

use burn::{
    module::{Module, ModuleMapper, Param},
    tensor::{Device, Tensor, TensorData},
};

use crate::{ModelError, Transformer, TransformerConfig};

/// A parameter that is asked for, or some rows of it.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// Its name, as `blocks.0.attention.query.weight`.
    pub name: &'a str,
    /// The shape of what is wanted.
    pub shape: &'a [usize],
    /// Where it begins in the first dimension of the parameter, which may be in shards.
    pub first: usize,
}

/// The model of this configuration on `device`, each of whose parameters `read` gives the values of, in row-major order.
///
/// # Errors
/// What [`TransformerConfig::validate`] finds, and what `read` says.
pub fn filled(
    config: &TransformerConfig,
    device: &Device,
    read: impl FnMut(Wanted) -> Result<Vec<f32>, ModelError>,
) -> Result<Transformer, ModelError> {
    let model = config.init_by(&mut config.initializer(0, device)?.blank());
    let mut fill = Fill { read, path: Vec::new(), rows: HashMap::new(), error: None };
    let model: Transformer = model.map(&mut fill);
    fill.error.map_or(Ok(model), Err)
}

struct Fill<R> {
    read: R,
    path: Vec<String>,
    /// Rows of each parameter in shards that earlier shards have taken.
    rows: HashMap<String, usize>,
    error: Option<ModelError>,
}

impl<R: FnMut(Wanted) -> Result<Vec<f32>, ModelError>> ModuleMapper for Fill<R> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.into());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if self.error.is_some() {
            return param;
        }
        let path = self.path.join(".");
        let (name, first) = match path.split_once(".shards.") {
            Some((name, _)) => {
                let rows = self.rows.entry(name.into()).or_default();
                let first = *rows;
                *rows += param.dims()[0];
                (name, first)
            }
            None => (path.as_str(), 0),
        };
        match (self.read)(Wanted { name, shape: &param.dims(), first }) {
            Ok(values) => param.map(|old| {
                let (shape, device) = (old.dims(), old.device());
                // What is replaced goes first.
                drop(old);
                Tensor::from_data(TensorData::new(values, shape), &device)
            }),
            Err(error) => {
                self.error = Some(error);
                param
            }
        }
    }
}
