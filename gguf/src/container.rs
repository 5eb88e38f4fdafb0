//! The header of a GGUF file: version, metadata and descriptions of tensors.

use crate::{
    GgufFault, MetadataValue, TensorInfo,
    cursor::Cursor,
    error::quoted,
    tensor_info::{self, DataSection, check_overlap},
    value_bytes,
};

/// The file's first bytes.
pub(crate) const MAGIC: [u8; 4] = *b"GGUF";

/// The version that is written.
pub(crate) const VERSION: u32 = 3;

/// The key of the alignment, and the alignment of a file that does not have it.
pub(crate) const ALIGNMENT_KEY: &str = "general.alignment";
pub(crate) const ALIGNMENT: u32 = 32;

/// The fewest bytes that a metadata pair takes: key, type, value.
const LEAST_PAIR_BYTES: usize = 8 + 4 + 1;

/// All that the header says. Offsets and sizes in it lie inside of the file.
#[derive(Debug)]
pub(crate) struct Header {
    pub(crate) version: u32,
    pub(crate) metadata: Vec<(String, MetadataValue)>,
    pub(crate) tensors: Vec<TensorInfo>,
    /// Indices of the tensors, by name.
    pub(crate) by_name: Vec<usize>,
}

impl Header {
    /// Reads the header of a file of these bytes.
    pub(crate) fn parse(file: &[u8]) -> Result<Self, GgufFault> {
        let mut cursor = Cursor::new(file);
        let version = read_version(&mut cursor)?;
        let tensor_count = cursor.count(tensor_info::LEAST_BYTES, format_args!("the number of tensors"))?;
        let pair_count = cursor.count(LEAST_PAIR_BYTES, format_args!("the number of metadata pairs"))?;

        let mut metadata = Vec::with_capacity(pair_count);
        for index in 0..pair_count {
            let key = cursor.string(format_args!("the key of metadata pair {index}"))?;
            metadata.push((key.to_string(), value_bytes::read(&mut cursor, key)?));
        }
        let keys = sorted(metadata.len(), |index| metadata[index].0.as_str());
        if let Some(key) = twice(&keys, |index| metadata[index].0.as_str()) {
            return Err(GgufFault::DuplicateKey { key: quoted(key) });
        }
        let alignment = match metadata.iter().find(|(key, _)| key == ALIGNMENT_KEY) {
            Some((_, value)) => alignment_of(value)?,
            None => ALIGNMENT,
        };

        let tensors = read_tensors(&mut cursor, tensor_count, alignment, file.len())?;
        let by_name = sorted(tensors.len(), |index| tensors[index].name());
        if let Some(name) = twice(&by_name, |index| tensors[index].name()) {
            return Err(GgufFault::DuplicateTensor { tensor: quoted(name) });
        }
        check_overlap(&tensors)?;
        Ok(Self { version, metadata, tensors, by_name })
    }
}

fn read_version(cursor: &mut Cursor<'_>) -> Result<u32, GgufFault> {
    let magic = cursor.array(format_args!("\"GGUF\""))?;
    if magic != MAGIC {
        return Err(GgufFault::Magic { magic });
    }
    match cursor.u32(format_args!("the version"))? {
        version @ 2..=VERSION => Ok(version),
        // As gguf-py tells the byte order: no version has reached 65536.
        version if version != 0 && version & 0xffff == 0 => Err(GgufFault::BigEndian { version }),
        version => Err(GgufFault::Version { version }),
    }
}

fn read_tensors(
    cursor: &mut Cursor<'_>,
    count: usize,
    alignment: u32,
    file_bytes: usize,
) -> Result<Vec<TensorInfo>, GgufFault> {
    let (mut tensors, mut offsets) = (Vec::with_capacity(count), Vec::with_capacity(count));
    for index in 0..count {
        let (tensor, offset) = TensorInfo::read(cursor, index)?;
        tensors.push(tensor);
        offsets.push(offset);
    }
    let start = (cursor.offset() as u64).next_multiple_of(alignment.into());
    let section = DataSection { alignment, start, file_bytes };
    tensors.iter_mut().zip(offsets).try_for_each(|(tensor, offset)| tensor.locate(offset, &section))?;
    Ok(tensors)
}

/// The alignment that a value of [`ALIGNMENT_KEY`] asks for.
pub(crate) fn alignment_of(value: &MetadataValue) -> Result<u32, GgufFault> {
    match value {
        MetadataValue::U32(alignment) if alignment.is_power_of_two() => Ok(*alignment),
        _ => Err(GgufFault::Alignment { found: value.describe() }),
    }
}

/// The indices below `count` in the order of their names.
pub(crate) fn sorted<'a>(count: usize, name: impl Fn(usize) -> &'a str) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_unstable_by_key(|index| name(*index));
    order
}

/// A name that occurs twice, where `order` is as [`sorted`] makes it.
pub(crate) fn twice<'a>(order: &[usize], name: impl Fn(usize) -> &'a str) -> Option<&'a str> {
    order.windows(2).map(|pair| (name(pair[0]), name(pair[1]))).find(|(a, b)| a == b).map(|(a, _)| a)
}
