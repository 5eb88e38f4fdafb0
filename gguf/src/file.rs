//! A GGUF file, mapped into memory.

use std::{
    fs::{self, File},
    io::ErrorKind,
    ops::Range,
    path::{Path, PathBuf},
};

use memmap2::Mmap;

use crate::{
    GgufError, GgufFault, MetadataValue, TensorInfo,
    blocks::{self, names},
    container::Header,
    error::quoted,
};

/// A GGUF file. Its header is checked against its size when it is opened; its tensors are read where they are asked for,
/// from the map.
#[derive(Debug)]
pub struct Gguf {
    path: PathBuf,
    map: Mmap,
    header: Header,
}

impl Gguf {
    /// Opens a little-endian file of version 2 or 3.
    ///
    /// # Errors
    /// A file that is missing, cut short, or not as the format has it. Nothing is allocated by a number in the file that the
    /// file's size has not confirmed.
    pub fn open(path: &Path) -> Result<Self, GgufError> {
        let at = |fault| GgufError { path: path.into(), fault };
        let map = map(path).map_err(at)?;
        let header = Header::parse(&map).map_err(at)?;
        Ok(Self { path: path.into(), map, header })
    }

    /// The version of the format.
    pub fn version(&self) -> u32 {
        self.header.version
    }

    /// The value of a metadata key.
    pub fn metadata(&self, key: &str) -> Option<&MetadataValue> {
        self.metadata_pairs().find(|(it, _)| *it == key).map(|(_, value)| value)
    }

    /// All metadata, in the file's order.
    pub fn metadata_pairs(&self) -> impl Iterator<Item = (&str, &MetadataValue)> {
        self.header.metadata.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// The integer of a metadata key, of any type, but not negative.
    ///
    /// # Errors
    /// A key that is missing, or of another type: so for the following.
    pub fn get_u64(&self, key: &str) -> Result<u64, GgufError> {
        self.get(key, "a non-negative integer", MetadataValue::as_u64)
    }

    /// The number of a metadata key, of either float type.
    ///
    /// # Errors
    /// As [`Gguf::get_u64`].
    pub fn get_f64(&self, key: &str) -> Result<f64, GgufError> {
        self.get(key, "f32 or f64", MetadataValue::as_f64)
    }

    /// The bool of a metadata key.
    ///
    /// # Errors
    /// As [`Gguf::get_u64`].
    pub fn get_bool(&self, key: &str) -> Result<bool, GgufError> {
        self.get(key, "bool", MetadataValue::as_bool)
    }

    /// The string of a metadata key.
    ///
    /// # Errors
    /// As [`Gguf::get_u64`].
    pub fn get_str(&self, key: &str) -> Result<&str, GgufError> {
        self.get(key, "string", MetadataValue::as_str)
    }

    /// The strings of a metadata key.
    ///
    /// # Errors
    /// As [`Gguf::get_u64`].
    pub fn get_strings(&self, key: &str) -> Result<&[String], GgufError> {
        self.get(key, "array of string", MetadataValue::as_strings)
    }

    /// The integers of a metadata key, of any type, but none of them negative.
    ///
    /// # Errors
    /// As [`Gguf::get_u64`].
    pub fn get_u64s(&self, key: &str) -> Result<Vec<u64>, GgufError> {
        self.get(key, "array of non-negative integers", MetadataValue::as_u64s)
    }

    /// The numbers of a metadata key, of either float type.
    ///
    /// # Errors
    /// As [`Gguf::get_u64`].
    pub fn get_f64s(&self, key: &str) -> Result<Vec<f64>, GgufError> {
        self.get(key, "array of f32 or f64", MetadataValue::as_f64s)
    }

    /// All tensors, in the file's order.
    pub fn tensors(&self) -> impl Iterator<Item = &TensorInfo> {
        self.header.tensors.iter()
    }

    /// The tensor of this name.
    pub fn tensor(&self, name: &str) -> Option<&TensorInfo> {
        let Header { tensors, by_name, .. } = &self.header;
        by_name.binary_search_by_key(&name, |index| tensors[*index].name()).ok().map(|at| &tensors[by_name[at]])
    }

    /// Reads a tensor as f32, in row-major order.
    ///
    /// # Errors
    /// A tensor that the file does not have, or of a type that is not one of those that can be read.
    pub fn read_f32(&self, name: &str) -> Result<Vec<f32>, GgufError> {
        let rows = self.tensor(name).map_or(0, |tensor| tensor.shape()[0]);
        self.read_f32_rows(name, 0..rows)
    }

    /// Reads rows of a tensor as f32: those of the outermost dimension in `rows`, each of all the others' product.
    ///
    /// # Errors
    /// As [`Gguf::read_f32`], and rows that the tensor does not have. In a tensor of one dimension a row is an element, and
    /// `rows` must begin and end between two blocks.
    pub fn read_f32_rows(&self, name: &str, rows: Range<usize>) -> Result<Vec<f32>, GgufError> {
        let at = |fault| GgufError { path: self.path.clone(), fault };
        let tensor = self.tensor(name).ok_or_else(|| at(GgufFault::NoTensor { tensor: quoted(name) }))?;
        let tensor_type = tensor.tensor_type();
        let Some(dequantize) = blocks::dequantizer(tensor_type) else {
            let known = names(|it| blocks::dequantizer(it).is_some());
            return Err(at(GgufFault::Unsupported { tensor: quoted(name), tensor_type: tensor_type.name(), known }));
        };
        let (count, row) = (tensor.shape()[0], tensor.shape()[1..].iter().product::<usize>());
        let step = if tensor.shape().len() == 1 { tensor_type.block_elements() } else { 1 };
        let Range { start, end } = rows;
        if start > end || end > count || !start.is_multiple_of(step) || !end.is_multiple_of(step) {
            return Err(at(GgufFault::Rows { tensor: quoted(name), start, end, rows: count, step }));
        }
        let bytes_to = |row_index: usize| row_index * row / tensor_type.block_elements() * tensor_type.block_bytes();
        let data = &self.map[tensor.data()][bytes_to(start)..bytes_to(end)];
        let mut values = vec![0.0; (end - start) * row];
        dequantize(data, &mut values);
        Ok(values)
    }

    fn get<'a, T>(
        &'a self,
        key: &str,
        wanted: &'static str,
        read: impl FnOnce(&'a MetadataValue) -> Option<T>,
    ) -> Result<T, GgufError> {
        let at = |fault| GgufError { path: self.path.clone(), fault };
        let value = self.metadata(key).ok_or_else(|| at(GgufFault::NoKey { key: quoted(key) }))?;
        read(value).ok_or_else(|| at(GgufFault::WrongType { key: quoted(key), found: value.describe(), wanted }))
    }
}

fn map(path: &Path) -> Result<Mmap, GgufFault> {
    let unreadable = |cause: std::io::Error| match cause.kind() {
        ErrorKind::NotFound => GgufFault::Missing,
        _ => GgufFault::Unreadable(cause),
    };
    // Before it is opened: opening a pipe waits for its writer.
    if !fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(GgufFault::NotAFile);
    }
    let file = File::open(path).map_err(unreadable)?;
    // SAFETY: the map is a `&[u8]` and so must not change while it is held. [`GgufWriter`](crate::GgufWriter) writes beside the
    // place and renames, which leaves the mapped file as it is. Another program that writes into the file can change weights,
    // of which any bytes are valid; one that shortens it ends the process with a bus error, as it would for every program that
    // maps files.
    unsafe { Mmap::map(&file) }.map_err(unreadable)
}
