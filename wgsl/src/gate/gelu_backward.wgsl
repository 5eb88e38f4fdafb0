// dx = dy (s + x s (1 - s) (3 CUBIC x^2 + LINEAR)) with s = sigmoid(2u): see gelu.wgsl.

@group(0) @binding(0) var<storage, read> x: array<Real>;
@group(0) @binding(1) var<storage, read> dy: array<Real>;
@group(0) @binding(2) var<storage, read_write> dx: array<Real>;
@group(0) @binding(3) var<uniform> info: vec2<u32>;  // elements, unused

const LINEAR: f32 = 1.5957692;
const CUBIC: f32 = 0.071354814;

fn process(i: u32) {
    let value = f32(x[i]);
    let square = value * value;
    let s = sigmoid(value * (CUBIC * square + LINEAR));
    let slope = value * (3.0 * CUBIC * square + LINEAR);
    dx[i] = Real(f32(dy[i]) * (s * (1.0 + (1.0 - s) * slope)));
}
