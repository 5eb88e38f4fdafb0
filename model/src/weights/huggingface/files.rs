//! The tensors of a folder: one file of safetensors, or several by an index.

use std::{
    collections::{BTreeMap, HashMap},
    fs::{self, File},
    ops::Range,
    path::{Path, PathBuf},
};

use burn::tensor::{bf16, f16};
use memmap2::Mmap;
use safetensors::{Dtype, SafeTensors};
use serde::Deserialize;

use crate::{ModelError, weights::broken};

/// Files that are mapped into memory, not read.
pub struct Files {
    /// The file that says which tensors there are.
    told_by: &'static str,
    files: Vec<(PathBuf, Mmap)>,
    tensors: HashMap<String, Entry>,
}

/// A tensor, as the header of its file has it.
struct Entry {
    /// Which of the files it is in.
    file: usize,
    dtype: Dtype,
    shape: Vec<usize>,
    /// Where its values are in that file.
    data: Range<usize>,
}

#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

impl Files {
    /// Those of a folder: `model.safetensors`, or what `model.safetensors.index.json` lists.
    ///
    /// # Errors
    /// A file that is missing or cannot be read, and one that is not safetensors.
    pub fn open(folder: &Path) -> Result<Self, ModelError> {
        let (single, index) = (folder.join("model.safetensors"), folder.join("model.safetensors.index.json"));
        let paths = match (single.is_file(), index.is_file()) {
            (true, _) => vec![single],
            (false, true) => listed(folder, &index)?,
            (false, false) => {
                let old = folder.join("pytorch_model.bin");
                let reason = match old.exists() {
                    true => "has only pytorch_model.bin, which may hold programs: take its safetensors",
                    false => "has no model.safetensors, and no model.safetensors.index.json",
                };
                return Err(broken(folder, reason));
            }
        };
        let mut all = Self { told_by: "config.json", files: Vec::new(), tensors: HashMap::new() };
        paths.into_iter().try_for_each(|path| all.add(path))?;
        Ok(all)
    }

    /// The tensors of one file, of which `told_by` says what they are.
    ///
    /// # Errors
    /// As [`Files::open`].
    pub fn of(path: PathBuf, told_by: &'static str) -> Result<Self, ModelError> {
        let mut all = Self { told_by, files: Vec::new(), tensors: HashMap::new() };
        all.add(path)?;
        Ok(all)
    }

    fn add(&mut self, path: PathBuf) -> Result<(), ModelError> {
        let file = File::open(&path).map_err(|cause| ModelError::Io { path: path.clone(), cause })?;
        // SAFETY: the map is read alone. Whoever cuts the file meanwhile stops the program, as with every mapped file.
        let map = unsafe { Mmap::map(&file) }.map_err(|cause| ModelError::Io { path: path.clone(), cause })?;
        let (header, metadata) = SafeTensors::read_metadata(&map)
            .map_err(|error| broken(&path, format!("{error}: it was cut or is no file of safetensors")))?;
        // The header's own length comes first, in eight bytes.
        let data = 8 + header;
        for (name, info) in metadata.tensors() {
            let (begin, end) = info.data_offsets;
            let (shape, data) = (info.shape.clone(), data + begin..data + end);
            let entry = Entry { file: self.files.len(), dtype: info.dtype, shape, data };
            if self.tensors.insert(name.clone(), entry).is_some() {
                return Err(broken(&path, format!("tensor {name} is in another file of the folder, too")));
            }
        }
        self.files.push((path, map));
        Ok(())
    }

    /// The names of all tensors.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// Whether there is a tensor of this name.
    pub fn has(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// Requires that there is a tensor of this name and shape.
    ///
    /// # Errors
    /// One that is missing, or has another shape.
    pub fn check(&self, name: &str, shape: &[usize]) -> Result<(), ModelError> {
        self.entry(name, shape).map(drop)
    }

    /// Rows of a tensor as f32, which must have this shape: so many from `first` on.
    ///
    /// # Errors
    /// As [`Files::check`]; a tensor that is stored as something else than f32, f16 or bf16.
    pub fn read(&self, name: &str, shape: &[usize], first: usize, rows: usize) -> Result<Vec<f32>, ModelError> {
        let (entry, (path, map)) = self.entry(name, shape)?;
        let width: usize = shape[1..].iter().product();
        floats(entry.dtype, &map[entry.data.clone()], first * width, rows * width).ok_or_else(|| {
            broken(path, format!("tensor {name} is stored as {:?}: Hearth reads F32, F16 and BF16", entry.dtype))
        })
    }

    fn entry(&self, name: &str, shape: &[usize]) -> Result<(&Entry, &(PathBuf, Mmap)), ModelError> {
        let Some(entry) = self.tensors.get(name) else {
            let (path, _) = &self.files[0];
            return Err(broken(
                path,
                format!("tensor {name} is missing, which the architecture of {} has", self.told_by),
            ));
        };
        let file = &self.files[entry.file];
        if entry.shape != shape {
            let reason = format!("tensor {name} is {:?}, and {} makes it {shape:?}", entry.shape, self.told_by);
            return Err(broken(&file.0, reason));
        }
        Ok((entry, file))
    }
}

fn listed(folder: &Path, index: &Path) -> Result<Vec<PathBuf>, ModelError> {
    let text = fs::read_to_string(index).map_err(|cause| ModelError::Io { path: index.into(), cause })?;
    let Index { weight_map } = serde_json::from_str(&text).map_err(|error| broken(index, error))?;
    let mut names: Vec<String> = weight_map.into_values().collect();
    names.sort_unstable();
    names.dedup();
    for name in &names {
        if Path::new(name).components().count() != 1 || name.contains("..") {
            return Err(broken(index, format!("weight_map names \"{name}\", which is no file of this folder")));
        }
    }
    Ok(names.into_iter().map(|name| folder.join(name)).collect())
}

/// So many values from `first` on, of a tensor whose bytes these are; none of a type that is not read.
fn floats(dtype: Dtype, data: &[u8], first: usize, count: usize) -> Option<Vec<f32>> {
    let bytes = |size: usize| data[first * size..(first + count) * size].chunks_exact(size);
    Some(match dtype {
        Dtype::F32 => bytes(4).map(|it| f32::from_le_bytes([it[0], it[1], it[2], it[3]])).collect(),
        Dtype::F16 => bytes(2).map(|it| f16::from_le_bytes([it[0], it[1]]).to_f32()).collect(),
        Dtype::BF16 => bytes(2).map(|it| bf16::from_le_bytes([it[0], it[1]]).to_f32()).collect(),
        _ => return None,
    })
}
