//! Safetensors out: one file, or several with an index, a tensor at a time.

use std::path::Path;

use hearth_gguf::PartFile;
use serde_json::{Map, Value, json};

use crate::{
    ModelError,
    weights::{place::Stored, precision::Precision},
};

/// The tensors of each file, in order, none of which has more than `most` bytes of values but where one tensor has.
fn cut(tensors: &[Stored], size: usize, most: u64) -> Vec<&[Stored]> {
    let (mut files, mut start, mut bytes) = (Vec::new(), 0, 0);
    for (at, tensor) in tensors.iter().enumerate() {
        let own = (tensor.elements() * size) as u64;
        if at > start && bytes + own > most {
            files.push(&tensors[start..at]);
            (start, bytes) = (at, 0);
        }
        bytes += own;
    }
    files.push(&tensors[start..]);
    files
}

/// Writes `tensors`, whose values `values` gives, into `folder`, and returns the size of the values.
///
/// # Errors
/// A value that cannot be stored so, and a file that cannot be written.
pub fn write(
    folder: &Path,
    tensors: &[Stored],
    (precision, size): (Precision, usize),
    most: u64,
    mut values: impl FnMut(&Stored) -> Result<Vec<f32>, ModelError>,
) -> Result<u64, ModelError> {
    let files = cut(tensors, size, most);
    let (mut total, mut map) = (0, Map::new());
    for (at, tensors) in files.iter().enumerate() {
        let name = match files.len() {
            1 => "model.safetensors".to_string(),
            several => format!("model-{:05}-of-{several:05}.safetensors", at + 1),
        };
        let path = folder.join(&name);
        let io = |cause| ModelError::Io { path: path.clone(), cause };
        let mut file = PartFile::create(&path).map_err(io)?;
        let shapes = tensors.iter().map(|tensor| (tensor.name.as_str(), &tensor.shape[..]));
        let (header, bytes) = header(shapes, precision, size);
        file.write(&header).map_err(io)?;
        for tensor in *tensors {
            let encoded = precision.encode(&values(tensor)?).map_err(|value| ModelError::Unexportable {
                what: format!("tensor {}", tensor.name),
                reason: format!("has {value}, which {} cannot hold: take bf16 or f32", precision.name()),
            })?;
            file.write(&encoded).map_err(io)?;
        }
        file.finish().map_err(io)?;
        map.extend(tensors.iter().map(|tensor| (tensor.name.clone(), name.clone().into())));
        total += bytes;
    }
    if files.len() > 1 {
        let index = json!({ "metadata": { "total_size": total }, "weight_map": map });
        write_json(&folder.join("model.safetensors.index.json"), &index)?;
    }
    Ok(total)
}

/// Writes tensors of f32, each with its name and shape, into one file.
///
/// # Errors
/// A file that cannot be written.
pub fn write_plain(path: &Path, tensors: &[(String, [usize; 2], Vec<f32>)]) -> Result<(), ModelError> {
    let io = |cause| ModelError::Io { path: path.into(), cause };
    let mut file = PartFile::create(path).map_err(io)?;
    let precision = Precision::F32;
    let shapes = tensors.iter().map(|(name, shape, _)| (name.as_str(), &shape[..]));
    file.write(&header(shapes, precision, size_of::<f32>()).0).map_err(io)?;
    for (.., values) in tensors {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        file.write(&bytes).map_err(io)?;
    }
    file.finish().map_err(io)
}

/// Writes a small file of JSON.
///
/// # Errors
/// A file that cannot be written.
pub fn write_json(path: &Path, value: &Value) -> Result<(), ModelError> {
    let io = |cause| ModelError::Io { path: path.into(), cause };
    let mut file = PartFile::create(path).map_err(io)?;
    file.write(format!("{value:#}\n").as_bytes()).map_err(io)?;
    file.finish().map_err(io)
}

/// What stands before the values, and how many bytes these have.
fn header<'a>(
    tensors: impl Iterator<Item = (&'a str, &'a [usize])>,
    precision: Precision,
    size: usize,
) -> (Vec<u8>, u64) {
    let mut map = Map::from_iter([("__metadata__".to_string(), json!({ "format": "pt" }))]);
    let mut begin = 0;
    for (name, shape) in tensors {
        let end = begin + shape.iter().product::<usize>() * size;
        let dtype = precision.name().to_ascii_uppercase();
        let entry = json!({ "dtype": dtype, "shape": shape, "data_offsets": [begin, end] });
        map.insert(name.into(), entry);
        begin = end;
    }
    let mut text = Value::from(map).to_string().into_bytes();
    // Values begin at a multiple of eight bytes.
    text.resize(text.len().next_multiple_of(8), b' ');
    let mut header = (text.len() as u64).to_le_bytes().to_vec();
    header.extend(text);
    (header, begin as u64)
}
