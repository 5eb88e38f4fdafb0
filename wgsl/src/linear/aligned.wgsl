// The operands of `product.wgsl` where rows of all three matrices are stored in multiples of four: four values a load.

alias Real = f32;  // that tensors are stored in

@group(0) @binding(0) var<storage, read> a: array<vec4<Real>>;        // [m, k], or [k, m]
@group(0) @binding(1) var<storage, read> b: array<vec4<Real>>;        // [k, n], or [n, k]
@group(0) @binding(2) var<storage, read> added: array<vec4<Real>>;    // [n]
@group(0) @binding(3) var<storage, read_write> y: array<vec4<Real>>;  // [m, n]
@group(0) @binding(4) var<uniform> info: Info;

const FOUR: vec4<u32> = vec4<u32>(0u, 1u, 2u, 3u);

fn values_of_a(at: vec4<u32>) -> mat4x4<f32> {
    return mat4x4<f32>(vec4<f32>(a[at.x]), vec4<f32>(a[at.y]), vec4<f32>(a[at.z]), vec4<f32>(a[at.w]));
}

fn values_of_b(at: vec4<u32>) -> mat4x4<f32> {
    return mat4x4<f32>(vec4<f32>(b[at.x]), vec4<f32>(b[at.y]), vec4<f32>(b[at.z]), vec4<f32>(b[at.w]));
}

// The rows i, i + 1, .. of those that are stored; those from k on are 0.
fn present(i: u32, rows: mat4x4<f32>) -> mat4x4<f32> {
    if i + 4u <= info.k {
        return rows;
    }
    let none = vec4<f32>(0.0);
    return mat4x4<f32>(
        rows[0],
        select(none, rows[1], i + 1u < info.k),
        select(none, rows[2], i + 2u < info.k),
        none);
}

// Four rows of a, of four columns each. Rows beyond the end are the last ones again.
fn left(row: u32, i: u32) -> mat4x4<f32> {
    if A_TURNED {
        let at = min(i + FOUR, vec4<u32>(info.k - 1u)) * info.m + min(row, info.m - 4u);
        return transpose(present(i, values_of_a(at / 4u)));
    }
    return values_of_a((min(row + FOUR, vec4<u32>(info.m - 1u)) * info.k + i) / 4u);
}

// Four rows of b, of four columns each. Columns beyond the end are the last ones again.
fn right(i: u32, column: u32) -> mat4x4<f32> {
    if B_TURNED {
        return transpose(values_of_b((min(column + FOUR, vec4<u32>(info.n - 1u)) * info.k + i) / 4u));
    }
    return present(i, values_of_b((min(i + FOUR, vec4<u32>(info.k - 1u)) * info.n + min(column, info.n - 4u)) / 4u));
}

fn write(row: u32, column: u32, values: vec4<f32>) {
    if row >= info.m || column >= info.n {
        return;
    }
    let at = (row * info.n + column) / 4u;
    var sum = values;
    if ADDS == 1u {
        sum += vec4<f32>(added[column / 4u]);
    }
    if ADDS == 2u {
        sum += vec4<f32>(y[at]);
    }
    y[at] = vec4<Real>(sum);
}
