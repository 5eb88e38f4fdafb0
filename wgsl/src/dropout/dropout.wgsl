// Dropout by counter: y[i] = x[i] * scale where the i-th random word lies under `keep_below`, else 0.
// One invocation handles the pair (2p, 2p + 1), because one Threefry call yields two words.
// The mask is a function of (key, i) alone, so the backward pass is this same kernel run on the gradient.

alias Real = f32;  // that tensors are stored in

struct Info {
    count: u32,       // elements of x
    key_0: u32,
    key_1: u32,
    keep_below: u32,  // keep probability * 2^32
    scale: u32,       // bits of 1 / keep probability
    padding: u32,
}

@group(0) @binding(0) var<storage, read> x: array<Real>;
@group(0) @binding(1) var<storage, read_write> y: array<Real>;
@group(0) @binding(2) var<uniform> info: Info;

const WORKGROUP: u32 = 256u;

fn rotate_left(value: u32, bits: u32) -> u32 {
    return (value << bits) | (value >> (32u - bits));
}

fn threefry_round(v: vec2<u32>, rotation: u32) -> vec2<u32> {
    let sum = v.x + v.y;
    return vec2<u32>(sum, rotate_left(v.y, rotation) ^ sum);
}

fn threefry2x32(key: vec2<u32>, counter: vec2<u32>) -> vec2<u32> {
    let parity = 0x1BD11BDAu ^ key.x ^ key.y;
    var v = counter + key;
    v = threefry_round(threefry_round(threefry_round(threefry_round(v, 13u), 15u), 26u), 6u);
    v += vec2<u32>(key.y, parity + 1u);
    v = threefry_round(threefry_round(threefry_round(threefry_round(v, 17u), 29u), 16u), 24u);
    v += vec2<u32>(parity, key.x + 2u);
    v = threefry_round(threefry_round(threefry_round(threefry_round(v, 13u), 15u), 26u), 6u);
    v += vec2<u32>(key.x, key.y + 3u);
    v = threefry_round(threefry_round(threefry_round(threefry_round(v, 17u), 29u), 16u), 24u);
    v += vec2<u32>(key.y, parity + 4u);
    v = threefry_round(threefry_round(threefry_round(threefry_round(v, 13u), 15u), 26u), 6u);
    v += vec2<u32>(parity, key.x + 5u);
    return v;
}

@compute @workgroup_size(256, 1, 1)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    // Workgroups are laid out in two dimensions, for one holds at most 65,535.
    let pair = (group.y * groups.x + group.x) * WORKGROUP + local;
    let first = 2u * pair;
    if first >= info.count {
        return;
    }
    let words = threefry2x32(vec2<u32>(info.key_0, info.key_1), vec2<u32>(pair, 0u));
    let scale = bitcast<f32>(info.scale);
    y[first] = Real(select(0.0, f32(x[first]) * scale, words.x < info.keep_below));
    let second = first + 1u;
    if second < info.count {
        y[second] = Real(select(0.0, f32(x[second]) * scale, words.y < info.keep_below));
    }
}
