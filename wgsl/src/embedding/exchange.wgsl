// Of a step of the network in sort.wgsl, the comparisons of pairs that are in different tiles, `stride` apart. One invocation
// a comparison.

struct Info {
    comparisons: u32,
    size: u32,    // of the step: every second run of so many pairs is downwards
    stride: u32,
    unused: u32,
}

@group(0) @binding(0) var<storage, read_write> pairs: array<vec2<u32>>;  // [2 comparisons]
@group(0) @binding(1) var<uniform> info: Info;

const WORKGROUP: u32 = 256u;

fn is_after(a: vec2<u32>, b: vec2<u32>) -> bool {
    return a.x > b.x || (a.x == b.x && a.y > b.y);
}

@compute @workgroup_size(256, 1, 1)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = (group.y * groups.x + group.x) * WORKGROUP + local;
    if i >= info.comparisons {
        return;
    }
    let low = i / info.stride * 2u * info.stride + i % info.stride;
    let a = pairs[low];
    let b = pairs[low + info.stride];
    if is_after(a, b) == ((low & info.size) == 0u) {
        pairs[low] = b;
        pairs[low + info.stride] = a;
    }
}
