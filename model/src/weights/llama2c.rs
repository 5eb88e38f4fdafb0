//! llama2.c's legacy `.bin` format: seven 32-bit integers, then all tensors as f32, in order.
//!
//! Source: `export.py` (`legacy_export`) and `run.c` of <https://github.com/karpathy/llama2.c>.

use std::{io::Read, path::Path};

use burn::tensor::{Device, TensorData};

use super::{assign, broken};
use crate::{ModelError, ParameterCount, Transformer, TransformerConfig, preset};

const HEADER_BYTES: u64 = 28;

/// Loads a model.
///
/// # Errors
/// A file that cannot be read, a header that describes no model, or a length that does not fit the header: checked
/// before anything of that size is allocated.
pub fn load(path: &Path, device: &Device) -> Result<Transformer, ModelError> {
    let io = |cause| ModelError::Io { path: path.into(), cause };
    let mut file = std::fs::File::open(path).map_err(io)?;
    let length = file.metadata().map_err(io)?.len();
    let mut header = [0; HEADER_BYTES as usize];
    file.read_exact(&mut header).map_err(|_| broken(path, "shorter than the header of 28 bytes"))?;
    let config = config(&header, path)?;

    let tables = 2 * (config.context_length as u64 * config.head_width() as u64 / 2);
    let expected = (ParameterCount::of(&config).total as u64 + tables) * 4 + HEADER_BYTES;
    if length != expected {
        return Err(broken(path, format!("{length} bytes long, but its header calls for {expected}")));
    }
    let too_long = |_| broken(path, "longer than this machine can address");
    let tables = usize::try_from(tables).map_err(too_long)?;
    let mut body = Vec::new();
    file.read_to_end(&mut body).map_err(io)?;
    let mut values = body.chunks_exact(4).map(|word| f32::from_le_bytes([word[0], word[1], word[2], word[3]]));
    let mut model = config.init(0, device)?;
    assign(&mut model, tensors(&config, tables, &mut values), path)?;
    Ok(model)
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

/// The tensors in the file's order, under Hearth's names and layouts.
fn tensors(
    config: &TransformerConfig,
    tables: usize,
    values: &mut impl Iterator<Item = f32>,
) -> Vec<(String, TensorData)> {
    let (c, d, f, v) = (config.width, config.head_width(), config.ffn_width(), config.vocab_size);
    let (queries, key_values) = (config.heads * d, config.kv_heads() * d);
    let mut tensors = Vec::new();
    let mut take = |count: usize| values.by_ref().take(count).collect::<Vec<f32>>();

    tensors.push(("embedding.tokens".to_string(), TensorData::new(take(v * c), [v, c])));
    let vectors = |take: &mut dyn FnMut(usize) -> Vec<f32>, tensors: &mut Vec<_>, name: &str| {
        for layer in 0..config.layers {
            tensors.push((format!("blocks.{layer}.{name}.gamma"), TensorData::new(take(c), [c])));
        }
    };
    // The file has [out, in]; Burn's linear layers have [in, out].
    let matrices =
        |take: &mut dyn FnMut(usize) -> Vec<f32>, tensors: &mut Vec<_>, name: &str, outputs: usize, inputs: usize| {
            for layer in 0..config.layers {
                let weight = transpose(&take(outputs * inputs), outputs, inputs);
                tensors.push((format!("blocks.{layer}.{name}.weight"), TensorData::new(weight, [inputs, outputs])));
            }
        };
    vectors(&mut take, &mut tensors, "attention_norm");
    matrices(&mut take, &mut tensors, "attention.query", queries, c);
    matrices(&mut take, &mut tensors, "attention.key", key_values, c);
    matrices(&mut take, &mut tensors, "attention.value", key_values, c);
    matrices(&mut take, &mut tensors, "attention.output", c, queries);
    vectors(&mut take, &mut tensors, "mlp_norm");
    matrices(&mut take, &mut tensors, "mlp.gate", f, c);
    matrices(&mut take, &mut tensors, "mlp.down", c, f);
    matrices(&mut take, &mut tensors, "mlp.up", f, c);
    tensors.push(("head.norm.gamma".to_string(), TensorData::new(take(c), [c])));
    // Tables of rotation angles, which Hearth computes.
    take(tables);
    if !config.tied {
        tensors.push(("head.output".to_string(), TensorData::new(take(v * c), [v, c])));
    }
    tensors
}

fn transpose(matrix: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    (0..columns).flat_map(|column| (0..rows).map(move |row| matrix[row * columns + column])).collect()
}
