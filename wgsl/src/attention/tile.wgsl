// What the kernels of attention share: where they are, which keys a query sees, and how scores are made.
//
// A workgroup has 32 rows (queries, or keys) of one head and goes over tiles of at most 64 columns (keys, or queries).
// Invocation (ty, tx) of its 8 x 8 has the rows 4 ty .. 4 ty + 3, one in each component of a vector; of scores the columns tx,
// tx + 8, ..; and of results [rows, D] the vectors of channels tx, tx + 8, ..
//
// The backward passes make two tiles, scores and products dy v^T. Half of their invocations make one and half the other, with
// eight rows each and not four: as many results an invocation, from a third fewer loads.

alias Real = f32;  // that tensors are stored in

struct Info {
    heads: u32,     // H
    kv_heads: u32,  // K
    queries: u32,   // T
    keys: u32,      // S
    start: u32,     // position of the first query; that of the first key is 0
    window: u32,    // keys that a query sees, its own included, fewer than S; 0: all
    scale: f32,
    softcap: f32,
    documents: u32,  // 1: a query sees its own document alone
    unused: u32,
}

const HEAD: u32 = 16u;         // vectors of a head: D / 4
const CHANNELS: u32 = 2u;      // those of one invocation: HEAD / 8, rounded up
const SOFTCAP: bool = true;      // whether scores become softcap * tanh(score / softcap)
const ROWS: u32 = 32u;
const COLUMNS: u32 = 64u;      // a multiple of 8
const SPAN: u32 = COLUMNS / 8u;  // those of one invocation
const MASKED: f32 = -1e30;     // finite, for WGSL does not promise infinities
const FOUR: vec4<u32> = vec4<u32>(0u, 1u, 2u, 3u);

// Beyond 15 the tangent is 1 to the last bit, and some drivers overflow on the way.
fn capped(score: vec4<f32>, cap: f32) -> vec4<f32> {
    return cap * tanh(clamp(score / cap, vec4<f32>(-15.0), vec4<f32>(15.0)));
}

// Of four pairs of positions: whether the query sees the key. The difference wraps where the key is later, and then does not
// count; a sum of key and window would wrap where the window is large.
fn sees(query: vec4<u32>, key: vec4<u32>, window: u32) -> vec4<bool> {
    return (key <= query) & ((query - key < vec4<u32>(window)) | vec4<bool>(window == 0u));
}

// Row i is value * weights[i].
fn outer(value: vec4<f32>, weights: vec4<f32>) -> mat4x4<f32> {
    return mat4x4<f32>(value * weights.x, value * weights.y, value * weights.z, value * weights.w);
}
