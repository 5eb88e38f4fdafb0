// The operands of `product.wgsl` whatever their sizes are.

alias Real = f32;  // that tensors are stored in

@group(0) @binding(0) var<storage, read> a: array<Real>;        // [m, k], or [k, m]
@group(0) @binding(1) var<storage, read> b: array<Real>;        // [k, n], or [n, k]
@group(0) @binding(2) var<storage, read> added: array<Real>;    // [n]
@group(0) @binding(3) var<storage, read_write> y: array<Real>;  // [m, n]
@group(0) @binding(4) var<uniform> info: Info;

fn of_a(row: u32, i: u32) -> f32 {
    let own = min(row, info.m - 1u);
    let at = min(i, info.k - 1u);
    return select(0.0, f32(a[select(own * info.k + at, at * info.m + own, A_TURNED)]), i < info.k);
}

fn of_b(i: u32, column: u32) -> f32 {
    let own = min(column, info.n - 1u);
    let at = min(i, info.k - 1u);
    return select(0.0, f32(b[select(at * info.n + own, own * info.k + at, B_TURNED)]), i < info.k);
}

fn row_of_a(row: u32, i: u32) -> vec4<f32> {
    return vec4<f32>(of_a(row, i), of_a(row, i + 1u), of_a(row, i + 2u), of_a(row, i + 3u));
}

fn row_of_b(i: u32, column: u32) -> vec4<f32> {
    return vec4<f32>(of_b(i, column), of_b(i, column + 1u), of_b(i, column + 2u), of_b(i, column + 3u));
}

// Four rows of a, of four columns each. Rows beyond the end are the last one again, and what is beyond k is 0.
fn left(row: u32, i: u32) -> mat4x4<f32> {
    return mat4x4<f32>(row_of_a(row, i), row_of_a(row + 1u, i), row_of_a(row + 2u, i), row_of_a(row + 3u, i));
}

// Four rows of b, of four columns each. Columns beyond the end are the last one again, and what is beyond k is 0.
fn right(i: u32, column: u32) -> mat4x4<f32> {
    return mat4x4<f32>(row_of_b(i, column), row_of_b(i + 1u, column), row_of_b(i + 2u, column), row_of_b(i + 3u, column));
}

fn write_one(row: u32, column: u32, value: f32) {
    if row >= info.m || column >= info.n {
        return;
    }
    let at = row * info.n + column;
    var sum = value;
    if ADDS == 1u {
        sum += f32(added[column]);
    }
    if ADDS == 2u {
        sum += f32(y[at]);
    }
    y[at] = Real(sum);
}

fn write(row: u32, column: u32, values: vec4<f32>) {
    write_one(row, column, values.x);
    write_one(row, column + 1u, values.y);
    write_one(row, column + 2u, values.z);
    write_one(row, column + 3u, values.w);
}
