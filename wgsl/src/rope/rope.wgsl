// Rotates the pairs of channels of q [B, T, H, D] and k [B, T, K, D] by the angles of each position: (a, b) becomes
// (a cos - b sin, b cos + a sin). With DIRECTION -1 it rotates back, which is the backward pass. One invocation a pair.

alias Real = f32;  // that tensors are stored in

struct Info {
    q_pairs: u32,    // of q: B T H D / 2
    k_pairs: u32,    // of k: B T K D / 2
    q_heads: u32,    // H
    k_heads: u32,    // K
    half: u32,       // D / 2
    positions: u32,  // rows of the tables: T, or B T where sequences have positions of their own
}

@group(0) @binding(0) var<storage, read> q: array<Real>;
@group(0) @binding(1) var<storage, read> k: array<Real>;
@group(0) @binding(2) var<storage, read> cosines: array<f32>;        // [positions, D / 2]
@group(0) @binding(3) var<storage, read> sines: array<f32>;          // [positions, D / 2]
@group(0) @binding(4) var<storage, read_write> turned_q: array<Real>;
@group(0) @binding(5) var<storage, read_write> turned_k: array<Real>;
@group(0) @binding(6) var<uniform> info: Info;

const WORKGROUP: u32 = 256u;
const INTERLEAVED: bool = false;  // whether neighbours are a pair, or channels D / 2 apart
const DIRECTION: f32 = 1.0;

@compute @workgroup_size(256, 1, 1)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let invocation = (group.y * groups.x + group.x) * WORKGROUP + local;
    if invocation >= info.q_pairs + info.k_pairs {
        return;
    }
    let of_q = invocation < info.q_pairs;
    let pair = select(invocation - info.q_pairs, invocation, of_q);
    let channel = pair % info.half;
    let head = pair / info.half;
    var first = head * 2u * info.half + channel;
    var second = first + info.half;
    if INTERLEAVED {
        first = 2u * pair;
        second = first + 1u;
    }
    let position = head / select(info.k_heads, info.q_heads, of_q) % info.positions;
    let cosine = cosines[position * info.half + channel];
    let sine = DIRECTION * sines[position * info.half + channel];
    if of_q {
        let a = f32(q[first]);
        let b = f32(q[second]);
        turned_q[first] = Real(a * cosine - b * sine);
        turned_q[second] = Real(b * cosine + a * sine);
    } else {
        let a = f32(k[first]);
        let b = f32(k[second]);
        turned_k[first] = Real(a * cosine - b * sine);
        turned_k[second] = Real(b * cosine + a * sine);
    }
}
