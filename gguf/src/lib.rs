//! GGUF, the container of llama.cpp's models: metadata and tensors in, blocks dequantised to f32, and files out.
//!
//! ```
//! use hearth_gguf::{Gguf, GgufWriter, MetadataValue, NewTensor, TensorType};
//!
//! let path = std::env::temp_dir().join("hearth-front-page.gguf");
//! let metadata = [("general.architecture".to_string(), MetadataValue::String("llama".to_string()))];
//! let tensors = [NewTensor { name: "output.weight".to_string(), shape: vec![2, 3], tensor_type: TensorType::F16 }];
//! let mut writer = GgufWriter::create(&path, &metadata, &tensors)?;
//! writer.write("output.weight", &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0])?;
//! writer.finish()?;
//!
//! let file = Gguf::open(&path)?;
//! assert_eq!(file.get_str("general.architecture")?, "llama");
//! assert_eq!(file.read_f32_rows("output.weight", 1..2)?, [4.0, 5.0, 6.0]);
//! # Ok::<(), hearth_gguf::GgufError>(())
//! ```
//!
//! Source: `docs/gguf.md` of <https://github.com/ggml-org/ggml>, and `gguf.cpp` and `ggml-quants.c` of llama.cpp. Shapes are in
//! row-major order here, the outermost dimension first, which is the reverse of the order in the file.

mod blocks;
mod container;
mod cursor;
mod error;
mod file;
mod part_file;
mod tensor_info;
mod tensor_type;
mod value;
mod value_bytes;
mod write;

pub use error::{GgufError, GgufFault};
pub use file::Gguf;
pub use part_file::PartFile;
pub use tensor_info::TensorInfo;
pub use tensor_type::TensorType;
pub use value::{MetadataArray, MetadataValue};
pub use write::{GgufWriter, NewTensor};
