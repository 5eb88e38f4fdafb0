// The gradients of scale and shift, summed over blocks of rows: dgamma = sum(dy n) with n = (x - mean) scale, and
// dbeta = sum(dy). An invocation a channel of a block; what the blocks give is added after.

alias Real = f32;  // that tensors are stored in

struct Info {
    rows: u32,
    width: u32,   // C
    blocks: u32,  // of BLOCK rows
    padding: u32,
}

@group(0) @binding(0) var<storage, read> x: array<Real>;                  // [rows, C]
@group(0) @binding(1) var<storage, read> stats: array<vec2<f32>>;        // [rows]: mean, scale
@group(0) @binding(2) var<storage, read> dy: array<Real>;                 // [rows, C]
@group(0) @binding(3) var<storage, read_write> partial: array<f32>;      // [blocks, 2, C]
@group(0) @binding(4) var<uniform> info: Info;

const WORKGROUP: u32 = 64u;
const BLOCK: u32 = 64u;

@compute @workgroup_size(64, 1, 1)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = (group.y * groups.x + group.x) * WORKGROUP + local;
    if i >= info.blocks * info.width {
        return;
    }
    let block = i / info.width;
    let c = i % info.width;
    var of_gamma = 0.0;
    var of_beta = 0.0;
    for (var row = block * BLOCK; row < min((block + 1u) * BLOCK, info.rows); row++) {
        let stat = stats[row];
        let gradient = f32(dy[row * info.width + c]);
        of_gamma += gradient * (f32(x[row * info.width + c]) - stat.x) * stat.y;
        of_beta += gradient;
    }
    partial[2u * block * info.width + c] = of_gamma;
    partial[(2u * block + 1u) * info.width + c] = of_beta;
}
