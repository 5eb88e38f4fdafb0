// Rows that are sorted by expert, each times its expert's weight. A workgroup has 32 rows of one expert and 32 columns, an invocation
// 4 x 4 of them in registers; workgroups that are left over, for experts have whole tiles of rows, find no expert.

alias Real = f32;  // that tensors are stored in

struct Info {
    experts: u32,
    c: u32,
    f: u32,
    unused: u32,
}

@group(0) @binding(0) var<storage, read> x: array<Real>;        // [rows, c]
@group(0) @binding(1) var<storage, read> weight: array<Real>;   // [experts, c, f], or [experts, f, c]
@group(0) @binding(2) var<storage, read> starts: array<i32>;    // [experts + 1]
@group(0) @binding(3) var<storage, read_write> y: array<Real>;  // [rows, f]
@group(0) @binding(4) var<uniform> info: Info;

const TURNED: bool = false;  // weights are [f, c]
const TILE: u32 = 32u;

fn of_x(row: u32, i: u32) -> vec4<f32> {
    let at = row * info.c + i;
    return vec4<f32>(f32(x[at]), f32(x[at + info.c]), f32(x[at + 2u * info.c]), f32(x[at + 3u * info.c]));
}

// One row of a tile at a time, where there are not four.
fn of_x_checked(row: u32, end: u32, i: u32) -> vec4<f32> {
    let own = min(vec4<u32>(row, row + 1u, row + 2u, row + 3u), vec4<u32>(end - 1u)) * info.c + i;
    return vec4<f32>(f32(x[own.x]), f32(x[own.y]), f32(x[own.z]), f32(x[own.w]));
}

fn of_weight(expert: u32, i: u32, column: u32) -> vec4<f32> {
    let columns = min(vec4<u32>(column, column + 1u, column + 2u, column + 3u), vec4<u32>(info.f - 1u));
    let first = expert * info.c * info.f;
    let at = first + select(i * info.f + columns, columns * info.c + i, vec4<bool>(TURNED));
    return vec4<f32>(f32(weight[at.x]), f32(weight[at.y]), f32(weight[at.z]), f32(weight[at.w]));
}

fn write(row: u32, end: u32, column: u32, values: vec4<f32>) {
    if row >= end {
        return;
    }
    let at = row * info.f + column;
    if column < info.f { y[at] = Real(values.x); }
    if column + 1u < info.f { y[at + 1u] = Real(values.y); }
    if column + 2u < info.f { y[at + 2u] = Real(values.z); }
    if column + 3u < info.f { y[at + 3u] = Real(values.w); }
}

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    var tile = group.y;
    var expert = 0u;
    var first = 0u;
    var end = 0u;
    for (; expert < info.experts; expert++) {
        first = u32(starts[expert]);
        end = u32(starts[expert + 1u]);
        let tiles = (end - first + TILE - 1u) / TILE;
        if tile < tiles {
            break;
        }
        tile -= tiles;
    }
    let row = first + tile * TILE + local / 8u * 4u;
    let column = group.x * TILE + local % 8u * 4u;
    if expert >= info.experts || row >= end || column >= info.f {
        return;
    }
    var sums = mat4x4<f32>();
    if row + 4u <= end {
        for (var i = 0u; i < info.c; i++) {
            let rows = of_x(row, i);
            let columns = of_weight(expert, i, column);
            sums += mat4x4<f32>(columns * rows.x, columns * rows.y, columns * rows.z, columns * rows.w);
        }
    } else {
        for (var i = 0u; i < info.c; i++) {
            let rows = of_x_checked(row, end, i);
            let columns = of_weight(expert, i, column);
            sums += mat4x4<f32>(columns * rows.x, columns * rows.y, columns * rows.z, columns * rows.w);
        }
    }
    write(row, end, column, sums[0]);
    write(row + 1u, end, column, sums[1]);
    write(row + 2u, end, column, sums[2]);
    write(row + 3u, end, column, sums[3]);
}
