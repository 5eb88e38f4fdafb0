//! Tensors in files, as any tool reads them: <https://github.com/huggingface/safetensors>.

use std::{
    collections::HashMap,
    fs::File,
    path::{Path, PathBuf},
};

use memmap2::Mmap;
use safetensors::{
    SafeTensors,
    tensor::{Dtype, Metadata, TensorInfo},
};

use super::CheckpointError;

/// A tensor's name and shape; its values are f32.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorSpec {
    /// As in the model.
    pub name: String,
    /// Row-major.
    pub shape: Vec<usize>,
}

/// What a file begins with, and the bytes that follow it.
pub(super) fn header(specs: &[TensorSpec]) -> (Vec<u8>, u64) {
    let mut end = 0;
    let infos = specs.iter().map(|TensorSpec { name, shape }| {
        let start = end;
        end += shape.iter().product::<usize>() * size_of::<f32>();
        (name.clone(), TensorInfo { dtype: Dtype::F32, shape: shape.clone(), data_offsets: (start, end) })
    });
    let about = HashMap::from([("format".to_string(), "hearth-1".to_string())]);
    let metadata = Metadata::new(Some(about), infos.collect()).expect("offsets follow one another");
    let mut json = serde_json::to_vec(&metadata).expect("names and numbers");
    json.resize(json.len().next_multiple_of(8), b' ');
    let header = [&(json.len() as u64).to_le_bytes()[..], &json].concat();
    (header, end as u64)
}

/// A file's tensors, mapped into memory.
#[derive(Debug)]
pub struct Tensors {
    path: PathBuf,
    map: Mmap,
}

impl Tensors {
    pub(super) fn open(path: &Path) -> Result<Self, CheckpointError> {
        let io = || CheckpointError::io("opening", path);
        let file = File::open(path).map_err(io())?;
        // SAFETY: no one changes a checkpoint that stands; if one does, the values are wrong and the memory is not.
        let map = unsafe { Mmap::map(&file) }.map_err(io())?;
        let tensors = SafeTensors::deserialize(&map).map_err(|error| CheckpointError::broken(path, error))?;
        if let Some((name, view)) = tensors.iter().find(|(_, view)| view.dtype() != Dtype::F32) {
            return Err(CheckpointError::broken(path, format!("{name} is {:?}, not F32", view.dtype())));
        }
        Ok(Self { path: path.into(), map })
    }

    /// Every tensor's name.
    pub fn names(&self) -> Vec<String> {
        self.views().names().into_iter().map(str::to_owned).collect()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.views().is_empty()
    }

    /// The values of a tensor: little-endian f32.
    ///
    /// # Errors
    /// There is none of that name, or it has another shape.
    pub fn get(&self, name: &str, shape: &[usize]) -> Result<&[u8], CheckpointError> {
        let broken = |reason: String| CheckpointError::broken(&self.path, reason);
        let view = self.views().tensor(name).map_err(|_| broken(format!("has no tensor {name}")))?;
        if view.shape() != shape {
            return Err(broken(format!("{name} is {:?}, and the model's is {shape:?}", view.shape())));
        }
        Ok(view.data())
    }

    fn views(&self) -> SafeTensors<'_> {
        SafeTensors::deserialize(&self.map).expect("it was read when it was opened")
    }
}
