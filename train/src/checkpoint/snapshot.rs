//! A trainer's tensors on their way out of the device, and in again.

use std::collections::HashMap;

use burn::{
    module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId},
    tensor::{DType, Device, Tensor, TensorData},
};
use hearth_model::Transformer;

use super::{Checkpoint, CheckpointError, NewCheckpoint, TensorSpec, Tensors};
use crate::{TrainError, optim::AdamW, readback::Readback, step::Trainer};

const MODEL: &str = "model.safetensors";
const OPTIMIZER: &str = "optimizer.safetensors";

/// What AdamW keeps of a parameter, as its names begin.
const MOMENTS: [&str; 2] = ["first.", "second."];

/// The momentum of outer steps, as its names begin.
const OUTER: &str = "outer.";

/// What a trainer on one of several devices does not have itself.
#[derive(Default)]
pub struct Elsewhere {
    /// The whole moments, where each rank has a part.
    pub moments: HashMap<ParamId, [TensorData; 2]>,
    /// The momentum of outer steps, parameter by parameter, end to end.
    pub momentum: Option<Vec<f32>>,
}

/// Copies of all parameters and moments, on their way to host memory.
pub struct Snapshot {
    parameters: Vec<Copy>,
    moments: Vec<Copy>,
}

/// A tensor that is one in a file; a matrix over the vocabulary may have come in several.
struct Copy {
    spec: TensorSpec,
    parts: Vec<Part>,
}

enum Part {
    OnDevice(Readback),
    /// In host memory already. Held as it is: the next update makes new tensors, and this one is then no one else's, so
    /// that its values are taken without a copy.
    OnHost(Box<dyn FnOnce() -> TensorData + Send>),
}

impl Snapshot {
    /// Queues the copies behind what the device has been given, and before what comes next; nothing waits.
    ///
    /// Until they are written they take as much host memory as the tensors do: 12 bytes a parameter.
    pub fn take(trainer: &Trainer, elsewhere: Elsewhere) -> Self {
        let mut take = Take {
            optimizer: trainer.optimizer(),
            elsewhere,
            passed: 0,
            path: Vec::new(),
            parameters: Vec::new(),
            moments: Vec::new(),
        };
        trainer.model().visit(&mut take);
        Self { parameters: take.parameters, moments: take.moments }
    }

    /// Waits for the copies and moves them, one by one, into memory of their own. The thread that took them must do it:
    /// what the device mapped for them may not be given back while that thread submits other work.
    pub fn settle(&mut self) {
        for part in self.parameters.iter_mut().chain(&mut self.moments).flat_map(|copy| &mut copy.parts) {
            if let Part::OnDevice(copy) = part {
                copy.settle();
            }
        }
    }

    /// Writes both files, and lets go of each tensor when it is written; after [`Snapshot::settle`].
    ///
    /// # Errors
    /// A file that cannot be written, a device that was lost before the copies arrived.
    pub fn write(self, new: &mut NewCheckpoint) -> Result<(), TrainError> {
        for (name, copies) in [(MODEL, self.parameters), (OPTIMIZER, self.moments)] {
            let specs: Vec<TensorSpec> = copies.iter().map(|copy| copy.spec.clone()).collect();
            let mut file = new.tensors(name, &specs)?;
            for part in copies.into_iter().flat_map(|copy| copy.parts) {
                let data = match part {
                    Part::OnDevice(copy) => copy.wait().map_err(TrainError::of_device)?,
                    Part::OnHost(take) => take(),
                };
                file.write(data.bytes())?;
            }
            file.finish()?;
        }
        Ok(())
    }
}

/// Sets all parameters and moments from a checkpoint of the same model.
///
/// # Errors
/// A tensor that is missing or has another shape.
pub fn restore(trainer: &mut Trainer, checkpoint: &Checkpoint) -> Result<(), TrainError> {
    let moments = checkpoint.tensors(OPTIMIZER)?;
    set(trainer, &checkpoint.tensors(MODEL)?, Some(&moments))
}

/// Sets all parameters, and no moments.
///
/// # Errors
/// As [`restore`].
pub fn restore_weights(trainer: &mut Trainer, checkpoint: &Checkpoint) -> Result<(), TrainError> {
    set(trainer, &checkpoint.tensors(MODEL)?, None)
}

/// The momentum of outer steps that a checkpoint of the same model has, parameter by parameter, end to end.
///
/// # Errors
/// As [`restore`].
pub fn outer_momentum(trainer: &Trainer, checkpoint: &Checkpoint) -> Result<Option<Vec<f32>>, TrainError> {
    let tensors = checkpoint.tensors(OPTIMIZER)?;
    if !tensors.names().any(|name| name.starts_with(OUTER)) {
        return Ok(None);
    }
    let mut shapes = Shapes::default();
    trainer.model().visit(&mut shapes);
    let mut momentum = Vec::new();
    for name in &shapes.order {
        momentum.extend(bytemuck::pod_collect_to_vec::<u8, f32>(
            tensors.get(&format!("{OUTER}{name}"), &shapes.whole[name])?,
        ));
    }
    Ok(Some(momentum))
}

fn set(trainer: &mut Trainer, parameters: &Tensors, moments: Option<&Tensors>) -> Result<(), TrainError> {
    let mut shapes = Shapes::default();
    trainer.model().visit(&mut shapes);
    let mut error = None;
    trainer.replace(|model: Transformer, optimizer| {
        let offsets = HashMap::new();
        let path = Vec::new();
        model.map(&mut Set { parameters, moments, optimizer, shapes: shapes.whole, offsets, path, error: &mut error })
    });
    error.map_or(Ok(()), |error| Err(error.into()))
}

/// A parameter's name in files: shards of one matrix share theirs.
fn file_name(path: &[String]) -> String {
    let path = path.join(".");
    path.split_once(".shards.").map_or(path.clone(), |(matrix, _)| matrix.into())
}

struct Take<'a> {
    optimizer: &'a AdamW,
    elsewhere: Elsewhere,
    /// Elements of the parameters before.
    passed: usize,
    path: Vec<String>,
    parameters: Vec<Copy>,
    moments: Vec<Copy>,
}

fn push<const D: usize>(copies: &mut Vec<Copy>, name: String, tensor: Tensor<D>) {
    let shape = tensor.dims();
    let part = match tensor.device() == Device::flex() {
        true => Part::OnHost(Box::new(move || tensor.into_data())),
        false => Part::OnDevice(Readback::new(tensor)),
    };
    push_part(copies, name, &shape, part);
}

fn push_data(copies: &mut Vec<Copy>, name: String, data: TensorData) {
    let shape = data.shape().to_vec();
    push_part(copies, name, &shape, Part::OnHost(Box::new(move || data)));
}

fn push_part(copies: &mut Vec<Copy>, name: String, shape: &[usize], part: Part) {
    match copies.iter_mut().find(|copy| copy.spec.name == name) {
        Some(matrix) => {
            matrix.spec.shape[0] += shape[0];
            matrix.parts.push(part);
        }
        None => copies.push(Copy { spec: TensorSpec { name, shape: shape.into() }, parts: vec![part] }),
    }
}

impl ModuleVisitor for Take<'_> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.into());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let name = file_name(&self.path);
        if self.optimizer.is_sharded().is_some() {
            let moments = self.elsewhere.moments.remove(&param.id).into_iter().flatten();
            for (prefix, moment) in MOMENTS.into_iter().zip(moments) {
                push_data(&mut self.moments, format!("{prefix}{name}"), moment);
            }
        } else if let Some(moments) = self.optimizer.moments::<D>(param.id) {
            for (prefix, moment) in MOMENTS.into_iter().zip(moments) {
                push(&mut self.moments, format!("{prefix}{name}"), moment);
            }
        }
        if let Some(momentum) = &self.elsewhere.momentum {
            let next = self.passed + param.shape().num_elements();
            let own = TensorData::new(momentum[self.passed..next].to_vec(), param.shape());
            push_data(&mut self.moments, format!("{OUTER}{name}"), own);
            self.passed = next;
        }
        push(&mut self.parameters, name, param.val().without_autodiff());
    }
}

/// The shapes that files have, by name.
#[derive(Default)]
struct Shapes {
    path: Vec<String>,
    whole: HashMap<String, Vec<usize>>,
    /// The names, as the model has them.
    order: Vec<String>,
}

impl ModuleVisitor for Shapes {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.into());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let dims = param.dims();
        let name = file_name(&self.path);
        if !self.whole.contains_key(&name) {
            self.order.push(name.clone());
        }
        let whole = self.whole.entry(name);
        whole.and_modify(|whole| whole[0] += dims[0]).or_insert_with(|| dims.into());
    }
}

struct Set<'a> {
    parameters: &'a Tensors,
    moments: Option<&'a Tensors>,
    optimizer: &'a mut AdamW,
    shapes: HashMap<String, Vec<usize>>,
    /// Bytes of a matrix that its first shards have taken.
    offsets: HashMap<String, usize>,
    path: Vec<String>,
    error: &'a mut Option<CheckpointError>,
}

impl Set<'_> {
    fn value<const D: usize>(
        &mut self,
        prefix: &str,
        dims: [usize; D],
        device: &Device,
    ) -> Result<Tensor<D>, CheckpointError> {
        let name = file_name(&self.path);
        let tensors = if prefix.is_empty() { self.parameters } else { self.moments.expect("asked for with moments") };
        let bytes = tensors.get(&format!("{prefix}{name}"), &self.shapes[&name])?;
        let start = self.offsets.get(&name).copied().unwrap_or(0);
        let bytes = &bytes[start..start + dims.iter().product::<usize>() * size_of::<f32>()];
        Ok(Tensor::from_data(TensorData::from_bytes_vec(bytes.to_vec(), dims, DType::F32), device))
    }

    fn set<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Result<Param<Tensor<D>>, CheckpointError> {
        let (dims, device) = (param.dims(), param.device().without_autodiff());
        if self.moments.is_some_and(|moments| !moments.is_empty()) {
            let moments = [self.value(MOMENTS[0], dims, &device)?, self.value(MOMENTS[1], dims, &device)?];
            self.optimizer.set_moments(param.id, moments);
        }
        let value = self.value("", dims, &device)?;
        *self.offsets.entry(file_name(&self.path)).or_default() += dims.iter().product::<usize>() * size_of::<f32>();
        let (id, old, mapper) = param.consume();
        let value = Tensor::from_inner(value);
        let value = if old.is_require_grad() { value.require_grad() } else { value };
        Ok(Param::from_mapped_value(id, value, mapper))
    }
}

impl ModuleMapper for Set<'_> {
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
        self.set(param.clone()).unwrap_or_else(|error| {
            *self.error = Some(error);
            param
        })
    }
}
