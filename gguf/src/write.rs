//! GGUF files out: a header that knows every size, then the tensors one after the other.

use std::{io, path::Path};

use crate::{
    GgufError, GgufFault, MetadataValue, TensorType,
    blocks::{Quantizer, names, quantizer},
    container::{ALIGNMENT, ALIGNMENT_KEY, MAGIC, VERSION, sorted, twice},
    error::quoted,
    part_file::PartFile,
    tensor_info::{MOST_DIMENSIONS, sizes},
    value_bytes::{write, write_string},
};

/// Elements that are quantised in one go: a multiple of every block's.
const PIECE: usize = 1 << 14;

/// A tensor that is to be written.
#[derive(Clone, Debug)]
pub struct NewTensor {
    /// The name; llama.cpp reads at most 63 bytes.
    pub name: String,
    /// The shape in row-major order, one to four dimensions.
    pub shape: Vec<usize>,
    /// How the elements are to be stored: F32, F16, BF16 or Q8_0.
    pub tensor_type: TensorType,
}

/// A file of version 3 that is being written, beside its place until [`GgufWriter::finish`] renames it. One that is dropped
/// before leaves nothing behind.
#[derive(Debug)]
pub struct GgufWriter {
    file: PartFile,
    tensors: Vec<(NewTensor, Plan)>,
    written: usize,
    /// Whether a tensor was begun and failed, so that what comes next would not be where the header has it.
    broken: bool,
}

/// How a tensor is written.
#[derive(Clone, Copy, Debug)]
struct Plan {
    quantize: Quantizer,
    elements: usize,
    bytes: usize,
}

impl GgufWriter {
    /// Begins a file with these metadata and, in this order, these tensors.
    ///
    /// # Errors
    /// Keys or names that occur twice, `general.alignment`, shapes and types that cannot be written, or a file that
    /// cannot be created.
    pub fn create(path: &Path, metadata: &[(String, MetadataValue)], tensors: &[NewTensor]) -> Result<Self, GgufError> {
        let at = |fault| GgufError { path: path.into(), fault };
        check_metadata(metadata).map_err(at)?;
        let names = sorted(tensors.len(), |index| tensors[index].name.as_str());
        if let Some(name) = twice(&names, |index| tensors[index].name.as_str()) {
            return Err(at(GgufFault::DuplicateTensor { tensor: quoted(name) }));
        }
        let plans = tensors.iter().map(plan).collect::<Result<Vec<_>, _>>().map_err(at)?;
        let header = header(metadata, tensors, &plans).map_err(at)?;
        let begin = || -> io::Result<PartFile> {
            let mut file = PartFile::create(path)?;
            file.write(&header)?;
            Ok(file)
        };
        let file = begin().map_err(|cause| at(GgufFault::Unwritable(cause)))?;
        Ok(Self { file, tensors: tensors.iter().cloned().zip(plans).collect(), written: 0, broken: false })
    }

    /// Writes the next tensor, from its elements in row-major order.
    ///
    /// # Errors
    /// A name that is not the next one, or elements that are more or fewer than its shape has. After a value that its type
    /// cannot hold, or a failure to write, the file has to be begun again.
    pub fn write(&mut self, name: &str, values: &[f32]) -> Result<(), GgufError> {
        self.write_next(name, values).map_err(|fault| self.at(fault))
    }

    fn write_next(&mut self, name: &str, values: &[f32]) -> Result<(), GgufFault> {
        self.check_whole()?;
        let next = self.tensors.get(self.written);
        let Some((tensor, plan)) = next.filter(|(tensor, _)| tensor.name == name) else {
            let expected = next.map_or("nothing".to_string(), |(tensor, _)| quoted(&tensor.name));
            return Err(GgufFault::Order { tensor: quoted(name), expected });
        };
        if values.len() != plan.elements {
            let (tensor, shape) = (quoted(name), tensor.shape.clone());
            return Err(GgufFault::Elements { tensor, shape, found: values.len() });
        }
        self.broken = true;
        let mut bytes = Vec::new();
        for (piece, values) in values.chunks(PIECE).enumerate() {
            bytes.clear();
            (plan.quantize)(values, &mut bytes).map_err(|index| {
                let (tensor, tensor_type, value) = (quoted(name), tensor.tensor_type.name(), values[index]);
                GgufFault::Unstorable { tensor, tensor_type, index: piece * PIECE + index, value }
            })?;
            self.file.write(&bytes).map_err(GgufFault::Unwritable)?;
        }
        self.file.write(&padding(plan.bytes)).map_err(GgufFault::Unwritable)?;
        (self.broken, self.written) = (false, self.written + 1);
        Ok(())
    }

    /// Brings the file to the disk and gives it its name, over an older one of that name.
    ///
    /// # Errors
    /// Tensors that were not given, or a file that cannot be written.
    pub fn finish(self) -> Result<(), GgufError> {
        self.check_whole().map_err(|fault| self.at(fault))?;
        if let Some((tensor, _)) = self.tensors.get(self.written) {
            return Err(self.at(GgufFault::Unfinished { tensor: quoted(&tensor.name) }));
        }
        let path = self.file.path().to_path_buf();
        self.file.finish().map_err(|cause| GgufError { path, fault: GgufFault::Unwritable(cause) })
    }

    fn check_whole(&self) -> Result<(), GgufFault> {
        match self.tensors.get(self.written) {
            Some((tensor, _)) if self.broken => Err(GgufFault::Broken { tensor: quoted(&tensor.name) }),
            _ => Ok(()),
        }
    }

    fn at(&self, fault: GgufFault) -> GgufError {
        GgufError { path: self.file.path().into(), fault }
    }
}

fn check_metadata(metadata: &[(String, MetadataValue)]) -> Result<(), GgufFault> {
    let keys = sorted(metadata.len(), |index| metadata[index].0.as_str());
    if let Some(key) = twice(&keys, |index| metadata[index].0.as_str()) {
        return Err(GgufFault::DuplicateKey { key: quoted(key) });
    }
    if metadata.iter().any(|(key, _)| key == ALIGNMENT_KEY) {
        return Err(GgufFault::AlignmentGiven);
    }
    Ok(())
}

fn plan(tensor: &NewTensor) -> Result<Plan, GgufFault> {
    let NewTensor { name, shape, tensor_type } = tensor;
    let name = quoted(name);
    let Some(quantize) = quantizer(*tensor_type) else {
        let known = names(|it| quantizer(it).is_some());
        return Err(GgufFault::Unsupported { tensor: name, tensor_type: tensor_type.name(), known });
    };
    if !(1..=MOST_DIMENSIONS).contains(&shape.len()) {
        return Err(GgufFault::Dimensions { tensor: name, dimensions: shape.len() });
    }
    let dimensions = shape.iter().rev().map(|size| *size as u64).collect::<Vec<_>>();
    let (_, bytes) = sizes(&dimensions, *tensor_type, &name)?;
    Ok(Plan { quantize, elements: shape.iter().product(), bytes })
}

/// Everything before the data, padded to where they begin.
fn header(metadata: &[(String, MetadataValue)], tensors: &[NewTensor], plans: &[Plan]) -> Result<Vec<u8>, GgufFault> {
    let mut out = Vec::new();
    out.extend(MAGIC);
    out.extend(VERSION.to_le_bytes());
    out.extend((tensors.len() as u64).to_le_bytes());
    out.extend((metadata.len() as u64).to_le_bytes());
    for (key, value) in metadata {
        write_string(&mut out, key);
        write(&mut out, value);
    }
    let mut offset = 0u64;
    for (tensor, plan) in tensors.iter().zip(plans) {
        write_string(&mut out, &tensor.name);
        out.extend((tensor.shape.len() as u32).to_le_bytes());
        out.extend(tensor.shape.iter().rev().flat_map(|size| (*size as u64).to_le_bytes()));
        out.extend(tensor.tensor_type.code().to_le_bytes());
        out.extend(offset.to_le_bytes());
        let next = offset.checked_add(plan.bytes as u64).and_then(|end| end.checked_next_multiple_of(ALIGNMENT.into()));
        offset = next.ok_or_else(|| {
            let dimensions = tensor.shape.iter().rev().map(|size| *size as u64).collect();
            GgufFault::TooLarge { tensor: quoted(&tensor.name), dimensions }
        })?;
    }
    out.extend(padding(out.len()));
    Ok(out)
}

/// The zeros after so many bytes that bring the next one to the alignment.
fn padding(bytes: usize) -> Vec<u8> {
    vec![0; bytes.next_multiple_of(ALIGNMENT as usize) - bytes]
}
