//! Tensors in files, as any tool reads them: <https://github.com/huggingface/safetensors>.
//!
//! A file is the header's length (8 bytes, little-endian), the header (JSON) and the tensors' bytes. The header is parsed
//! here: safetensors 0.8 takes a name twice and overflows on offsets that are large enough.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    ops::Range,
};

use safetensors::tensor::{Dtype, Metadata, TensorInfo};
use serde::{
    Deserialize,
    de::{Deserializer, IgnoredAny, MapAccess, Visitor},
};

use super::{
    error::CheckpointError,
    store::{Mapped, Store},
};

/// The header's entry that is no tensor.
const METADATA: &str = "__metadata__";

/// The longest header that is read, in bytes; a tensor takes about 100.
const MOST_HEADER: u64 = 4 << 20;

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

/// A file's tensors, mapped into memory or shared with the store.
pub struct Tensors {
    location: String,
    file: Mapped,
    places: BTreeMap<String, Place>,
}

/// Where in its file a tensor is.
#[derive(Debug)]
struct Place {
    shape: Vec<usize>,
    bytes: Range<usize>,
}

impl Tensors {
    pub(super) fn open(store: &dyn Store, name: &str) -> Result<Self, CheckpointError> {
        let file = store.map(name).map_err(CheckpointError::io("opening", store, name))?;
        let location = store.location(name);
        let places = places((*file).as_ref()).map_err(|reason| CheckpointError::broken(&location, reason))?;
        Ok(Self { location, file, places })
    }

    /// Every tensor's name, in alphabetical order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.places.keys().map(String::as_str)
    }

    /// Whether there is one of this name.
    pub fn contains(&self, name: &str) -> bool {
        self.places.contains_key(name)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// The values of a tensor: little-endian f32.
    ///
    /// # Errors
    /// There is none of that name, or it has another shape.
    pub fn get(&self, name: &str, shape: &[usize]) -> Result<&[u8], CheckpointError> {
        self.find(name, shape, |found| found == shape)
    }

    /// The values of the first rows of a tensor, as many as `shape` has.
    ///
    /// # Errors
    /// There is none of that name, it has fewer rows, or rows of another shape.
    pub fn first_rows(&self, name: &str, shape: &[usize]) -> Result<&[u8], CheckpointError> {
        let bytes = self.find(name, shape, |found| found[0] >= shape[0] && found[1..] == shape[1..])?;
        Ok(&bytes[..shape.iter().product::<usize>() * size_of::<f32>()])
    }

    fn find(&self, name: &str, shape: &[usize], fits: impl Fn(&[usize]) -> bool) -> Result<&[u8], CheckpointError> {
        let broken = |reason: String| CheckpointError::broken(&self.location, reason);
        let place = self.places.get(name).ok_or_else(|| broken(format!("has no tensor {name}")))?;
        if place.shape.len() != shape.len() || !fits(&place.shape) {
            return Err(broken(format!("{name} is {:?}, and the model's is {shape:?}", place.shape)));
        }
        Ok(&(*self.file).as_ref()[place.bytes.clone()])
    }
}

impl fmt::Debug for Tensors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tensors")
            .field("location", &self.location)
            .field("places", &self.places)
            .finish_non_exhaustive()
    }
}

/// Reads the header. The tensors must follow one another in its order, and fill the file.
fn places(file: &[u8]) -> Result<BTreeMap<String, Place>, String> {
    let (length, rest) = file.split_first_chunk().ok_or("is too short for a header")?;
    let length = u64::from_le_bytes(*length);
    let (json, values) = usize::try_from(length)
        .ok()
        .filter(|_| length <= MOST_HEADER)
        .and_then(|length| rest.split_at_checked(length))
        .ok_or_else(|| format!("has {} bytes for a header of {length}", rest.len()))?;
    let Header(infos) = serde_json::from_slice(json).map_err(|error| format!("has no right header: {error}"))?;

    let (mut places, mut start) = (BTreeMap::new(), 0);
    for (name, TensorInfo { dtype, shape, data_offsets }) in infos {
        if dtype != Dtype::F32 {
            return Err(format!("{name} is {dtype:?}, not F32"));
        }
        let bytes = shape.iter().try_fold(size_of::<f32>(), |bytes, size| bytes.checked_mul(*size));
        let end = bytes.and_then(|bytes| bytes.checked_add(start)).filter(|end| *end <= values.len());
        let end = end.ok_or_else(|| format!("{name} of shape {shape:?} goes beyond the end"))?;
        if data_offsets != (start, end) {
            return Err(format!("{name} is at {data_offsets:?}, and its place is {:?}", (start, end)));
        }
        let begin = file.len() - values.len();
        if places.insert(name.clone(), Place { shape, bytes: begin + start..begin + end }).is_some() {
            return Err(format!("has {name} twice"));
        }
        start = end;
    }
    match values.len() - start {
        0 => Ok(places),
        more => Err(format!("has {more} bytes after its last tensor")),
    }
}

/// The tensors in the order of the header.
struct Header(Vec<(String, TensorInfo)>);

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;

        impl<'de> Visitor<'de> for Entries {
            type Value = Header;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("an object of tensors")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Header, A::Error> {
                let mut infos = Vec::new();
                while let Some(name) = map.next_key::<String>()? {
                    match name == METADATA {
                        true => drop(map.next_value::<IgnoredAny>()?),
                        false => infos.push((name, map.next_value()?)),
                    }
                }
                Ok(Header(infos))
            }
        }

        deserializer.deserialize_map(Entries)
    }
}
