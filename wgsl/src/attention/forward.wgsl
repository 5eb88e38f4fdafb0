// Attention, online: y = softmax(mask(scale q k^T)) v, a tile of keys at a time, so that no [T, S] is ever in memory
// (Dao 2023, arXiv 2307.08691, algorithm 1). Also the log-sum-exp of each row of scores, for the backward passes.

@group(0) @binding(0) var<storage, read> q: array<vec4<Real>>;        // [B, T, H, D]
@group(0) @binding(1) var<storage, read> k: array<vec4<Real>>;        // [B, S, K, D]
@group(0) @binding(2) var<storage, read> v: array<vec4<Real>>;        // [B, S, K, D]
@group(0) @binding(3) var<storage, read> documents: array<i32>;        // [B, S]
@group(0) @binding(4) var<storage, read_write> y: array<vec4<f32>>;  // [B, T, H, D]
@group(0) @binding(5) var<storage, read_write> lse: array<f32>;  // [B, T, H]
@group(0) @binding(6) var<uniform> info: Info;

var<workgroup> weights: array<vec4<f32>, ROWS / 4u * COLUMNS>;  // [ROWS / 4, COLUMNS]
var<workgroup> partial: array<vec4<f32>, 64>;   // [ROWS / 4, 8]

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let tx = local % 8u;
    let ty = local / 8u;
    let batch = group.y / info.heads;
    let head = group.y % info.heads;
    let kv_head = head / (info.heads / info.kv_heads);
    let first_row = group.x * ROWS;
    // Rows beyond the end are the last one again, and are not written.
    let rows = min(first_row + 4u * ty + FOUR, vec4<u32>(info.queries - 1u));
    let at_q = ((batch * info.queries + rows) * info.heads + head) * HEAD;
    let positions = info.start + rows;
    var own = vec4<i32>(0);
    if info.documents == 1u {
        let at = batch * info.keys + positions;
        own = vec4<i32>(documents[at.x], documents[at.y], documents[at.z], documents[at.w]);
    }

    var maximum = vec4<f32>(MASKED);
    var total = vec4<f32>(0.0);
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
        var scores: array<vec4<f32>, SPAN>;
        var at_k: array<u32, SPAN>;
        for (var j = 0u; j < SPAN; j++) {
            scores[j] = vec4<f32>(0.0);
            at_k[j] = ((batch * info.keys + min(first + tx + 8u * j, info.keys - 1u)) * info.kv_heads + kv_head) * HEAD;
        }
        for (var d = 0u; d < HEAD; d++) {
            let q0 = vec4<f32>(q[at_q.x + d]);
            let q1 = vec4<f32>(q[at_q.y + d]);
            let q2 = vec4<f32>(q[at_q.z + d]);
            let q3 = vec4<f32>(q[at_q.w + d]);
            for (var j = 0u; j < SPAN; j++) {
                let key = vec4<f32>(k[at_k[j] + d]);
                scores[j] += vec4<f32>(dot(q0, key), dot(q1, key), dot(q2, key), dot(q3, key));
            }
        }
        var tile_maximum = vec4<f32>(MASKED);
        for (var j = 0u; j < SPAN; j++) {
            let key = first + tx + 8u * j;
            var seen = sees(positions, vec4<u32>(key), info.window);
            if info.documents == 1u {
                seen = seen & (vec4<i32>(documents[batch * info.keys + min(key, info.keys - 1u)]) == own);
            }
            var score = scores[j] * info.scale;
            if SOFTCAP {
                score = capped(score, info.softcap);
            }
            scores[j] = select(vec4<f32>(MASKED), score, seen);
            tile_maximum = max(tile_maximum, scores[j]);
        }
        partial[local] = tile_maximum;
        workgroupBarrier();
        for (var i = 0u; i < 8u; i++) {
            tile_maximum = max(tile_maximum, partial[ty * 8u + i]);
        }
        let new_maximum = max(maximum, tile_maximum);
        let shrink = exp(maximum - new_maximum);
        maximum = new_maximum;
        total *= shrink;
        for (var j = 0u; j < SPAN; j++) {
            // Where a row has seen nothing yet, its maximum is the masked score itself.
            let weight = select(exp(scores[j] - maximum), vec4<f32>(0.0), scores[j] == vec4<f32>(MASKED));
            total += weight;
            weights[ty * COLUMNS + tx + 8u * j] = weight;
        }
        for (var c = 0u; c < CHANNELS; c++) {
            result[c][0] *= shrink.x;
            result[c][1] *= shrink.y;
            result[c][2] *= shrink.z;
            result[c][3] *= shrink.w;
        }
        workgroupBarrier();
        for (var n = 0u; n < min(COLUMNS, end - first); n++) {
            let weight = weights[ty * COLUMNS + n];
            let at_v = ((batch * info.keys + first + n) * info.kv_heads + kv_head) * HEAD;
            for (var c = 0u; c < CHANNELS; c++) {
                let value = vec4<f32>(v[at_v + min(tx + 8u * c, HEAD - 1u)]);
                result[c][0] += weight.x * value;
                result[c][1] += weight.y * value;
                result[c][2] += weight.z * value;
                result[c][3] += weight.w * value;
            }
        }
    }

    workgroupBarrier();
    partial[local] = total;
    workgroupBarrier();
    total = vec4<f32>(0.0);
    for (var i = 0u; i < 8u; i++) {
        total += partial[ty * 8u + i];
    }
    let log_total = maximum + log(total);
    for (var i = 0u; i < 4u; i++) {
        let row = first_row + 4u * ty + i;
        if row < info.queries {
            for (var c = 0u; c < CHANNELS; c++) {
                if tx + 8u * c < HEAD {
                    y[at_q[i] + tx + 8u * c] = result[c][i] / total[i];
                }
            }
            if tx == 0u {
                lse[(batch * info.queries + row) * info.heads + head] = log_total[i];
            }
        }
    }
}
