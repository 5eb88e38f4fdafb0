// dx = 2 max(x, 0) dy.

@group(0) @binding(0) var<storage, read> x: array<Real>;
@group(0) @binding(1) var<storage, read> dy: array<Real>;
@group(0) @binding(2) var<storage, read_write> dx: array<Real>;
@group(0) @binding(3) var<uniform> info: vec2<u32>;  // elements, unused

fn process(i: u32) {
    let value = f32(x[i]);
    dx[i] = Real(select(value, 0.0, value < 0.0) * 2.0 * f32(dy[i]));
}
