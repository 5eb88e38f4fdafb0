// With s = sigmoid(gate): dgate = dy up s (1 + (1 - s) gate), dup = dy gate s.

@group(0) @binding(0) var<storage, read> gate: array<Real>;
@group(0) @binding(1) var<storage, read> up: array<Real>;
@group(0) @binding(2) var<storage, read> dy: array<Real>;
@group(0) @binding(3) var<storage, read_write> dgate: array<Real>;
@group(0) @binding(4) var<storage, read_write> dup: array<Real>;
@group(0) @binding(5) var<uniform> info: vec2<u32>;  // elements, unused

fn process(i: u32) {
    let g = f32(gate[i]);
    let s = sigmoid(g);
    let grad = f32(dy[i]);
    dgate[i] = Real(grad * f32(up[i]) * (s * (1.0 + (1.0 - s) * g)));
    dup[i] = Real(grad * g * s);
}
