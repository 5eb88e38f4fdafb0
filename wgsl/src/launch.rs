//! What every kernel's host code shares: workgroup counts and the launch itself.

use burn_cubecl::{
    template::{KernelSource, SourceKernel},
    tensor::CubeTensor,
};
use cubecl::{
    CubeCount, CubeDim,
    client::Client,
    server::{KernelArguments, MetadataBindingInfo},
};

/// WebGPU's default limit on workgroups in one dimension.
const WORKGROUPS_PER_DIMENSION: u32 = 65_535;

/// Whether the runtime behind `client` takes WGSL text (it does not in builds for SPIR-V or MSL).
pub fn takes_wgsl(client: &Client) -> bool {
    client.name() == "wgpu<wgsl>"
}

/// Enough workgroups for `invocations` invocations in groups of `workgroup`, over two dimensions.
pub fn workgroups(invocations: usize, workgroup: u32) -> CubeCount {
    let groups = invocations.div_ceil(workgroup as usize).max(1) as u32;
    let rows = groups.div_ceil(WORKGROUPS_PER_DIMENSION);
    CubeCount::Static(groups.div_ceil(rows), rows, 1)
}

/// Runs `kernel` with `buffers` bound in order and `words` as the uniform after them.
///
/// The kernel guards its own bounds.
pub fn run<K: KernelSource>(kernel: K, workgroup: u32, count: CubeCount, buffers: &[&CubeTensor], words: &[u32]) {
    let uniform =
        words.chunks(2).map(|pair| u64::from(pair[0]) | u64::from(pair.get(1).copied().unwrap_or(0)) << 32).collect();
    let mut arguments = KernelArguments::new().with_info(MetadataBindingInfo::custom(uniform));
    for buffer in buffers {
        arguments = arguments.with_buffer(buffer.handle.clone().binding());
    }
    let kernel = SourceKernel::new(kernel, CubeDim::new_1d(workgroup));
    buffers[0].client.launch(Box::new(kernel), count, arguments);
}

/// Checks that a shader is valid WGSL and has the workgroup that its host code launches.
#[cfg(test)]
pub fn check_shader(text: &str, workgroup: u32) {
    let module = naga::front::wgsl::parse_str(text).expect("the shader parses");
    naga::valid::Validator::new(naga::valid::ValidationFlags::all(), naga::valid::Capabilities::empty())
        .validate(&module)
        .expect("the shader is valid");
    assert_eq!(module.entry_points[0].workgroup_size, [workgroup, 1, 1]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workgroups_cover_and_respect_the_limit() {
        for invocations in [0, 1, 256, 257, 65_535 * 256, 65_535 * 256 + 1, 1 << 31] {
            let CubeCount::Static(x, y, z) = workgroups(invocations, 256) else { panic!("a static count") };
            assert!(x <= WORKGROUPS_PER_DIMENSION && y <= WORKGROUPS_PER_DIMENSION && z == 1);
            assert!(u64::from(x) * u64::from(y) * 256 >= invocations as u64);
        }
    }
}
