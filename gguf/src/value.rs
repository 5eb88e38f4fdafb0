//! Metadata values, and what they can be read as.

/// A value of the metadata.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "the names are the types")]
pub enum MetadataValue {
    U8(u8),
    I8(i8),
    U16(u16),
    I16(i16),
    U32(u32),
    I32(i32),
    F32(f32),
    Bool(bool),
    String(String),
    Array(MetadataArray),
    U64(u64),
    I64(i64),
    F64(f64),
}

/// An array of values of one type.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "the names are the types")]
pub enum MetadataArray {
    U8(Vec<u8>),
    I8(Vec<i8>),
    U16(Vec<u16>),
    I16(Vec<i16>),
    U32(Vec<u32>),
    I32(Vec<i32>),
    F32(Vec<f32>),
    Bool(Vec<bool>),
    String(Vec<String>),
    Array(Vec<MetadataArray>),
    U64(Vec<u64>),
    I64(Vec<i64>),
    F64(Vec<f64>),
}

impl MetadataValue {
    /// An integer of any type that is not negative.
    pub fn as_u64(&self) -> Option<u64> {
        match *self {
            Self::U8(value) => Some(value.into()),
            Self::U16(value) => Some(value.into()),
            Self::U32(value) => Some(value.into()),
            Self::U64(value) => Some(value),
            Self::I8(value) => value.try_into().ok(),
            Self::I16(value) => value.try_into().ok(),
            Self::I32(value) => value.try_into().ok(),
            Self::I64(value) => value.try_into().ok(),
            _ => None,
        }
    }

    /// A number of either float type.
    pub fn as_f64(&self) -> Option<f64> {
        match *self {
            Self::F32(value) => Some(value.into()),
            Self::F64(value) => Some(value),
            _ => None,
        }
    }

    /// A bool.
    pub fn as_bool(&self) -> Option<bool> {
        if let Self::Bool(value) = *self { Some(value) } else { None }
    }

    /// A string.
    pub fn as_str(&self) -> Option<&str> {
        if let Self::String(value) = self { Some(value) } else { None }
    }

    /// An array of strings.
    pub fn as_strings(&self) -> Option<&[String]> {
        if let Self::Array(MetadataArray::String(values)) = self { Some(values) } else { None }
    }

    /// An array of integers of any type, none of them negative.
    pub fn as_u64s(&self) -> Option<Vec<u64>> {
        if let Self::Array(array) = self { array.as_u64s() } else { None }
    }

    /// An array of numbers of either float type.
    pub fn as_f64s(&self) -> Option<Vec<f64>> {
        match self {
            Self::Array(MetadataArray::F32(values)) => Some(values.iter().map(|value| f64::from(*value)).collect()),
            Self::Array(MetadataArray::F64(values)) => Some(values.clone()),
            _ => None,
        }
    }

    /// The type, and the value where it is an integer, as an error shows it.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::U8(value) => format!("u8 ({value})"),
            Self::I8(value) => format!("i8 ({value})"),
            Self::U16(value) => format!("u16 ({value})"),
            Self::I16(value) => format!("i16 ({value})"),
            Self::U32(value) => format!("u32 ({value})"),
            Self::I32(value) => format!("i32 ({value})"),
            Self::U64(value) => format!("u64 ({value})"),
            Self::I64(value) => format!("i64 ({value})"),
            Self::F32(_) => "f32".to_string(),
            Self::F64(_) => "f64".to_string(),
            Self::Bool(_) => "bool".to_string(),
            Self::String(_) => "string".to_string(),
            Self::Array(array) => format!("array of {}", array.element_name()),
        }
    }
}

impl MetadataArray {
    fn as_u64s(&self) -> Option<Vec<u64>> {
        fn widen<T: Copy + TryInto<u64>>(values: &[T]) -> Option<Vec<u64>> {
            values.iter().map(|value| (*value).try_into().ok()).collect()
        }
        match self {
            Self::U8(values) => widen(values),
            Self::I8(values) => widen(values),
            Self::U16(values) => widen(values),
            Self::I16(values) => widen(values),
            Self::U32(values) => widen(values),
            Self::I32(values) => widen(values),
            Self::U64(values) => widen(values),
            Self::I64(values) => widen(values),
            _ => None,
        }
    }

    fn element_name(&self) -> &'static str {
        match self {
            Self::U8(_) => "u8",
            Self::I8(_) => "i8",
            Self::U16(_) => "u16",
            Self::I16(_) => "i16",
            Self::U32(_) => "u32",
            Self::I32(_) => "i32",
            Self::F32(_) => "f32",
            Self::Bool(_) => "bool",
            Self::String(_) => "string",
            Self::Array(_) => "array",
            Self::U64(_) => "u64",
            Self::I64(_) => "i64",
            Self::F64(_) => "f64",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_from_every_type_that_holds_them() {
        use MetadataValue::{F32, F64, I8, I64, U8, U16, U64};
        let integers = [U8(7), U16(7), I8(7), I64(7)];
        assert!(integers.iter().all(|it| it.as_u64() == Some(7) && it.as_f64().is_none()));
        assert_eq!((U64(u64::MAX).as_u64(), I64(-1).as_u64(), F32(1.0).as_u64()), (Some(u64::MAX), None, None));
        assert_eq!((F32(0.5).as_f64(), F64(0.1).as_f64()), (Some(0.5), Some(0.1)));
        let array = MetadataValue::Array(MetadataArray::I32(vec![1, 0, 3]));
        assert_eq!((array.as_u64s(), array.as_f64s(), array.as_strings()), (Some(vec![1, 0, 3]), None, None));
        assert_eq!(MetadataValue::Array(MetadataArray::I32(vec![1, -1])).as_u64s(), None);
    }
}
