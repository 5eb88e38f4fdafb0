//! What the header says of a tensor, checked against the file.

use std::ops::Range;

use crate::{GgufFault, TensorType, cursor::Cursor, error::quoted};

/// The most dimensions of a tensor (`GGML_MAX_DIMS`).
pub(crate) const MOST_DIMENSIONS: usize = 4;

/// The fewest bytes that the description of a tensor takes: name, number of dimensions, one dimension, type, offset.
pub(crate) const LEAST_BYTES: usize = 8 + 4 + 8 + 4 + 8;

/// A tensor's name, shape and type. Its data lie inside of the file.
#[derive(Clone, Debug)]
pub struct TensorInfo {
    name: String,
    shape: [usize; MOST_DIMENSIONS],
    rank: usize,
    tensor_type: TensorType,
    data: Range<usize>,
}

/// Where the data of tensors are.
pub(crate) struct DataSection {
    pub(crate) alignment: u32,
    pub(crate) start: u64,
    pub(crate) file_bytes: usize,
}

impl TensorInfo {
    /// The tensor's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The shape in row-major order, the outermost dimension first: one to four dimensions, none of them 0.
    pub fn shape(&self) -> &[usize] {
        &self.shape[..self.rank]
    }

    /// How the elements are stored.
    pub fn tensor_type(&self) -> TensorType {
        self.tensor_type
    }

    /// Number of elements.
    pub fn elements(&self) -> usize {
        self.shape().iter().product()
    }

    /// Where in the file the data are.
    pub(crate) fn data(&self) -> Range<usize> {
        self.data.clone()
    }

    /// Reads one description; the data's range counts from the beginning of the data as yet.
    pub(crate) fn read(cursor: &mut Cursor<'_>, index: usize) -> Result<(Self, u64), GgufFault> {
        let name = cursor.string(format_args!("the name of tensor {index}"))?;
        let tensor = quoted(name);
        let rank = cursor.u32(format_args!("the number of dimensions of the tensor {tensor}"))? as usize;
        if !(1..=MOST_DIMENSIONS).contains(&rank) {
            return Err(GgufFault::Dimensions { tensor, dimensions: rank });
        }
        let mut dimensions = [0; MOST_DIMENSIONS];
        for (dimension, size) in dimensions[..rank].iter_mut().enumerate() {
            *size = cursor.u64(format_args!("dimension {dimension} of the tensor {tensor}"))?;
        }
        let code = cursor.u32(format_args!("the type of the tensor {tensor}"))?;
        let offset = cursor.u64(format_args!("the offset of the tensor {tensor}"))?;

        let Some(tensor_type) = TensorType::from_code(code) else {
            return Err(GgufFault::TensorType { tensor, code });
        };
        let (shape, bytes) = sizes(&dimensions[..rank], tensor_type, &tensor)?;
        Ok((Self { name: name.to_string(), shape, rank, tensor_type, data: 0..bytes }, offset))
    }

    /// Sets where the data are in the file, at `offset` of the section.
    pub(crate) fn locate(&mut self, offset: u64, section: &DataSection) -> Result<(), GgufFault> {
        if !offset.is_multiple_of(section.alignment.into()) {
            let tensor = quoted(&self.name);
            return Err(GgufFault::Unaligned { tensor, offset, alignment: section.alignment });
        }
        let bytes = self.data.len();
        let start = section.start.checked_add(offset).and_then(|start| usize::try_from(start).ok());
        let end = start.and_then(|start| start.checked_add(bytes)).filter(|end| *end <= section.file_bytes);
        let (Some(start), Some(end)) = (start, end) else {
            let (tensor, data_start, file_bytes) = (quoted(&self.name), section.start, section.file_bytes);
            return Err(GgufFault::OutOfRange { tensor, offset, bytes, data_start, file_bytes });
        };
        self.data = start..end;
        Ok(())
    }
}

/// The shape in row-major order, and the size of the data in bytes. `dimensions` are in the file's order: rows first.
pub(crate) fn sizes(
    dimensions: &[u64],
    tensor_type: TensorType,
    tensor: &str,
) -> Result<([usize; MOST_DIMENSIONS], usize), GgufFault> {
    let too_large = || GgufFault::TooLarge { tensor: tensor.to_string(), dimensions: dimensions.to_vec() };
    if let Some(dimension) = dimensions.iter().position(|size| *size == 0) {
        return Err(GgufFault::ZeroDimension { tensor: tensor.to_string(), dimension });
    }
    let (row, block) = (dimensions[0], tensor_type.block_elements());
    if !row.is_multiple_of(block as u64) {
        let (tensor, tensor_type) = (tensor.to_string(), tensor_type.name());
        return Err(GgufFault::RowLength { tensor, tensor_type, row, block });
    }
    let mut shape = [0; MOST_DIMENSIONS];
    let mut elements = 1usize;
    for (size, dimension) in shape.iter_mut().zip(dimensions.iter().rev()) {
        *size = usize::try_from(*dimension).map_err(|_| too_large())?;
        elements = elements.checked_mul(*size).ok_or_else(too_large)?;
    }
    let bytes = (elements / block).checked_mul(tensor_type.block_bytes()).ok_or_else(too_large)?;
    Ok((shape, bytes))
}

/// Checks that no two tensors have bytes in common.
pub(crate) fn check_overlap(tensors: &[TensorInfo]) -> Result<(), GgufFault> {
    let mut order: Vec<usize> = (0..tensors.len()).collect();
    order.sort_unstable_by_key(|index| tensors[*index].data.start);
    match order.windows(2).find(|pair| tensors[pair[0]].data.end > tensors[pair[1]].data.start) {
        None => Ok(()),
        Some(pair) => {
            let (first, other) = (&tensors[pair[0]], &tensors[pair[1]]);
            let offset = other.data.start;
            Err(GgufFault::Overlap { tensor: quoted(&first.name), other: quoted(&other.name), offset })
        }
    }
}
