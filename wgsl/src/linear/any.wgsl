// The operands of `product.wgsl` whatever their sizes are.

alias Real = f32;  // that tensors are stored in

@group(0) @binding(0) var<storage, read> a: array<Real>;        // [m, k], or [k, m]
@group(0) @binding(1) var<storage, read> b: array<Real>;        // [k, n], or [n, k]
@group(0) @binding(2) var<storage, read> added: array<Real>;    // [n]
@group(0) @binding(3) var<storage, read_write> y: array<Real>;  // [m, n]
@group(0) @binding(4) var<uniform> info: Info;

const FOUR: vec4<u32> = vec4<u32>(0u, 1u, 2u, 3u);

// Four rows of a, of four columns each. Rows beyond the end are the last one again, and what is beyond k is 0.
fn left(row: u32, i: u32) -> mat4x4<f32> {
    let rows = min(row + FOUR, vec4<u32>(info.m - 1u));
    var values: mat4x4<f32>;
    for (var r = 0u; r < 4u; r++) {
        for (var c = 0u; c < 4u; c++) {
            let column = min(i + c, info.k - 1u);
            let at = select(rows[r] * info.k + column, column * info.m + rows[r], A_TURNED);
            values[r][c] = select(0.0, f32(a[at]), i + c < info.k);
        }
    }
    return values;
}

// Four rows of b, of four columns each. Columns beyond the end are the last one again, and what is beyond k is 0.
fn right(i: u32, column: u32) -> mat4x4<f32> {
    let columns = min(column + FOUR, vec4<u32>(info.n - 1u));
    var values: mat4x4<f32>;
    for (var r = 0u; r < 4u; r++) {
        let row = min(i + r, info.k - 1u);
        for (var c = 0u; c < 4u; c++) {
            let at = select(row * info.n + columns[c], columns[c] * info.k + row, B_TURNED);
            values[r][c] = select(0.0, f32(b[at]), i + r < info.k);
        }
    }
    return values;
}

fn write(row: u32, column: u32, values: vec4<f32>) {
    for (var c = 0u; c < 4u; c++) {
        if column + c < info.n {
            let at = row * info.n + column + c;
            var sum = values[c];
            if ADDS == 1u {
                sum += f32(added[column + c]);
            }
            if ADDS == 2u {
                sum += f32(y[at]);
            }
            y[at] = Real(sum);
        }
    }
}
