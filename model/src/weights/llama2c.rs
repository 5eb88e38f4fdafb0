//! llama2.c's legacy `.bin` format: seven 32-bit integers, then all tensors as f32, in order.
//!
//! Source: `export.py` (`legacy_export`) and `run.c` of <https://github.com/karpathy/llama2.c>.

use std::{
    fs::File,
    path::{Path, PathBuf},
};

use burn::tensor::Device;
use hearth_gguf::PartFile;
use memmap2::Mmap;

use super::{
    broken,
    choice::{Candidate, choose},
    exported::Exported,
    fill::{Wanted, filled},
    format::Format,
    parameters::Parameters,
    place::{self, Place, Stored, layout},
};
use crate::{
    ModelError, ModelShape, ParameterCount, Rotation, Site, Transformer, TransformerConfig, preset, rope::Frequencies,
};

const HEADER_BYTES: u64 = 28;

/// The parameters of all layers, each of every layer before the next: vectors, and matrices.
const OF_LAYERS: [&str; 9] = [
    "attention_norm.gamma",
    "attention.query.weight",
    "attention.key.weight",
    "attention.value.weight",
    "attention.output.weight",
    "mlp_norm.gamma",
    "mlp.gate.weight",
    "mlp.down.weight",
    "mlp.up.weight",
];

/// Loads a model.
///
/// # Errors
/// A file that cannot be read, a header that describes no model, or a length that does not fit the header: checked
/// before anything of that size is allocated.
pub fn load(path: &Path, device: &Device) -> Result<Transformer, ModelError> {
    let model = Llama2cModel::open(path)?;
    filled(&model.config, device, |wanted| model.read(wanted))
}

/// A model in a file.
pub(super) struct Llama2cModel {
    config: TransformerConfig,
    path: PathBuf,
    map: Mmap,
}

impl Llama2cModel {
    /// Opens a file.
    ///
    /// # Errors
    /// As [`load`].
    pub(super) fn open(path: &Path) -> Result<Self, ModelError> {
        let io = |cause| ModelError::Io { path: path.into(), cause };
        let file = File::open(path).map_err(io)?;
        let length = file.metadata().map_err(io)?.len();
        if length < HEADER_BYTES {
            return Err(broken(path, "shorter than the header of 28 bytes"));
        }
        // SAFETY: the map is read alone. Whoever cuts the file meanwhile stops the program, as with every mapped file.
        let map = unsafe { Mmap::map(&file) }.map_err(io)?;
        let config = config(&map, path)?;
        let tables = 2 * (config.context_length as u64 * (config.head_width() as u64 / 2));
        let expected = (ParameterCount::of(&config).total as u64 + tables) * 4 + HEADER_BYTES;
        if length != expected {
            return Err(broken(path, format!("{length} bytes long, but its header calls for {expected}")));
        }
        Ok(Self { config, path: path.into(), map })
    }
}

impl Format for Llama2cModel {
    fn config(&self) -> &TransformerConfig {
        &self.config
    }

    fn check(&self) -> Result<(), ModelError> {
        // The file's length was checked when it was opened, and it has no names.
        Ok(())
    }

    fn read(&self, wanted: Wanted) -> Result<Vec<f32>, ModelError> {
        let Some(begin) = offset(&self.config, wanted.name) else {
            return Err(broken(&self.path, format!("llama2.c's models have no parameter {}", wanted.name)));
        };
        let rows = |_: &str, shape: &[usize], first: usize, rows: usize| {
            let width: usize = shape[1..].iter().product();
            let begin = HEADER_BYTES as usize + 4 * (begin + first * width);
            let word = |it: &[u8]| f32::from_le_bytes([it[0], it[1], it[2], it[3]]);
            Ok(self.map[begin..begin + 4 * rows * width].chunks_exact(4).map(word).collect())
        };
        place(wanted.name).read(wanted, &place::whole(wanted, &self.config), &rows)
    }
}

/// Writes `model`, whose values `parameters` has, and tells `progress` how many of them were written.
///
/// # Errors
/// A configuration that llama2.c does not compute, and a file that cannot be written.
pub(super) fn write(
    model: &Transformer,
    parameters: &Parameters,
    path: &Path,
    progress: &dyn Fn(u64, u64),
) -> Result<Exported, ModelError> {
    let header = header(model.config());
    let told = config(&header, path).ok().map(|told| Candidate { name: "llama2.c".into(), told, of: () });
    let Candidate { name, told, .. } = choose(model.config(), "llama2.c", told)?;
    let (tensors, _) = layout(&told, |name| Ok(place(name)))?;
    let mut order: Vec<(usize, &Stored)> =
        tensors.iter().filter_map(|it| Some((offset(&told, &it.name)?, it))).collect();
    order.sort_by_key(|(offset, _)| *offset);
    let io = |cause| ModelError::Io { path: path.into(), cause };
    let mut file = PartFile::create(path).map_err(io)?;
    file.write(&header).map_err(io)?;
    let all: usize = tensors.iter().map(Stored::elements).sum();
    let mut put = |values: &[f32]| {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        file.write(&bytes).map_err(io)
    };
    let (mut done, mut tables) = (0, Some(tables(&told)));
    for (offset, tensor) in order {
        if offset > done
            && let Some(tables) = tables.take()
        {
            put(&tables)?;
        }
        let values = tensor.values(|name, size| parameters.values(name, told.rope_layout, size))?;
        put(&values)?;
        done += values.len();
        progress(done as u64, all as u64);
    }
    tables.map_or(Ok(()), |tables| put(&tables))?;
    file.finish().map_err(io)?;
    Ok(Exported { architecture: name, tensors: tensors.len(), bytes: 4 * all as u64, notes: Vec::new() })
}

fn config(header: &[u8], path: &Path) -> Result<TransformerConfig, ModelError> {
    let field = |index: usize| {
        let at = 4 * index;
        i32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
    };
    let names = ["dim", "hidden_dim", "n_layers", "n_heads", "n_kv_heads", "vocab_size", "seq_len"];
    let mut sizes = [0usize; 7];
    for (index, (size, name)) in sizes.iter_mut().zip(names).enumerate() {
        // A negative vocabulary says that the head is not tied.
        let value = if name == "vocab_size" { field(index).unsigned_abs() } else { field(index).max(0) as u32 };
        if !(1..=1 << 24).contains(&value) {
            return Err(broken(path, format!("header field {name} is {}: not a llama2.c file", field(index))));
        }
        *size = value as usize;
    }
    let [width, ffn_width, layers, heads, kv_heads, vocab_size, context_length] = sizes;
    let config = TransformerConfig {
        vocab_size,
        context_length,
        layers,
        width,
        heads,
        kv_heads,
        ffn_width,
        tied: field(5) > 0,
        ..preset("stories260k")?
    };
    config.validate().map_err(|error| broken(path, error))?;
    Ok(config)
}

/// What a header can tell of a configuration.
fn header(config: &TransformerConfig) -> Vec<u8> {
    let word = |size: usize| i32::try_from(size).unwrap_or(0);
    let vocabulary = if config.tied { word(config.vocab_size) } else { -word(config.vocab_size) };
    let [width, hidden] = [config.width, config.ffn_width()].map(word);
    let [layers, heads, kv_heads] = [config.layers, config.heads, config.kv_heads()].map(word);
    let all = [width, hidden, layers, heads, kv_heads, vocabulary, word(config.context_length)];
    all.into_iter().flat_map(i32::to_le_bytes).collect()
}

/// The file has `[out, in]`; Hearth's projections have `[in, out]`.
fn place(name: &str) -> Place {
    if name.ends_with(".weight") { Place::Turned(name.into()) } else { Place::Same(name.into()) }
}

/// How many values stand before a parameter.
fn offset(config: &TransformerConfig, name: &str) -> Option<usize> {
    let shape = ModelShape::of(config, &Site::of_sequence(1));
    let sizes: Vec<(String, usize)> =
        shape.block(0).parameters.iter().map(|it| (it.name.clone(), it.shape.iter().product())).collect();
    let size = |wanted: &str| sizes.iter().find(|(name, _)| name == wanted).map_or(0, |(_, size)| *size);
    let matrix = config.vocab_size * config.width;
    let of_layers: usize = OF_LAYERS.iter().map(|name| config.layers * size(name)).sum();
    // Behind the last norm stand tables of rotation angles, which Hearth computes.
    let tables = 2 * (config.context_length * (config.head_width() / 2));
    match name {
        "embedding.tokens" => return Some(0),
        "head.norm.gamma" => return Some(matrix + of_layers),
        "head.output" => return Some(matrix + of_layers + config.width + tables),
        _ => {}
    }
    let (layer, rest) = name.strip_prefix("blocks.")?.split_once('.')?;
    let at = OF_LAYERS.iter().position(|it| *it == rest)?;
    let before: usize = OF_LAYERS[..at].iter().map(|name| config.layers * size(name)).sum();
    Some(matrix + before + layer.parse::<usize>().ok()? * size(rest))
}

/// The tables of rotation angles: cosines of every position, then sines.
fn tables(config: &TransformerConfig) -> Vec<f32> {
    let frequencies = Frequencies::new(config, Rotation::Global);
    let table = |of: fn(f64) -> f64| {
        let frequencies = &frequencies;
        (0..config.context_length).flat_map(move |at| frequencies.at(at, of).collect::<Vec<_>>())
    };
    table(f64::cos).chain(table(f64::sin)).collect()
}
