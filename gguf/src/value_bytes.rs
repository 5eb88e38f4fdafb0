//! Metadata values as bytes: a type, then the value; strings and arrays carry their length.

use crate::{GgufFault, MetadataArray, MetadataValue, cursor::Cursor, error::quoted};

/// Arrays inside of arrays that can be read. llama.cpp has none at all.
const DEEPEST: usize = 2;

/// Numbers of the types that need more than a number to be read.
const BOOL: u32 = 7;
const STRING: u32 = 8;
const ARRAY: u32 = 9;

/// Reads the type of a value and the value, of metadata pair `key`.
pub(crate) fn read(cursor: &mut Cursor<'_>, key: &str) -> Result<MetadataValue, GgufFault> {
    let code = cursor.u32(format_args!("the type of the value of {}", quoted(key)))?;
    let name = quoted(key);
    let field = format_args!("the value of {name}");
    Ok(match code {
        0 => MetadataValue::U8(u8::from_le_bytes(cursor.array(field)?)),
        1 => MetadataValue::I8(i8::from_le_bytes(cursor.array(field)?)),
        2 => MetadataValue::U16(u16::from_le_bytes(cursor.array(field)?)),
        3 => MetadataValue::I16(i16::from_le_bytes(cursor.array(field)?)),
        4 => MetadataValue::U32(u32::from_le_bytes(cursor.array(field)?)),
        5 => MetadataValue::I32(i32::from_le_bytes(cursor.array(field)?)),
        6 => MetadataValue::F32(f32::from_le_bytes(cursor.array(field)?)),
        BOOL => MetadataValue::Bool(bool_of(cursor.array::<1>(field)?[0], &name)?),
        STRING => MetadataValue::String(cursor.string(field)?.to_string()),
        ARRAY => MetadataValue::Array(read_array(cursor, &name, 1)?),
        10 => MetadataValue::U64(u64::from_le_bytes(cursor.array(field)?)),
        11 => MetadataValue::I64(i64::from_le_bytes(cursor.array(field)?)),
        12 => MetadataValue::F64(f64::from_le_bytes(cursor.array(field)?)),
        _ => return Err(GgufFault::ValueType { key: name, code }),
    })
}

fn read_array(cursor: &mut Cursor<'_>, key: &str, depth: usize) -> Result<MetadataArray, GgufFault> {
    if depth > DEEPEST {
        return Err(GgufFault::Nesting { key: key.to_string(), most: DEEPEST });
    }
    let code = cursor.u32(format_args!("the type of the array {key}"))?;
    let Some(least) = least_bytes(code) else {
        return Err(GgufFault::ValueType { key: key.to_string(), code });
    };
    let count = cursor.count(least, format_args!("the length of the array {key}"))?;
    Ok(match code {
        0 => MetadataArray::U8(numbers(cursor, count, key, u8::from_le_bytes)?),
        1 => MetadataArray::I8(numbers(cursor, count, key, i8::from_le_bytes)?),
        2 => MetadataArray::U16(numbers(cursor, count, key, u16::from_le_bytes)?),
        3 => MetadataArray::I16(numbers(cursor, count, key, i16::from_le_bytes)?),
        4 => MetadataArray::U32(numbers(cursor, count, key, u32::from_le_bytes)?),
        5 => MetadataArray::I32(numbers(cursor, count, key, i32::from_le_bytes)?),
        6 => MetadataArray::F32(numbers(cursor, count, key, f32::from_le_bytes)?),
        BOOL => {
            let bytes = cursor.bytes(count, format_args!("the array {key}"))?;
            MetadataArray::Bool(bytes.iter().map(|byte| bool_of(*byte, key)).collect::<Result<_, _>>()?)
        }
        STRING => MetadataArray::String(items(count, |index| {
            cursor.string(format_args!("string {index} of the array {key}")).map(str::to_string)
        })?),
        ARRAY => MetadataArray::Array(items(count, |_| read_array(cursor, key, depth + 1))?),
        10 => MetadataArray::U64(numbers(cursor, count, key, u64::from_le_bytes)?),
        11 => MetadataArray::I64(numbers(cursor, count, key, i64::from_le_bytes)?),
        _ => MetadataArray::F64(numbers(cursor, count, key, f64::from_le_bytes)?),
    })
}

/// The fewest bytes that an element of an array takes, by its type.
fn least_bytes(code: u32) -> Option<usize> {
    [1, 1, 2, 2, 4, 4, 4, 1, size_of::<u64>(), size_of::<u32>() + size_of::<u64>(), 8, 8, 8].get(code as usize).copied()
}

/// Reads `count` items of the rest of the file, which has room for as many.
fn items<T>(count: usize, item: impl FnMut(usize) -> Result<T, GgufFault>) -> Result<Vec<T>, GgufFault> {
    let mut items = Vec::with_capacity(count);
    for next in (0..count).map(item) {
        items.push(next?);
    }
    Ok(items)
}

fn numbers<T, const N: usize>(
    cursor: &mut Cursor<'_>,
    count: usize,
    key: &str,
    from: fn([u8; N]) -> T,
) -> Result<Vec<T>, GgufFault> {
    let bytes = cursor.bytes(count * N, format_args!("the array {key}"))?;
    Ok(bytes.as_chunks::<N>().0.iter().map(|number| from(*number)).collect())
}

fn bool_of(value: u8, key: &str) -> Result<bool, GgufFault> {
    match value {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(GgufFault::Bool { key: key.to_string(), value }),
    }
}

/// Appends a string with its length.
pub(crate) fn write_string(out: &mut Vec<u8>, string: &str) {
    out.extend((string.len() as u64).to_le_bytes());
    out.extend(string.as_bytes());
}

/// Appends the type of a value and the value.
pub(crate) fn write(out: &mut Vec<u8>, value: &MetadataValue) {
    let mut put = |code: u32, bytes: &[u8]| {
        out.extend(code.to_le_bytes());
        out.extend(bytes);
    };
    match value {
        MetadataValue::U8(value) => put(0, &value.to_le_bytes()),
        MetadataValue::I8(value) => put(1, &value.to_le_bytes()),
        MetadataValue::U16(value) => put(2, &value.to_le_bytes()),
        MetadataValue::I16(value) => put(3, &value.to_le_bytes()),
        MetadataValue::U32(value) => put(4, &value.to_le_bytes()),
        MetadataValue::I32(value) => put(5, &value.to_le_bytes()),
        MetadataValue::F32(value) => put(6, &value.to_le_bytes()),
        MetadataValue::Bool(value) => put(BOOL, &[u8::from(*value)]),
        MetadataValue::U64(value) => put(10, &value.to_le_bytes()),
        MetadataValue::I64(value) => put(11, &value.to_le_bytes()),
        MetadataValue::F64(value) => put(12, &value.to_le_bytes()),
        MetadataValue::String(value) => {
            put(STRING, &[]);
            write_string(out, value);
        }
        MetadataValue::Array(array) => {
            put(ARRAY, &[]);
            write_array(out, array);
        }
    }
}

fn write_array(out: &mut Vec<u8>, array: &MetadataArray) {
    fn put<T, const N: usize>(out: &mut Vec<u8>, code: u32, values: &[T], to: impl Fn(&T) -> [u8; N]) {
        start(out, code, values.len());
        out.extend(values.iter().flat_map(to));
    }
    fn start(out: &mut Vec<u8>, code: u32, count: usize) {
        out.extend(code.to_le_bytes());
        out.extend((count as u64).to_le_bytes());
    }
    match array {
        MetadataArray::U8(values) => put(out, 0, values, |it| it.to_le_bytes()),
        MetadataArray::I8(values) => put(out, 1, values, |it| it.to_le_bytes()),
        MetadataArray::U16(values) => put(out, 2, values, |it| it.to_le_bytes()),
        MetadataArray::I16(values) => put(out, 3, values, |it| it.to_le_bytes()),
        MetadataArray::U32(values) => put(out, 4, values, |it| it.to_le_bytes()),
        MetadataArray::I32(values) => put(out, 5, values, |it| it.to_le_bytes()),
        MetadataArray::F32(values) => put(out, 6, values, |it| it.to_le_bytes()),
        MetadataArray::Bool(values) => put(out, BOOL, values, |it| [u8::from(*it)]),
        MetadataArray::U64(values) => put(out, 10, values, |it| it.to_le_bytes()),
        MetadataArray::I64(values) => put(out, 11, values, |it| it.to_le_bytes()),
        MetadataArray::F64(values) => put(out, 12, values, |it| it.to_le_bytes()),
        MetadataArray::String(values) => {
            start(out, STRING, values.len());
            values.iter().for_each(|value| write_string(out, value));
        }
        MetadataArray::Array(values) => {
            start(out, ARRAY, values.len());
            values.iter().for_each(|value| write_array(out, value));
        }
    }
}
