// dtable[r] = sum of dy[i] over the positions i whose id is r's, in their order: the same bits every time, and no atomics on
// floats. One invocation a position and channel; the first position of an id follows the links to the others, which do
// nothing. dtable begins as zeros.

alias Real = f32;  // that tensors are stored in

struct Info {
    count: u32,    // ids
    width: u32,    // C
    first: i32,    // id of the table's first row
    rows: i32,     // of the table
}

@group(0) @binding(0) var<storage, read_write> ids: array<i32>;          // [count]
@group(0) @binding(1) var<storage, read_write> links: array<vec2<u32>>;  // [count]: next, 1 for the first
@group(0) @binding(2) var<storage, read_write> dy: array<Real>;          // [count, C]
@group(0) @binding(3) var<storage, read_write> dtable: array<f32>;       // [rows, C]
@group(0) @binding(4) var<uniform> info: Info;

const WORKGROUP: u32 = 64u;

@compute @workgroup_size(64, 1, 1)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = (group.y * groups.x + group.x) * WORKGROUP + local;
    if i >= info.count * info.width {
        return;
    }
    var position = i / info.width;
    let column = i % info.width;
    let row = ids[position] - info.first;
    if links[position].y == 0u || row < 0 || row >= info.rows {
        return;
    }
    var sum = 0.0;
    while position < info.count {
        sum += f32(dy[position * info.width + column]);
        position = links[position].x;
    }
    dtable[u32(row) * info.width + column] = sum;
}
