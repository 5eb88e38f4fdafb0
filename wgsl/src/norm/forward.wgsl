// y = (x - mean) / sqrt(mean((x - mean)^2) + eps) * gamma + beta over each row of C channels; without CENTRED the mean is
// taken as 0, which is RMS normalisation. Also mean and scale of each row, for the backward passes.

alias Real = f32;  // that tensors are stored in

struct Info {
    rows: u32,
    width: u32,  // C
    eps: f32,
    padding: u32,
}

@group(0) @binding(0) var<storage, read> x: array<Real>;                  // [rows, C]
@group(0) @binding(1) var<storage, read> gamma: array<Real>;              // [C]
@group(0) @binding(2) var<storage, read> beta: array<Real>;               // [C]; not read without SHIFTED
@group(0) @binding(3) var<storage, read_write> y: array<Real>;            // [rows, C]
@group(0) @binding(4) var<storage, read_write> stats: array<vec2<f32>>;  // [rows]: mean, scale
@group(0) @binding(5) var<uniform> info: Info;

const CENTRED: bool = true;
const SHIFTED: bool = true;

fn process(row: u32, place: Place) {
    let start = row * info.width;
    var mean = 0.0;
    if CENTRED {
        for (var c = place.local; c < info.width; c += WORKGROUP) {
            mean += f32(x[start + c]);
        }
        mean = total(place, vec2<f32>(mean, 0.0)).x / f32(info.width);
    }
    var square = 0.0;
    for (var c = place.local; c < info.width; c += WORKGROUP) {
        let value = f32(x[start + c]) - mean;
        square += value * value;
    }
    let scale = 1.0 / sqrt(total(place, vec2<f32>(square, 0.0)).x / f32(info.width) + info.eps);
    for (var c = place.local; c < info.width; c += WORKGROUP) {
        var value = (f32(x[start + c]) - mean) * scale * f32(gamma[c]);
        if SHIFTED {
            value += f32(beta[c]);
        }
        y[start + c] = Real(value);
    }
    if place.local == 0u {
        stats[row] = vec2<f32>(mean, scale);
    }
}
