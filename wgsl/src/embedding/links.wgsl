// Of each position: the next one with the same id (or the count), and whether it is the first with its id. One invocation a
// position.

@group(0) @binding(0) var<storage, read_write> ids: array<i32>;         // [count]
@group(0) @binding(1) var<storage, read_write> links: array<vec2<u32>>;  // [count]: next, 1 for the first
@group(0) @binding(2) var<uniform> info: vec2<u32>;                     // count, unused

const WORKGROUP: u32 = 64u;

@compute @workgroup_size(64, 1, 1)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let position = (group.y * groups.x + group.x) * WORKGROUP + local;
    if position >= info.x {
        return;
    }
    let id = ids[position];
    var next = position + 1u;
    while next < info.x && ids[min(next, info.x - 1u)] != id {
        next++;
    }
    var earlier = 0u;
    while ids[earlier] != id {
        earlier++;
    }
    links[position] = vec2<u32>(next, u32(earlier == position));
}
