// Rotates the pairs of channels of x [B, T, H, D] by the angles of each position: (a, b) becomes
// (a cos - b sin, b cos + a sin). With DIRECTION -1 it rotates back, which is the backward pass. One invocation a pair.

alias Real = f32;  // that tensors are stored in

struct Info {
    pairs: u32,      // of x: B T H D / 2
    heads: u32,      // H
    half: u32,       // D / 2
    positions: u32,  // rows of the tables: T, or B T where sequences have positions of their own
}

@group(0) @binding(0) var<storage, read_write> x: array<Real>;
@group(0) @binding(1) var<storage, read_write> cosines: array<f32>;  // [positions, D / 2]
@group(0) @binding(2) var<storage, read_write> sines: array<f32>;    // [positions, D / 2]
@group(0) @binding(3) var<storage, read_write> y: array<Real>;
@group(0) @binding(4) var<uniform> info: Info;

const WORKGROUP: u32 = 256u;
const INTERLEAVED: bool = false;  // whether neighbours are a pair, or channels D / 2 apart
const DIRECTION: f32 = 1.0;

@compute @workgroup_size(256, 1, 1)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let pair = (group.y * groups.x + group.x) * WORKGROUP + local;
    if pair >= info.pairs {
        return;
    }
    let channel = pair % info.half;
    let head = pair / info.half;
    var first = head * 2u * info.half + channel;
    var second = first + info.half;
    if INTERLEAVED {
        first = 2u * pair;
        second = first + 1u;
    }
    let at = (head / info.heads % info.positions) * info.half + channel;
    let cosine = cosines[at];
    let sine = DIRECTION * sines[at];
    let a = f32(x[first]);
    let b = f32(x[second]);
    y[first] = Real(a * cosine - b * sine);
    y[second] = Real(b * cosine + a * sine);
}
