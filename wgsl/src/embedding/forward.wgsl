// y[i] = table[ids[i] - first], or zeros where the id is not one of the table's. One invocation an element.

alias Real = f32;  // that tensors are stored in

struct Info {
    count: u32,    // ids
    width: u32,    // C
    first: i32,    // id of the table's first row
    rows: i32,     // of the table
}

@group(0) @binding(0) var<storage, read> table: array<Real>;        // [rows, C]
@group(0) @binding(1) var<storage, read> ids: array<i32>;          // [count]
@group(0) @binding(2) var<storage, read_write> y: array<Real>;      // [count, C]
@group(0) @binding(3) var<uniform> info: Info;

const WORKGROUP: u32 = 256u;

@compute @workgroup_size(256, 1, 1)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = (group.y * groups.x + group.x) * WORKGROUP + local;
    if i >= info.count * info.width {
        return;
    }
    let row = ids[i / info.width] - info.first;
    var value = 0.0;
    if row >= 0 && row < info.rows {
        value = f32(table[u32(row) * info.width + i % info.width]);
    }
    y[i] = Real(value);
}
