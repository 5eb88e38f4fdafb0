// y[i] = gate[i] * sigmoid(gate[i]) * up[i].

@group(0) @binding(0) var<storage, read> gate: array<Real>;
@group(0) @binding(1) var<storage, read> up: array<Real>;
@group(0) @binding(2) var<storage, read_write> y: array<Real>;
@group(0) @binding(3) var<uniform> info: vec2<u32>;  // elements, unused

fn process(i: u32) {
    let g = f32(gate[i]);
    y[i] = Real(g * sigmoid(g) * f32(up[i]));
}
