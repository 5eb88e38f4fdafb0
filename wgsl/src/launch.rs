//! What every kernel's host code shares: the shader with what is substituted into it, workgroup counts, the launch.

use burn::{
    backend::TensorMetadata,
    tensor::{DType, Shape},
};
use burn_cubecl::{
    ops::numeric::empty_device_contiguous_dtype,
    template::{KernelSource, SourceKernel, SourceTemplate},
    tensor::CubeTensor,
};
use cubecl::{
    CubeCount, CubeDim,
    prelude::{ExecutionMode, KernelId},
    server::{KernelArguments, MetadataBindingInfo},
};

use crate::{choice::WORKGROUPS_PER_DIMENSION, testing};

/// A shader: its text, and the constants of it that have other values in this variant.
///
/// The text is valid as it stands, so that tools can read it; [`Shader::with`] changes a `const` that it declares.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Shader {
    text: &'static str,
    workgroup: u32,
    constants: Vec<(&'static str, String)>,
    /// Whether tensors are stored in f16.
    half: bool,
}

impl Shader {
    /// A shader whose workgroups have `workgroup` invocations.
    pub(crate) fn new(text: &'static str, workgroup: u32) -> Self {
        Self { text, workgroup, constants: Vec::new(), half: false }
    }

    /// The variant with another value of `const name`.
    pub(crate) fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.constants.push((name, value.to_string()));
        self
    }

    /// The variant for tensors stored as `like` is: in f32 or in f16, from and to which it converts; it computes in f32.
    pub(crate) fn storing(mut self, like: DType) -> Self {
        self.half = like == DType::F16;
        self
    }

    /// What the driver gets.
    ///
    /// # Panics
    /// If a constant is not declared in the text.
    pub fn text(&self) -> String {
        self.text_for(cfg!(target_family = "wasm"))
    }

    /// What a browser gets, or a driver. A browser refuses a buffer that is bound twice and may be written to, so inputs are
    /// for reading there. Natively tensors share buffers, so that an input and a result may be parts of one, and all are for
    /// both.
    pub(crate) fn text_for(&self, browser: bool) -> String {
        let text = self.with_constants();
        let text = if browser { text } else { text.replace("var<storage, read>", "var<storage, read_write>") };
        match self.half {
            true => format!("enable f16;\n{}", text.replace("alias Real = f32;", "alias Real = f16;")),
            false => text,
        }
    }

    fn with_constants(&self) -> String {
        self.constants.iter().fold(self.text.to_owned(), |text, (name, value)| {
            let declared = text.find(&format!("const {name}:")).unwrap_or_else(|| panic!("no const {name}"));
            let start = declared + text[declared..].find('=').expect("a constant has a value") + 1;
            let end = start + text[start..].find(';').expect("a declaration ends");
            format!("{} {value}{}", &text[..start], &text[end..])
        })
    }

    /// Invocations in a workgroup.
    pub fn workgroup(&self) -> u32 {
        self.workgroup
    }

    /// Runs it with `buffers` bound in order and `words` as the uniform after them. The kernel guards its own bounds.
    pub(crate) fn run(self, count: CubeCount, buffers: &[&CubeTensor], words: &[u32]) {
        let pair = |pair: &[u32]| u64::from(pair[0]) | u64::from(pair.get(1).copied().unwrap_or(0)) << 32;
        let uniform = MetadataBindingInfo::custom(words.chunks(2).map(pair).collect());
        let mut arguments = KernelArguments::new().with_info(uniform);
        for buffer in buffers {
            arguments = arguments.with_buffer(buffer.handle.clone().binding());
        }
        let workgroup = CubeDim::new_1d(self.workgroup);
        buffers[0].client.launch(Box::new(SourceKernel::new(self, workgroup)), count, arguments);
    }
}

impl KernelSource for Shader {
    fn source(&self) -> SourceTemplate {
        SourceTemplate::new(testing::with_fault(self.text()))
    }

    fn id(&self) -> KernelId {
        // Everything that makes the text; bounds are the kernel's own affair.
        KernelId::new::<Self>().info((self.clone(), testing::fault_in(|| self.text()))).mode(ExecutionMode::Unchecked)
    }

    fn lang(&self) -> &'static str {
        "wgsl"
    }
}

/// A tensor of `shape` where `like` is, of its dtype, with any values.
pub fn empty(like: &CubeTensor, shape: Shape) -> CubeTensor {
    empty_as(like, shape, like.dtype())
}

/// The same of another dtype.
pub fn empty_as(like: &CubeTensor, shape: Shape, dtype: DType) -> CubeTensor {
    empty_device_contiguous_dtype(like.client.clone(), like.device.clone(), shape, dtype)
}

/// A count as a word of a kernel's uniform. The largest binding of any adapter has fewer than `2^32` bytes, so only a
/// tensor that no kernel can have is refused here.
pub fn word(count: usize) -> u32 {
    u32::try_from(count).unwrap_or_else(|_| panic!("{count} elements: a kernel counts to 2^32"))
}

/// Enough workgroups for `invocations` invocations in groups of `workgroup`, over two dimensions.
pub fn workgroups(invocations: usize, workgroup: u32) -> CubeCount {
    let groups = word(invocations.div_ceil(workgroup as usize).max(1));
    let rows = groups.div_ceil(WORKGROUPS_PER_DIMENSION);
    CubeCount::Static(groups.div_ceil(rows), rows, 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workgroups_cover_and_respect_the_limit() {
        for invocations in [0, 1, 256, 257, 65_535 * 256, 65_535 * 256 + 1, i32::MAX as usize + 1] {
            let CubeCount::Static(x, y, z) = workgroups(invocations, 256) else { panic!("a static count") };
            assert!(x <= WORKGROUPS_PER_DIMENSION && y <= WORKGROUPS_PER_DIMENSION && z == 1);
            assert!(u64::from(x) * u64::from(y) * 256 >= invocations as u64);
        }
    }

    #[test]
    fn constants_are_substituted_and_part_of_the_id() {
        let shader = Shader::new("const A: u32 = 1u;  // one\nconst AB: f32 = 2.0;", 64);
        let other = shader.clone().with("A", "7u").with("AB", 0.5);
        assert_eq!(other.text(), "const A: u32 = 7u;  // one\nconst AB: f32 = 0.5;");
        assert_ne!(shader.id(), other.id());
    }
}
