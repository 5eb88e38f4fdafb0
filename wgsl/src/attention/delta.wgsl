// For each query of each head, what both backward passes need: the log-sum-exp of its scores, and delta = sum(dy * y),
// which is what softmax's derivative takes off every score of the row. One invocation a row [B * T * H].

alias Real = f32;  // that tensors are stored in

@group(0) @binding(0) var<storage, read> y: array<vec4<f32>>;               // [rows, D]
@group(0) @binding(1) var<storage, read> dy: array<vec4<Real>>;             // [rows, D]
@group(0) @binding(2) var<storage, read> lse: array<f32>;                  // [rows]
@group(0) @binding(3) var<storage, read_write> stats: array<vec2<f32>>;    // [rows]: lse, delta
@group(0) @binding(4) var<uniform> info: vec2<u32>;                        // rows, unused

const HEAD: u32 = 16u;  // vectors of a head: D / 4
const WORKGROUP: u32 = 256u;

@compute @workgroup_size(256, 1, 1)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let row = (group.y * groups.x + group.x) * WORKGROUP + local;
    if row >= info.x {
        return;
    }
    var delta = 0.0;
    for (var d = row * HEAD; d < (row + 1u) * HEAD; d++) {
        delta += dot(vec4<f32>(dy[d]), y[d]);
    }
    stats[row] = vec2<f32>(lse[row], delta);
}
