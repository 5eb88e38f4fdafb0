//! Every shader in every variant: valid, within WebGPU's default limits, and translated for every API.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use naga::{
    AddressSpace, ShaderStage,
    back::{hlsl, msl, spv},
    front::wgsl,
    valid::{Capabilities, GlobalUse, ModuleInfo, ShaderStages, SubgroupOperationSet, ValidationFlags, Validator},
};

use burn::tensor::DType;

use crate::{
    adamw, attention, cross_entropy, dropout, embedding, experts, gate::GateKernel, launch::Shader, linear, norm,
    packed, rope, squares,
};

/// Every one, stored in f32 and in f16.
fn all() -> Vec<Shader> {
    let gates = [
        GateKernel::Gelu,
        GateKernel::GeluBackward,
        GateKernel::ReluSquared,
        GateKernel::ReluSquaredBackward,
        GateKernel::Swiglu,
        GateKernel::SwigluBackward,
    ];
    let mut all = vec![adamw::shader(), dropout::shader()];
    all.extend(gates.map(GateKernel::shader));
    all.extend(attention::shaders());
    all.extend(cross_entropy::shaders());
    all.extend(embedding::shaders());
    all.extend(experts::shaders());
    all.extend(linear::shaders());
    all.extend(norm::shaders());
    all.extend(packed::shaders());
    all.extend(rope::shaders());
    all.extend(squares::shaders());
    let half = all.iter().map(|shader| shader.clone().storing(DType::F16)).collect::<Vec<_>>();
    all.extend(half);
    all
}

/// Beyond what every adapter has; a variant that needs one of these is launched only where it is there.
const CAPABILITIES: Capabilities = Capabilities::SHADER_FLOAT16.union(Capabilities::SUBGROUP);

fn parsed(shader: &Shader) -> (naga::Module, ModuleInfo) {
    parsed_for(shader, false)
}

/// As a browser has it, or a driver.
fn parsed_for(shader: &Shader, browser: bool) -> (naga::Module, ModuleInfo) {
    let text = shader.text_for(browser);
    let module = wgsl::parse_str(&text).unwrap_or_else(|error| panic!("{}", error.emit_to_string(&text)));
    let info = Validator::new(ValidationFlags::all(), CAPABILITIES)
        .subgroup_stages(ShaderStages::COMPUTE)
        .subgroup_operations(SubgroupOperationSet::all())
        .validate(&module);
    let info = info.unwrap_or_else(|error| panic!("{}", error.emit_to_string(&text)));
    (module, info)
}

/// WebGPU's defaults (<https://www.w3.org/TR/webgpu/#limits>): 8 storage buffers, 16 KiB of workgroup memory, 256
/// invocations. Natively every storage buffer is `read_write`, for tensors share buffers.
#[test]
fn every_shader_is_within_the_default_limits() {
    for shader in all() {
        let (module, _) = parsed(&shader);
        let [entry] = module.entry_points.as_slice() else { panic!("one entry point") };
        assert_eq!(entry.workgroup_size, [shader.workgroup(), 1, 1]);
        assert!(shader.workgroup() <= 256);
        let (mut storage, mut uniforms, mut workgroup) = (0, 0, 0);
        for (_, variable) in module.global_variables.iter() {
            match variable.space {
                AddressSpace::Storage { access } => {
                    storage += 1;
                    assert!(access.contains(naga::StorageAccess::LOAD | naga::StorageAccess::STORE));
                }
                AddressSpace::Uniform => uniforms += 1,
                AddressSpace::WorkGroup => workgroup += module.types[variable.ty].inner.size(module.to_ctx()),
                _ => {}
            }
        }
        assert!(storage <= 8 && uniforms == 1, "{storage} storage buffers, {uniforms} uniforms");
        assert!(workgroup <= 16_384, "{workgroup} bytes of workgroup memory");
    }
}

/// In a browser what a shader does not write to is bound for reading.
#[test]
fn a_browser_binds_inputs_for_reading() {
    for shader in all() {
        let (module, info) = parsed_for(&shader, true);
        let entry = info.get_entry_point(0);
        for (handle, variable) in module.global_variables.iter() {
            if let AddressSpace::Storage { access } = variable.space {
                let is_written = entry[handle].contains(GlobalUse::WRITE);
                let name = &variable.name;
                assert_eq!(access.contains(naga::StorageAccess::STORE), is_written, "{name:?} of {}", shader.text());
            }
        }
    }
}

#[test]
fn every_shader_is_translated_for_metal_and_direct3d() {
    for shader in all() {
        let (module, info) = parsed(&shader);
        let options = msl::Options { fake_missing_bindings: true, ..Default::default() };
        let (text, _) = msl::write_string(&module, &info, &options, &Default::default()).expect("MSL");
        assert!(text.contains("kernel void"));
        let options = hlsl::Options { fake_missing_bindings: true, ..Default::default() };
        let mut text = String::new();
        let pipeline = hlsl::PipelineOptions { entry_point: Some((ShaderStage::Compute, "main".into())) };
        hlsl::Writer::new(&mut text, &options, &pipeline).write(&module, &info, None).expect("HLSL");
        assert!(text.contains("numthreads"));
    }
}

/// With Khronos' validator where there is one (Debian's spirv-tools).
#[test]
fn every_shader_is_translated_for_vulkan() {
    let validator = Command::new("spirv-val").arg("--version").output().is_ok();
    if !validator {
        assert!(std::env::var_os("HEARTH_REQUIRE_WGPU").is_none(), "spirv-val is not installed");
        let _ = writeln!(std::io::stderr(), "SKIPPED: spirv-val is not installed (Debian's spirv-tools)");
    }
    // That of Vulkan 1.1, the first with subgroups.
    let options = spv::Options { lang_version: (1, 3), ..Default::default() };
    for shader in all() {
        let (module, info) = parsed(&shader);
        let words = spv::write_vec(&module, &info, &options, None).expect("SPIR-V");
        if validator {
            let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
            let mut child = Command::new("spirv-val")
                .args(["--target-env", "vulkan1.1", "-"])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            child.stdin.take().unwrap().write_all(&bytes).unwrap();
            let output = child.wait_with_output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
    }
}
