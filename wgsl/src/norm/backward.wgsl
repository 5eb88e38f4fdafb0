// The gradient of the input: with n = (x - mean) scale and g = dy gamma, dx = scale (g - mean(g) - n mean(g n)) over each
// row, the first mean only where it is CENTRED. A workgroup a row.

struct Info {
    rows: u32,
    width: u32,  // C
}

@group(0) @binding(0) var<storage, read_write> x: array<f32>;            // [rows, C]
@group(0) @binding(1) var<storage, read_write> gamma: array<f32>;        // [C]
@group(0) @binding(2) var<storage, read_write> stats: array<vec2<f32>>;  // [rows]: mean, scale
@group(0) @binding(3) var<storage, read_write> dy: array<f32>;           // [rows, C]
@group(0) @binding(4) var<storage, read_write> dx: array<f32>;           // [rows, C]
@group(0) @binding(5) var<uniform> info: Info;

const WORKGROUP: u32 = 64u;
const CENTRED: bool = true;

var<workgroup> sums: array<vec2<f32>, WORKGROUP>;

@compute @workgroup_size(WORKGROUP, 1, 1)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let row = group.y * groups.x + group.x;
    if row >= info.rows {
        return;
    }
    let start = row * info.width;
    let stat = stats[row];
    var means = vec2<f32>(0.0);
    for (var c = local; c < info.width; c += WORKGROUP) {
        let gradient = dy[start + c] * gamma[c];
        means += vec2<f32>(gradient, gradient * (x[start + c] - stat.x) * stat.y);
    }
    sums[local] = means;
    workgroupBarrier();
    for (var half = WORKGROUP / 2u; half > 0u; half /= 2u) {
        if local < half {
            sums[local] += sums[local + half];
        }
        workgroupBarrier();
    }
    means = sums[0] / f32(info.width);
    if !CENTRED {
        means.x = 0.0;
    }
    for (var c = local; c < info.width; c += WORKGROUP) {
        let normal = (x[start + c] - stat.x) * stat.y;
        dx[start + c] = stat.y * (dy[start + c] * gamma[c] - means.x - normal * means.y);
    }
}
