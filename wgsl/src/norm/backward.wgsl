// The gradient of the input: with n = (x - mean) scale and g = dy gamma, dx = scale (g - mean(g) - n mean(g n)) over each
// row, the first mean only where it is CENTRED.

alias Real = f32;  // that tensors are stored in

struct Info {
    rows: u32,
    width: u32,  // C
}

@group(0) @binding(0) var<storage, read> x: array<Real>;                  // [rows, C]
@group(0) @binding(1) var<storage, read> gamma: array<Real>;              // [C]
@group(0) @binding(2) var<storage, read> stats: array<vec2<f32>>;        // [rows]: mean, scale
@group(0) @binding(3) var<storage, read> dy: array<Real>;                 // [rows, C]
@group(0) @binding(4) var<storage, read_write> dx: array<Real>;           // [rows, C]
@group(0) @binding(5) var<uniform> info: Info;

const CENTRED: bool = true;

fn process(row: u32, place: Place) {
    let start = row * info.width;
    let stat = stats[row];
    var means = vec2<f32>(0.0);
    for (var c = place.local; c < info.width; c += WORKGROUP) {
        let gradient = f32(dy[start + c]) * f32(gamma[c]);
        means += vec2<f32>(gradient, gradient * (f32(x[start + c]) - stat.x) * stat.y);
    }
    means = total(place, means) / f32(info.width);
    if !CENTRED {
        means.x = 0.0;
    }
    for (var c = place.local; c < info.width; c += WORKGROUP) {
        let normal = (f32(x[start + c]) - stat.x) * stat.y;
        dx[start + c] = Real(stat.y * (f32(dy[start + c]) * f32(gamma[c]) - means.x - normal * means.y));
    }
}
