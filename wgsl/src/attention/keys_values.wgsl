// The gradients of keys and values, a tile of queries at a time (arXiv 2307.08691, algorithm 2): with p = exp(score - lse)
// and ds = p (dy v^T - delta), dv = p^T dy and dk = scale ds^T q. The heads that share a key follow one another in the
// same workgroup, so nothing is summed with atomics.

@group(0) @binding(0) var<storage, read_write> q: array<vec4<Real>>;  // [B, T, H, D]
@group(0) @binding(1) var<storage, read_write> k: array<vec4<Real>>;  // [B, S, K, D]
@group(0) @binding(2) var<storage, read_write> v: array<vec4<Real>>;  // [B, S, K, D]
@group(0) @binding(3) var<storage, read_write> documents: array<i32>;  // [B, S]
@group(0) @binding(4) var<storage, read_write> dy: array<vec4<Real>>;  // [B, T, H, D]
@group(0) @binding(5) var<storage, read_write> stats: array<vec2<f32>>;  // [B, T, H]: lse, delta
@group(0) @binding(6) var<storage, read_write> dk: array<vec4<Real>>;  // [B, S, K, D]
@group(0) @binding(7) var<storage, read_write> dv: array<vec4<Real>>;  // [B, S, K, D]
@group(0) @binding(8) var<uniform> info: Info;

var<workgroup> weights: array<vec4<f32>, 512>;    // [ROWS / 4, COLUMNS]
var<workgroup> of_scores: array<vec4<f32>, 512>;  // [ROWS / 4, COLUMNS]

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let tx = local % 8u;
    let ty = local / 8u;
    let batch = group.y / info.kv_heads;
    let kv_head = group.y % info.kv_heads;
    let sharing = info.heads / info.kv_heads;
    let first_row = group.x * ROWS;
    let rows = min(first_row + 4u * ty + FOUR, vec4<u32>(info.keys - 1u));
    let at_k = ((batch * info.keys + rows) * info.kv_heads + kv_head) * HEAD;
    var own = vec4<i32>(0);
    if DOCUMENTS {
        let at = batch * info.keys + rows;
        own = vec4<i32>(documents[at.x], documents[at.y], documents[at.z], documents[at.w]);
    }

    var of_key: array<array<vec4<f32>, 4>, CHANNELS>;
    var of_value: array<array<vec4<f32>, 4>, CHANNELS>;
    for (var c = 0u; c < CHANNELS; c++) {
        for (var i = 0u; i < 4u; i++) {
            of_key[c][i] = vec4<f32>(0.0);
            of_value[c][i] = vec4<f32>(0.0);
        }
    }
    // The queries that see one of these keys.
    var begin = 0u;
    if first_row > info.start {
        begin = (first_row - info.start) / COLUMNS * COLUMNS;
    }
    var end = info.queries;
    if info.window > 0u {
        end = min(end, max(first_row + ROWS - 1u + info.window, info.start) - info.start);
    }
    for (var shared_by = 0u; shared_by < sharing; shared_by++) {
        let head = kv_head * sharing + shared_by;
        for (var first = begin; first < end; first += COLUMNS) {
            var scores: array<vec4<f32>, 8>;
            var products: array<vec4<f32>, 8>;
            var at_q: array<u32, 8>;
            for (var j = 0u; j < 8u; j++) {
                scores[j] = vec4<f32>(0.0);
                products[j] = vec4<f32>(0.0);
                at_q[j] = (batch * info.queries + min(first + tx + 8u * j, info.queries - 1u)) * info.heads + head;
            }
            for (var d = 0u; d < HEAD; d++) {
                let k0 = vec4<f32>(k[at_k.x + d]);
                let k1 = vec4<f32>(k[at_k.y + d]);
                let k2 = vec4<f32>(k[at_k.z + d]);
                let k3 = vec4<f32>(k[at_k.w + d]);
                let v0 = vec4<f32>(v[at_k.x + d]);
                let v1 = vec4<f32>(v[at_k.y + d]);
                let v2 = vec4<f32>(v[at_k.z + d]);
                let v3 = vec4<f32>(v[at_k.w + d]);
                for (var j = 0u; j < 8u; j++) {
                    let query = vec4<f32>(q[at_q[j] * HEAD + d]);
                    let of_result = vec4<f32>(dy[at_q[j] * HEAD + d]);
                    scores[j] += vec4<f32>(dot(k0, query), dot(k1, query), dot(k2, query), dot(k3, query));
                    products[j] +=
                        vec4<f32>(dot(v0, of_result), dot(v1, of_result), dot(v2, of_result), dot(v3, of_result));
                }
            }
            workgroupBarrier();
            for (var j = 0u; j < 8u; j++) {
                let column = first + tx + 8u * j;
                let position = info.start + min(column, info.queries - 1u);
                var seen = sees(vec4<u32>(position), rows, info.window) & vec4<bool>(column < info.queries);
                if DOCUMENTS {
                    seen = seen & (vec4<i32>(documents[batch * info.keys + position]) == own);
                }
                let stat = stats[at_q[j]];
                var score = scores[j] * info.scale;
                var slope = vec4<f32>(1.0);
                if SOFTCAP {
                    score = capped(score, info.softcap);
                    slope -= (score / info.softcap) * (score / info.softcap);
                }
                let weight = select(vec4<f32>(0.0), exp(score - stat.x), seen);
                weights[ty * COLUMNS + tx + 8u * j] = weight;
                of_scores[ty * COLUMNS + tx + 8u * j] = weight * (products[j] - stat.y) * slope;
            }
            workgroupBarrier();
            for (var n = 0u; n < min(COLUMNS, end - first); n++) {
                let weight = weights[ty * COLUMNS + n];
                let of_score = of_scores[ty * COLUMNS + n];
                let at = ((batch * info.queries + first + n) * info.heads + head) * HEAD;
                for (var c = 0u; c < CHANNELS; c++) {
                    let of_result = vec4<f32>(dy[at + min(tx + 8u * c, HEAD - 1u)]);
                    let query = vec4<f32>(q[at + min(tx + 8u * c, HEAD - 1u)]);
                    of_value[c][0] += weight.x * of_result;
                    of_value[c][1] += weight.y * of_result;
                    of_value[c][2] += weight.z * of_result;
                    of_value[c][3] += weight.w * of_result;
                    of_key[c][0] += of_score.x * query;
                    of_key[c][1] += of_score.y * query;
                    of_key[c][2] += of_score.z * query;
                    of_key[c][3] += of_score.w * query;
                }
            }
        }
    }

    for (var i = 0u; i < 4u; i++) {
        if first_row + 4u * ty + i < info.keys {
            for (var c = 0u; c < CHANNELS; c++) {
                if tx + 8u * c < HEAD {
                    dk[at_k[i] + tx + 8u * c] = vec4<Real>(of_key[c][i] * info.scale);
                    dv[at_k[i] + tx + 8u * c] = vec4<Real>(of_value[c][i]);
                }
            }
        }
    }
}
