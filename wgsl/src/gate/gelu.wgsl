// y[i] = x[i] * sigmoid(2u), 2u = x (CUBIC x^2 + LINEAR): GELU in its tanh form.

@group(0) @binding(0) var<storage, read> x: array<Real>;
@group(0) @binding(1) var<storage, read_write> y: array<Real>;
@group(0) @binding(2) var<uniform> info: vec2<u32>;  // elements, unused

const LINEAR: f32 = 1.5957692;
const CUBIC: f32 = 0.071354814;

fn process(i: u32) {
    let value = f32(x[i]);
    y[i] = Real(value * sigmoid(value * (CUBIC * value * value + LINEAR)));
}
