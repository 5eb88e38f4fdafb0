//! Everything that can be wrong with a GGUF file, or with what is to be written into one.

use std::{io, path::PathBuf};

/// What is wrong with which file. The message is one sentence that says what to do.
#[derive(Debug, thiserror::Error)]
#[error("{}: {fault}", path.display())]
pub struct GgufError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub fault: GgufFault,
}

/// What is wrong with a file. Names from the file are quoted and shortened in `field`, `key` and `tensor`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GgufFault {
    /// The file does not exist.
    #[error("there is no such file: check the path, which is relative to the working directory")]
    Missing,
    /// The path names a directory, a pipe or a device.
    #[error("this is not a plain file: name one of GGUF")]
    NotAFile,
    /// The operating system refused to read the file.
    #[error("it cannot be read, check its permissions: {0}")]
    Unreadable(io::Error),
    /// The operating system refused to write the file.
    #[error("it cannot be written, check the space left on the disk and the permissions: {0}")]
    Unwritable(io::Error),

    /// The file begins with something else than `GGUF`.
    #[error("it begins with the bytes {magic:02x?}, not with \"GGUF\": give a GGUF file")]
    Magic {
        /// The file's first bytes.
        magic: [u8; 4],
    },
    /// The file is for machines of the other byte order.
    #[error(
        "its version is {version:#010x}, so it is big-endian: convert it to little-endian, with gguf_convert_endian.py"
    )]
    BigEndian {
        /// The version as it was read.
        version: u32,
    },
    /// The version of the format is not one of those that can be read.
    #[error(
        "its version is {version}, but only versions 2 and 3 can be read: convert the model again with a newer llama.cpp"
    )]
    Version {
        /// The version in the header.
        version: u32,
    },
    /// The file ends inside of its header.
    #[error(
        "{field} takes {needed} bytes from byte {offset} on, but {left} are left: the file was cut short, download it \
         again"
    )]
    Truncated {
        /// What was being read.
        field: String,
        /// Offset of its first byte.
        offset: usize,
        /// Its size, in bytes.
        needed: usize,
        /// Bytes from there to the file's end.
        left: usize,
    },
    /// A count is larger than the rest of the file has room for.
    #[error(
        "{field} is {count}, but the {left} bytes after it hold {most} at most: the file was cut short or changed, \
         download it again"
    )]
    Count {
        /// What was being read.
        field: String,
        /// The count in the file.
        count: u64,
        /// Bytes from there to the file's end.
        left: usize,
        /// How many items fit in these.
        most: usize,
    },
    /// A string has bytes that are not UTF-8.
    #[error("{field} is not UTF-8 from byte {offset} on: convert the model again")]
    NotUtf8 {
        /// What was being read.
        field: String,
        /// Offset of the first byte that is not UTF-8.
        offset: usize,
    },
    /// Two metadata pairs have one key.
    #[error("the metadata key {key} occurs twice: convert the model again")]
    DuplicateKey {
        /// The key.
        key: String,
    },
    /// A metadata value is of no known type.
    #[error(
        "the value of {key} has the type {code}, but types run from 0 to 12: the file was changed, download it again"
    )]
    ValueType {
        /// The key.
        key: String,
        /// The number in the file.
        code: u32,
    },
    /// A bool is neither 0 nor 1.
    #[error("the value of {key} has a bool of {value}, not 0 or 1: the file was changed, download it again")]
    Bool {
        /// The key.
        key: String,
        /// The byte in the file.
        value: u8,
    },
    /// Arrays are nested too deeply.
    #[error("the value of {key} has arrays nested more than {most} deep: convert the model without this key")]
    Nesting {
        /// The key.
        key: String,
        /// The depth that can be read.
        most: usize,
    },
    /// The alignment cannot be one.
    #[error("`general.alignment` is {found}, not a u32 that is a power of two: convert the model again")]
    Alignment {
        /// The value, or its type.
        found: String,
    },

    /// Two tensors have one name.
    #[error("the tensor {tensor} occurs twice: convert the model again")]
    DuplicateTensor {
        /// The name.
        tensor: String,
    },
    /// A tensor has no dimensions, or too many.
    #[error("the tensor {tensor} has {dimensions} dimensions, but must have 1 to 4: convert the model again")]
    Dimensions {
        /// The tensor's name.
        tensor: String,
        /// How many there are.
        dimensions: usize,
    },
    /// A tensor has no elements.
    #[error("dimension {dimension} of the tensor {tensor} is 0: leave the tensor out")]
    ZeroDimension {
        /// The tensor's name.
        tensor: String,
        /// Which dimension, in the file's order.
        dimension: usize,
    },
    /// A tensor has more elements than can be counted.
    #[error("the product of the dimensions {dimensions:?} of the tensor {tensor} overflows: convert the model again")]
    TooLarge {
        /// The tensor's name.
        tensor: String,
        /// The dimensions, in the file's order.
        dimensions: Vec<u64>,
    },
    /// A tensor is of no known type.
    #[error("the tensor {tensor} has the type {code}, which is not known: convert the model to F32, F16, BF16 or Q8_0")]
    TensorType {
        /// The tensor's name.
        tensor: String,
        /// The number in the file.
        code: u32,
    },
    /// Rows of a tensor are no whole number of blocks.
    #[error(
        "rows of the tensor {tensor} have {row} elements, which are no whole blocks of {block} as {tensor_type} has: \
         use F16"
    )]
    RowLength {
        /// The tensor's name.
        tensor: String,
        /// The type's name.
        tensor_type: &'static str,
        /// Elements of a row.
        row: u64,
        /// Elements of a block.
        block: usize,
    },
    /// A tensor does not begin where the alignment lets one begin.
    #[error(
        "the tensor {tensor} has the offset {offset}, which is no multiple of the alignment {alignment}: \
         convert the model again"
    )]
    Unaligned {
        /// The tensor's name.
        tensor: String,
        /// Its offset from the beginning of the data.
        offset: u64,
        /// The file's alignment.
        alignment: u32,
    },
    /// A tensor reaches past the file's end.
    #[error(
        "the tensor {tensor} takes {bytes} bytes at the offset {offset} of the data, which begin at byte {data_start} of \
         {file_bytes}: the file was cut short, download it again"
    )]
    OutOfRange {
        /// The tensor's name.
        tensor: String,
        /// Its offset from the beginning of the data.
        offset: u64,
        /// Its size, in bytes.
        bytes: usize,
        /// Offset of the data from the beginning of the file.
        data_start: u64,
        /// Size of the file, in bytes.
        file_bytes: usize,
    },
    /// Two tensors have bytes in common.
    #[error("the tensors {tensor} and {other} overlap at byte {offset}: convert the model again")]
    Overlap {
        /// Name of the tensor that begins first.
        tensor: String,
        /// Name of the other.
        other: String,
        /// Where in the file the other begins.
        offset: usize,
    },

    /// The metadata lack a key.
    #[error("the metadata have no key {key}: give a model of an architecture that has it")]
    NoKey {
        /// The key.
        key: String,
    },
    /// A metadata value is of another type than the one asked for.
    #[error("the value of {key} is of the type {found}, not {wanted}: convert the model again")]
    WrongType {
        /// The key.
        key: String,
        /// Type of the value, and the value where it is a number.
        found: String,
        /// The type that was asked for.
        wanted: &'static str,
    },
    /// The file does not have the tensor asked for.
    #[error("there is no tensor {tensor}: give a model of an architecture that has it")]
    NoTensor {
        /// The name.
        tensor: String,
    },
    /// A tensor is of a type that is known but cannot be read or written.
    #[error("the tensor {tensor} has the type {tensor_type}, use one of {known}")]
    Unsupported {
        /// The tensor's name.
        tensor: String,
        /// The type's name.
        tensor_type: &'static str,
        /// Names of the types that can be read, or written.
        known: String,
    },
    /// Rows were asked for that the tensor does not have, or that begin or end inside of a block.
    #[error(
        "rows {start}..{end} of the tensor {tensor} of {rows} are not to be had: give a range inside of them, in steps of \
         {step}"
    )]
    Rows {
        /// The tensor's name.
        tensor: String,
        /// The first row.
        start: usize,
        /// The row after the last.
        end: usize,
        /// Length of the outermost dimension.
        rows: usize,
        /// Rows whose elements are whole blocks.
        step: usize,
    },

    /// The alignment was to be written, which is not the caller's to choose.
    #[error("`general.alignment` is among the metadata, but is always 32: leave it out")]
    AlignmentGiven,
    /// A tensor was given out of order, or more than there are.
    #[error(
        "the tensor {tensor} was given where {expected} is next: give tensors in the order that the writer was made with"
    )]
    Order {
        /// Name of the tensor given.
        tensor: String,
        /// Name of the one expected.
        expected: String,
    },
    /// The writer was used after a tensor had failed.
    #[error("the tensor {tensor} was written in part when it failed: begin the file again")]
    Broken {
        /// The tensor's name.
        tensor: String,
    },
    /// The writer was finished before it had all tensors.
    #[error("the tensor {tensor} was not given: give all tensors, then finish")]
    Unfinished {
        /// Name of the first one that is missing.
        tensor: String,
    },
    /// A tensor's values are not as many as its shape has elements.
    #[error("the tensor {tensor} of shape {shape:?} was given {found} values: give the product of the shape")]
    Elements {
        /// The tensor's name.
        tensor: String,
        /// Its shape, in row-major order.
        shape: Vec<usize>,
        /// How many values were given.
        found: usize,
    },
    /// A value cannot be stored in the tensor's type.
    #[error("element {index} of the tensor {tensor} is {value}, which {tensor_type} cannot hold: use F32 or BF16")]
    Unstorable {
        /// The tensor's name.
        tensor: String,
        /// The type's name.
        tensor_type: &'static str,
        /// Index of the element, in row-major order.
        index: usize,
        /// The element.
        value: f32,
    },
}

/// A name from a file as an error shows it: quoted, with control characters escaped, and not at any length.
pub(crate) fn quoted(name: &str) -> String {
    const SHOWN: usize = 80;
    match name.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{:?}... of {} bytes", &name[..end], name.len()),
        None => format!("{name:?}"),
    }
}
