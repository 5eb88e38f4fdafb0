// The gradients of keys and values, a tile of queries at a time (arXiv 2307.08691, algorithm 2): with p = exp(score - lse)
// and ds = p (dy v^T - delta), dv = p^T dy and dk = scale ds^T q. The heads that share a key follow one another in the
// same workgroup, so nothing is summed with atomics.

@group(0) @binding(0) var<storage, read> q: array<vec4<Real>>;        // [B, T, H, D]
@group(0) @binding(1) var<storage, read> k: array<vec4<Real>>;        // [B, S, K, D]
@group(0) @binding(2) var<storage, read> v: array<vec4<Real>>;        // [B, S, K, D]
@group(0) @binding(3) var<storage, read> documents: array<i32>;        // [B, S]
@group(0) @binding(4) var<storage, read> dy: array<vec4<Real>>;        // [B, T, H, D]
@group(0) @binding(5) var<storage, read> stats: array<vec2<f32>>;        // [B, T, H]: lse, delta
@group(0) @binding(6) var<storage, read_write> dk: array<vec4<Real>>;  // [B, S, K, D]
@group(0) @binding(7) var<storage, read_write> dv: array<vec4<Real>>;  // [B, S, K, D]
@group(0) @binding(8) var<uniform> info: Info;

var<workgroup> weights: array<vec4<f32>, ROWS / 4u * COLUMNS>;    // [ROWS / 4, COLUMNS]
var<workgroup> of_scores: array<vec4<f32>, ROWS / 4u * COLUMNS>;  // [ROWS / 4, COLUMNS]

fn keys(at: vec4<u32>) -> mat4x4<f32> {
    return mat4x4<f32>(vec4<f32>(k[at.x]), vec4<f32>(k[at.y]), vec4<f32>(k[at.z]), vec4<f32>(k[at.w]));
}

fn values(at: vec4<u32>) -> mat4x4<f32> {
    return mat4x4<f32>(vec4<f32>(v[at.x]), vec4<f32>(v[at.y]), vec4<f32>(v[at.z]), vec4<f32>(v[at.w]));
}

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let tx = local % 8u;
    let tile = local / 8u % 4u * 2u * COLUMNS;  // of eight rows, in the arrays above: four, and COLUMNS further on four more
    let of_values = local < 32u;                // has scores and dv; the others have products and dk
    let batch = group.y / info.kv_heads;
    let kv_head = group.y % info.kv_heads;
    let sharing = info.heads / info.kv_heads;
    let first_row = group.x * ROWS;
    let own_row = first_row + local / 8u % 4u * 8u;
    let low = min(own_row + FOUR, vec4<u32>(info.keys - 1u));
    let high = min(own_row + 4u + FOUR, vec4<u32>(info.keys - 1u));
    let at_low = ((batch * info.keys + low) * info.kv_heads + kv_head) * HEAD;
    let at_high = ((batch * info.keys + high) * info.kv_heads + kv_head) * HEAD;
    var own_low = vec4<i32>(0);
    var own_high = vec4<i32>(0);
    if info.documents == 1u {
        own_low = numbers(batch * info.keys + low);
        own_high = numbers(batch * info.keys + high);
    }

    var result_low: array<mat4x4<f32>, CHANNELS>;
    var result_high: array<mat4x4<f32>, CHANNELS>;
    for (var c = 0u; c < CHANNELS; c++) {
        result_low[c] = mat4x4<f32>();
        result_high[c] = mat4x4<f32>();
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
            var sums_low: array<vec4<f32>, SPAN>;
            var sums_high: array<vec4<f32>, SPAN>;
            var at_q: array<u32, SPAN>;
            for (var j = 0u; j < SPAN; j++) {
                sums_low[j] = vec4<f32>(0.0);
                sums_high[j] = vec4<f32>(0.0);
                at_q[j] = (batch * info.queries + min(first + tx + 8u * j, info.queries - 1u)) * info.heads + head;
            }
            if of_values {
                for (var d = 0u; d < HEAD; d++) {
                    let keys_low = keys(at_low + d);
                    let keys_high = keys(at_high + d);
                    for (var j = 0u; j < SPAN; j++) {
                        let query = vec4<f32>(q[at_q[j] * HEAD + d]);
                        sums_low[j] += query * keys_low;
                        sums_high[j] += query * keys_high;
                    }
                }
            } else {
                for (var d = 0u; d < HEAD; d++) {
                    let values_low = values(at_low + d);
                    let values_high = values(at_high + d);
                    for (var j = 0u; j < SPAN; j++) {
                        let of_result = vec4<f32>(dy[at_q[j] * HEAD + d]);
                        sums_low[j] += of_result * values_low;
                        sums_high[j] += of_result * values_high;
                    }
                }
            }
            workgroupBarrier();
            if of_values {
                for (var j = 0u; j < SPAN; j++) {
                    let column = first + tx + 8u * j;
                    let position = info.start + min(column, info.queries - 1u);
                    var seen_low = sees(vec4<u32>(position), low, info.window) & vec4<bool>(column < info.queries);
                    var seen_high = sees(vec4<u32>(position), high, info.window) & vec4<bool>(column < info.queries);
                    if info.documents == 1u {
                        let document = vec4<i32>(documents[batch * info.keys + position]);
                        seen_low = seen_low & (document == own_low);
                        seen_high = seen_high & (document == own_high);
                    }
                    let at = tile + tx + 8u * j;
                    let lse = stats[at_q[j]].x;
                    let score_low = scored(sums_low[j]);
                    let score_high = scored(sums_high[j]);
                    weights[at] = select(vec4<f32>(0.0), exp(score_low - lse), seen_low);
                    weights[at + COLUMNS] = select(vec4<f32>(0.0), exp(score_high - lse), seen_high);
                    of_scores[at] = weights[at] * slope(score_low);
                    of_scores[at + COLUMNS] = weights[at + COLUMNS] * slope(score_high);
                }
            }
            workgroupBarrier();
            if !of_values {
                for (var j = 0u; j < SPAN; j++) {
                    let at = tile + tx + 8u * j;
                    let delta = stats[at_q[j]].y;
                    of_scores[at] *= sums_low[j] - delta;
                    of_scores[at + COLUMNS] *= sums_high[j] - delta;
                }
            }
            workgroupBarrier();
            let columns = min(COLUMNS, end - first);
            let rows = ((batch * info.queries + first) * info.heads + head) * HEAD;
            if of_values {
                for (var n = 0u; n < columns; n++) {
                    let weights_low = weights[tile + n];
                    let weights_high = weights[tile + COLUMNS + n];
                    for (var c = 0u; c < CHANNELS; c++) {
                        let of_result = vec4<f32>(dy[rows + n * info.heads * HEAD + min(tx + 8u * c, HEAD - 1u)]);
                        result_low[c] += outer(of_result, weights_low);
                        result_high[c] += outer(of_result, weights_high);
                    }
                }
            } else {
                for (var n = 0u; n < columns; n++) {
                    let of_scores_low = of_scores[tile + n];
                    let of_scores_high = of_scores[tile + COLUMNS + n];
                    for (var c = 0u; c < CHANNELS; c++) {
                        let query = vec4<f32>(q[rows + n * info.heads * HEAD + min(tx + 8u * c, HEAD - 1u)]);
                        result_low[c] += outer(query, of_scores_low);
                        result_high[c] += outer(query, of_scores_high);
                    }
                }
            }
        }
    }

    for (var i = 0u; i < 8u; i++) {
        if own_row + i < info.keys {
            let at = select(at_low[i % 4u], at_high[i % 4u], i >= 4u);
            for (var c = 0u; c < CHANNELS; c++) {
                if tx + 8u * c < HEAD {
                    var result = result_low[c][i % 4u];
                    if i >= 4u {
                        result = result_high[c][i % 4u];
                    }
                    if of_values {
                        dv[at + tx + 8u * c] = vec4<Real>(result);
                    } else {
                        dk[at + tx + 8u * c] = vec4<Real>(result * info.scale);
                    }
                }
            }
        }
    }
}
