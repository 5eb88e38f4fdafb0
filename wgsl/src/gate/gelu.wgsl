// y[i] = x[i] * sigmoid(2u), 2u = x (CUBIC x^2 + LINEAR): GELU in its tanh form. One invocation an element.

alias Real = f32;  // that tensors are stored in

@group(0) @binding(0) var<storage, read_write> x: array<Real>;
@group(0) @binding(1) var<storage, read_write> y: array<Real>;
@group(0) @binding(2) var<uniform> info: vec2<u32>;  // elements, unused

const WORKGROUP: u32 = 256u;
const LINEAR: f32 = 1.5957692;
const CUBIC: f32 = 0.071354814;

// The exponent is bounded, for WGSL does not promise infinities.
fn sigmoid(z: f32) -> f32 {
    return 1.0 / (1.0 + exp(min(-z, 80.0)));
}

@compute @workgroup_size(256, 1, 1)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    // Workgroups are laid out in two dimensions, for one holds at most 65,535.
    let i = (group.y * groups.x + group.x) * WORKGROUP + local;
    if i >= info.x {
        return;
    }
    let value = f32(x[i]);
    y[i] = Real(value * sigmoid(value * (CUBIC * value * value + LINEAR)));
}
