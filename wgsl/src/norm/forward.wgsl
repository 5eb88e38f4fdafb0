// y = (x - mean) / sqrt(mean((x - mean)^2) + eps) * gamma + beta over each row of C channels; without CENTRED the mean is
// taken as 0, which is RMS normalisation. Also mean and scale of each row, for the backward passes. A workgroup a row.

struct Info {
    rows: u32,
    width: u32,  // C
    eps: f32,
    padding: u32,
}

@group(0) @binding(0) var<storage, read_write> x: array<f32>;            // [rows, C]
@group(0) @binding(1) var<storage, read_write> gamma: array<f32>;        // [C]
@group(0) @binding(2) var<storage, read_write> beta: array<f32>;         // [C]; not read without SHIFTED
@group(0) @binding(3) var<storage, read_write> y: array<f32>;            // [rows, C]
@group(0) @binding(4) var<storage, read_write> stats: array<vec2<f32>>;  // [rows]: mean, scale
@group(0) @binding(5) var<uniform> info: Info;

const WORKGROUP: u32 = 64u;
const CENTRED: bool = true;
const SHIFTED: bool = true;

var<workgroup> sums: array<f32, WORKGROUP>;

// The sum over the workgroup.
fn total(local: u32, value: f32) -> f32 {
    workgroupBarrier();
    sums[local] = value;
    workgroupBarrier();
    for (var half = WORKGROUP / 2u; half > 0u; half /= 2u) {
        if local < half {
            sums[local] += sums[local + half];
        }
        workgroupBarrier();
    }
    return sums[0];
}

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
    var mean = 0.0;
    if CENTRED {
        for (var c = local; c < info.width; c += WORKGROUP) {
            mean += x[start + c];
        }
        mean = total(local, mean) / f32(info.width);
    }
    var square = 0.0;
    for (var c = local; c < info.width; c += WORKGROUP) {
        let value = x[start + c] - mean;
        square += value * value;
    }
    let scale = 1.0 / sqrt(total(local, square) / f32(info.width) + info.eps);
    for (var c = local; c < info.width; c += WORKGROUP) {
        var value = (x[start + c] - mean) * scale * gamma[c];
        if SHIFTED {
            value += beta[c];
        }
        y[start + c] = value;
    }
    if local == 0u {
        stats[row] = vec2<f32>(mean, scale);
    }
}
