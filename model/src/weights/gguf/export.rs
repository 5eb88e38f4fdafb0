//! A model into a file of GGUF, by llama.cpp's names.

use std::path::Path;

use hearth_gguf::{GgufWriter, MetadataValue, NewTensor, TensorType};

use super::{
    config::{ARCHITECTURES, Metadata},
    describe::describe,
    described::{Described, ROPE_FREQS},
};
use crate::{
    ModelError, TransformerConfig,
    weights::{
        choice::{Candidate, choose},
        exported::Exported,
        parameters::Parameters,
        place::Stored,
        precision::Precision,
    },
};

/// A file that is to be written.
pub struct File<'a> {
    pub config: &'a TransformerConfig,
    pub precision: Precision,
    /// Is told how many values were written, and of how many.
    pub progress: &'a dyn Fn(u64, u64),
}

/// What is written: what the file tells, its tensors, and the parameters that have none.
type Form = (Described, Vec<Stored>, Vec<String>);

impl File<'_> {
    /// Writes the file, with further `metadata`.
    ///
    /// # Errors
    /// A configuration that no architecture computes, values that cannot be stored so, a file that cannot be written.
    pub fn write(
        &self,
        parameters: &Parameters,
        path: &Path,
        metadata: Vec<(String, MetadataValue)>,
    ) -> Result<Exported, ModelError> {
        let Candidate { name, told, of: (described, tensors, nowhere) } = self.choose()?;
        parameters.must_be_zero(&nowhere, "llama.cpp's architecture")?;
        let notes = self.notes(&name, &tensors);
        let mut all = vec![("general.architecture".to_string(), MetadataValue::String(name.clone()))];
        all.push(("general.file_type".into(), MetadataValue::U32(self.file_type())));
        all.push(("general.quantization_version".into(), MetadataValue::U32(2)));
        all.extend(metadata);
        all.extend(described.values);
        let mut planned: Vec<NewTensor> = tensors.iter().map(|tensor| self.planned(tensor)).collect();
        if let Some(divisors) = &described.divisors {
            planned.push(NewTensor {
                name: ROPE_FREQS.into(),
                shape: vec![divisors.len()],
                tensor_type: TensorType::F32,
            });
        }
        let bytes = planned.iter().map(size).sum();
        let mut file = GgufWriter::create(path, &all, &planned)?;
        let elements: u64 = tensors.iter().map(|tensor| tensor.elements() as u64).sum();
        let mut done = 0;
        for tensor in &tensors {
            let values = tensor.values(|name, size| parameters.values(name, told.rope_layout, size))?;
            file.write(&tensor.name, &values)?;
            done += values.len() as u64;
            (self.progress)(done, elements);
        }
        if let Some(divisors) = &described.divisors {
            file.write(ROPE_FREQS, divisors)?;
        }
        file.finish()?;
        Ok(Exported { architecture: name, tensors: planned.len(), bytes, notes })
    }

    /// The architecture that computes what the configuration says.
    fn choose(&self) -> Result<Candidate<Form>, ModelError> {
        let candidates = ARCHITECTURES.into_iter().filter_map(|architecture| {
            let form = describe(architecture, self.config).ok()?;
            let refuse = |reason: String| ModelError::Unexportable { what: architecture.into(), reason };
            let mut told = Metadata { file: &form.0, refuse: &refuse }.config().ok()?;
            told.validate().ok()?;
            as_llama_cpp(architecture, &mut told);
            Some(Candidate { name: architecture.into(), told, of: form })
        });
        choose(self.config, "llama.cpp", candidates)
    }

    /// How a tensor is stored: vectors, routers and positions as they are, as llama.cpp's converter has it.
    fn planned(&self, tensor: &Stored) -> NewTensor {
        let is_kept = tensor.shape.len() == 1
            || tensor.name.ends_with("ffn_gate_inp.weight")
            || tensor.name == "position_embd.weight";
        let tensor_type = match self.precision {
            _ if is_kept => TensorType::F32,
            Precision::F32 => TensorType::F32,
            Precision::Bf16 => TensorType::BF16,
            Precision::Q8_0 if fits_blocks(tensor) => TensorType::Q8_0,
            Precision::F16 | Precision::Q8_0 => TensorType::F16,
        };
        NewTensor { name: tensor.name.clone(), shape: tensor.shape.clone(), tensor_type }
    }

    /// llama.cpp's number for how most tensors are stored.
    fn file_type(&self) -> u32 {
        match self.precision {
            Precision::F32 => 0,
            Precision::F16 => 1,
            Precision::Q8_0 => 7,
            Precision::Bf16 => 32,
        }
    }

    fn notes(&self, architecture: &str, tensors: &[Stored]) -> Vec<String> {
        let mut notes = Vec::new();
        let window = (0..self.config.layers).find_map(|layer| self.config.window(layer));
        if let Some(window) = window.filter(|window| architecture == "llama" && *window < self.config.context_length) {
            notes.push(format!(
                "llama.cpp's llama has no sliding window: behind {window} tokens its logits differ from Hearth's"
            ));
        }
        let odd = tensors.iter().filter(|tensor| tensor.shape.len() > 1 && !fits_blocks(tensor)).count();
        if odd > 0 && self.precision == Precision::Q8_0 {
            notes.push(format!("{odd} matrices have rows of no multiple of 32 values, and are stored as f16"));
        }
        notes
    }
}

/// Hearth reads norms, biases and experts wherever a file has their tensors; llama.cpp where the architecture has them.
fn as_llama_cpp(architecture: &str, told: &mut TransformerConfig) {
    told.qk_norm = matches!(architecture, "qwen3" | "qwen3moe" | "olmo2" | "gemma3");
    told.qkv_bias = architecture == "qwen2";
    told.bias &= matches!(architecture, "gpt2" | "llama");
    match architecture {
        "qwen3moe" => told.experts = told.experts.max(1),
        "llama" => {}
        _ => told.experts = 0,
    }
}

/// Whether rows are made of blocks of 32 values.
fn fits_blocks(tensor: &Stored) -> bool {
    tensor.shape.last().is_some_and(|row| row.is_multiple_of(TensorType::Q8_0.block_elements()))
}

fn size(tensor: &NewTensor) -> u64 {
    let elements: usize = tensor.shape.iter().product();
    (elements / tensor.tensor_type.block_elements() * tensor.tensor_type.block_bytes()) as u64
}
