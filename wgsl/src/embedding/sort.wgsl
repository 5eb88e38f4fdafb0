// Sorts pairs (row of the table, position) by row and then by position, with Batcher's bitonic network (1968), whose comparisons
// do not depend on the values. A workgroup has a TILE of pairs in its memory. With BEGIN it makes the pairs from the ids and
// sorts each tile, every second one downwards; without, it does what is left of a step of the network within a tile.

struct Info {
    count: u32,   // ids
    padded: u32,  // pairs: a power of two, whole tiles
    first: i32,   // id of the table's first row
    rows: i32,    // of the table
    size: u32,    // of the step: every second run of so many pairs is downwards
    unused: u32,
}

@group(0) @binding(0) var<storage, read> ids: array<i32>;                // [count]
@group(0) @binding(1) var<storage, read_write> pairs: array<vec2<u32>>;  // [padded]
@group(0) @binding(2) var<uniform> info: Info;

const BEGIN: bool = true;
const WORKGROUP: u32 = 256u;
const TILE: u32 = 1024u;
const OUTSIDE: u32 = 0xffffffffu;  // the row of other tables' ids and of padding, behind all others

var<workgroup> tile: array<vec2<u32>, TILE>;

fn pair_of(position: u32) -> vec2<u32> {
    if position >= info.count {
        return vec2<u32>(OUTSIDE, position);
    }
    let row = ids[position] - info.first;
    return vec2<u32>(select(OUTSIDE, u32(row), row >= 0 && row < info.rows), position);
}

fn is_after(a: vec2<u32>, b: vec2<u32>) -> bool {
    return a.x > b.x || (a.x == b.x && a.y > b.y);
}

// Compares all pairs of the tile with those `stride` further on.
fn exchange(start: u32, local: u32, size: u32, stride: u32) {
    for (var i = local; i < TILE / 2u; i += WORKGROUP) {
        let low = i / stride * 2u * stride + i % stride;
        let a = tile[low];
        let b = tile[low + stride];
        let upwards = ((start + low) & size) == 0u;
        if is_after(a, b) == upwards {
            tile[low] = b;
            tile[low + stride] = a;
        }
    }
    workgroupBarrier();
}

@compute @workgroup_size(WORKGROUP, 1, 1)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let start = (group.y * groups.x + group.x) * TILE;
    if start >= info.padded {
        return;
    }
    for (var i = local; i < TILE; i += WORKGROUP) {
        if BEGIN {
            tile[i] = pair_of(start + i);
        } else {
            tile[i] = pairs[start + i];
        }
    }
    workgroupBarrier();
    if BEGIN {
        for (var size = 2u; size <= TILE; size *= 2u) {
            for (var stride = size / 2u; stride > 0u; stride /= 2u) {
                exchange(start, local, size, stride);
            }
        }
    } else {
        for (var stride = TILE / 2u; stride > 0u; stride /= 2u) {
            exchange(start, local, info.size, stride);
        }
    }
    for (var i = local; i < TILE; i += WORKGROUP) {
        pairs[start + i] = tile[i];
    }
}
