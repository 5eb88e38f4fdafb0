// What the gates share: one invocation an element i, which it hands to `process(i)`, and the sigmoid.

alias Real = f32;  // that tensors are stored in

const WORKGROUP: u32 = 256u;

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
    if i < info.x {
        process(i);
    }
}
