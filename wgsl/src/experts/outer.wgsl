// Of each expert x^T dy over its rows. A workgroup has 32 x 32 of an expert's results, an invocation 4 x 4 of them in registers, which
// it sums in the order of the rows.

alias Real = f32;  // that tensors are stored in

struct Info {
    c: u32,
    f: u32,
}

@group(0) @binding(0) var<storage, read> x: array<Real>;        // [rows, c]
@group(0) @binding(1) var<storage, read> dy: array<Real>;       // [rows, f]
@group(0) @binding(2) var<storage, read> starts: array<i32>;    // [experts + 1]
@group(0) @binding(3) var<storage, read_write> dw: array<Real>; // [experts, c, f]
@group(0) @binding(4) var<uniform> info: Info;

const TILE: u32 = 32u;

fn of_x(row: u32, column: u32) -> vec4<f32> {
    let at = row * info.c + min(vec4<u32>(column, column + 1u, column + 2u, column + 3u), vec4<u32>(info.c - 1u));
    return vec4<f32>(f32(x[at.x]), f32(x[at.y]), f32(x[at.z]), f32(x[at.w]));
}

fn of_dy(row: u32, column: u32) -> vec4<f32> {
    let at = row * info.f + min(vec4<u32>(column, column + 1u, column + 2u, column + 3u), vec4<u32>(info.f - 1u));
    return vec4<f32>(f32(dy[at.x]), f32(dy[at.y]), f32(dy[at.z]), f32(dy[at.w]));
}

fn write(expert: u32, row: u32, column: u32, values: vec4<f32>) {
    if row >= info.c {
        return;
    }
    let at = (expert * info.c + row) * info.f + column;
    if column < info.f { dw[at] = Real(values.x); }
    if column + 1u < info.f { dw[at + 1u] = Real(values.y); }
    if column + 2u < info.f { dw[at + 2u] = Real(values.z); }
    if column + 3u < info.f { dw[at + 3u] = Real(values.w); }
}

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let expert = group.z;
    let row = group.y * TILE + local / 8u * 4u;
    let column = group.x * TILE + local % 8u * 4u;
    if row >= info.c || column >= info.f {
        return;
    }
    var sums = mat4x4<f32>();
    let end = u32(starts[expert + 1u]);
    for (var i = u32(starts[expert]); i < end; i++) {
        let rows = of_x(i, row);
        let columns = of_dy(i, column);
        sums += mat4x4<f32>(columns * rows.x, columns * rows.y, columns * rows.z, columns * rows.w);
    }
    write(expert, row, column, sums[0]);
    write(expert, row + 1u, column, sums[1]);
    write(expert, row + 2u, column, sums[2]);
    write(expert, row + 3u, column, sums[3]);
}
