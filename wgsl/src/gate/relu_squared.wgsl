// y[i] = max(x[i], 0)^2.

@group(0) @binding(0) var<storage, read> x: array<Real>;
@group(0) @binding(1) var<storage, read_write> y: array<Real>;
@group(0) @binding(2) var<uniform> info: vec2<u32>;  // elements, unused

fn process(i: u32) {
    let value = f32(x[i]);
    let positive = select(value, 0.0, value < 0.0);
    y[i] = Real(positive * positive);
}
