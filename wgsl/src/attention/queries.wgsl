// The gradient of the queries, a tile of keys at a time (arXiv 2307.08691, algorithm 2): with p = exp(score - lse) and
// ds = p (dy v^T - delta), dq = scale ds k.

@group(0) @binding(0) var<storage, read_write> q: array<vec4<Real>>;  // [B, T, H, D]
@group(0) @binding(1) var<storage, read_write> k: array<vec4<Real>>;  // [B, S, K, D]
@group(0) @binding(2) var<storage, read_write> v: array<vec4<Real>>;  // [B, S, K, D]
@group(0) @binding(3) var<storage, read_write> documents: array<i32>;  // [B, S]
@group(0) @binding(4) var<storage, read_write> dy: array<vec4<Real>>;  // [B, T, H, D]
@group(0) @binding(5) var<storage, read_write> stats: array<vec2<f32>>;  // [B, T, H]: lse, delta
@group(0) @binding(6) var<storage, read_write> dq: array<vec4<Real>>;  // [B, T, H, D]
@group(0) @binding(7) var<uniform> info: Info;

var<workgroup> of_scores: array<vec4<f32>, 512>;  // [ROWS / 4, COLUMNS]

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let tx = local % 8u;
    let ty = local / 8u;
    let batch = group.y / info.heads;
    let head = group.y % info.heads;
    let kv_head = head / (info.heads / info.kv_heads);
    let first_row = group.x * ROWS;
    let rows = min(first_row + 4u * ty + FOUR, vec4<u32>(info.queries - 1u));
    let at_row = (batch * info.queries + rows) * info.heads + head;
    let at_q = at_row * HEAD;
    let positions = info.start + rows;
    var own = vec4<i32>(0);
    if DOCUMENTS {
        let at = batch * info.keys + positions;
        own = vec4<i32>(documents[at.x], documents[at.y], documents[at.z], documents[at.w]);
    }
    let stats0 = stats[at_row.x];
    let stats1 = stats[at_row.y];
    let stats2 = stats[at_row.z];
    let stats3 = stats[at_row.w];
    let lse = vec4<f32>(stats0.x, stats1.x, stats2.x, stats3.x);
    let delta = vec4<f32>(stats0.y, stats1.y, stats2.y, stats3.y);

    var result: array<array<vec4<f32>, 4>, CHANNELS>;
    for (var c = 0u; c < CHANNELS; c++) {
        for (var i = 0u; i < 4u; i++) {
            result[c][i] = vec4<f32>(0.0);
        }
    }
    let end = min(info.keys, info.start + first_row + ROWS);
    var begin = 0u;
    if info.window > 0u && info.start + first_row + 1u > info.window {
        begin = (info.start + first_row + 1u - info.window) / COLUMNS * COLUMNS;
    }
    for (var first = begin; first < end; first += COLUMNS) {
        var scores: array<vec4<f32>, 8>;
        var products: array<vec4<f32>, 8>;
        var at_k: array<u32, 8>;
        for (var j = 0u; j < 8u; j++) {
            scores[j] = vec4<f32>(0.0);
            products[j] = vec4<f32>(0.0);
            at_k[j] = ((batch * info.keys + min(first + tx + 8u * j, info.keys - 1u)) * info.kv_heads + kv_head) * HEAD;
        }
        for (var d = 0u; d < HEAD; d++) {
            let q0 = vec4<f32>(q[at_q.x + d]);
            let q1 = vec4<f32>(q[at_q.y + d]);
            let q2 = vec4<f32>(q[at_q.z + d]);
            let q3 = vec4<f32>(q[at_q.w + d]);
            let dy0 = vec4<f32>(dy[at_q.x + d]);
            let dy1 = vec4<f32>(dy[at_q.y + d]);
            let dy2 = vec4<f32>(dy[at_q.z + d]);
            let dy3 = vec4<f32>(dy[at_q.w + d]);
            for (var j = 0u; j < 8u; j++) {
                let key = vec4<f32>(k[at_k[j] + d]);
                let value = vec4<f32>(v[at_k[j] + d]);
                scores[j] += vec4<f32>(dot(q0, key), dot(q1, key), dot(q2, key), dot(q3, key));
                products[j] += vec4<f32>(dot(dy0, value), dot(dy1, value), dot(dy2, value), dot(dy3, value));
            }
        }
        workgroupBarrier();
        for (var j = 0u; j < 8u; j++) {
            let key = first + tx + 8u * j;
            var seen = sees(positions, vec4<u32>(key), info.window);
            if DOCUMENTS {
                seen = seen & (vec4<i32>(documents[batch * info.keys + min(key, info.keys - 1u)]) == own);
            }
            var score = scores[j] * info.scale;
            var slope = vec4<f32>(1.0);
            if SOFTCAP {
                score = capped(score, info.softcap);
                slope -= (score / info.softcap) * (score / info.softcap);
            }
            let weight = select(vec4<f32>(0.0), exp(score - lse), seen);
            of_scores[ty * COLUMNS + tx + 8u * j] = weight * (products[j] - delta) * slope;
        }
        workgroupBarrier();
        for (var n = 0u; n < min(COLUMNS, end - first); n++) {
            let of_score = of_scores[ty * COLUMNS + n];
            let at = ((batch * info.keys + first + n) * info.kv_heads + kv_head) * HEAD;
            for (var c = 0u; c < CHANNELS; c++) {
                let key = vec4<f32>(k[at + min(tx + 8u * c, HEAD - 1u)]);
                result[c][0] += of_score.x * key;
                result[c][1] += of_score.y * key;
                result[c][2] += of_score.z * key;
                result[c][3] += of_score.w * key;
            }
        }
    }

    for (var i = 0u; i < 4u; i++) {
        if first_row + 4u * ty + i < info.queries {
            for (var c = 0u; c < CHANNELS; c++) {
                if tx + 8u * c < HEAD {
                    dq[at_q[i] + tx + 8u * c] = vec4<Real>(result[c][i] * info.scale);
                }
            }
        }
    }
}
