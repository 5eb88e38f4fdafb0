// The gradient of the queries, a tile of keys at a time (arXiv 2307.08691, algorithm 2): with p = exp(score - lse) and
// ds = p (dy v^T - delta), dq = scale ds k.

@group(0) @binding(0) var<storage, read> q: array<vec4<Real>>;        // [B, T, H, D]
@group(0) @binding(1) var<storage, read> k: array<vec4<Real>>;        // [B, S, K, D]
@group(0) @binding(2) var<storage, read> v: array<vec4<Real>>;        // [B, S, K, D]
@group(0) @binding(3) var<storage, read> documents: array<i32>;        // [B, S]
@group(0) @binding(4) var<storage, read> dy: array<vec4<Real>>;        // [B, T, H, D]
@group(0) @binding(5) var<storage, read> stats: array<vec2<f32>>;        // [B, T, H]: lse, delta
@group(0) @binding(6) var<storage, read_write> dq: array<vec4<Real>>;  // [B, T, H, D]
@group(0) @binding(7) var<uniform> info: Info;

var<workgroup> of_scores: array<vec4<f32>, ROWS / 4u * COLUMNS>;  // [ROWS / 4, COLUMNS]

fn queries(at: vec4<u32>) -> mat4x4<f32> {
    return mat4x4<f32>(vec4<f32>(q[at.x]), vec4<f32>(q[at.y]), vec4<f32>(q[at.z]), vec4<f32>(q[at.w]));
}

fn of_results(at: vec4<u32>) -> mat4x4<f32> {
    return mat4x4<f32>(vec4<f32>(dy[at.x]), vec4<f32>(dy[at.y]), vec4<f32>(dy[at.z]), vec4<f32>(dy[at.w]));
}

// Of four rows: lse, or delta.
fn stat(at: vec4<u32>, lse: bool) -> vec4<f32> {
    let a = stats[at.x];
    let b = stats[at.y];
    let c = stats[at.z];
    let d = stats[at.w];
    return select(vec4<f32>(a.y, b.y, c.y, d.y), vec4<f32>(a.x, b.x, c.x, d.x), lse);
}

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let tx = local % 8u;
    let ty = local / 8u;
    let tile = ty % 4u * 2u * COLUMNS;  // of eight rows, in of_scores: four, and COLUMNS further on four more
    let has_scores = local < 32u;       // the others have products
    let batch = group.y / info.heads;
    let head = group.y % info.heads;
    let kv_head = head / (info.heads / info.kv_heads);
    let first_row = group.x * ROWS;
    let low = min(first_row + ty % 4u * 8u + FOUR, vec4<u32>(info.queries - 1u));
    let high = min(first_row + ty % 4u * 8u + 4u + FOUR, vec4<u32>(info.queries - 1u));
    let at_low = (batch * info.queries + low) * info.heads + head;
    let at_high = (batch * info.queries + high) * info.heads + head;
    let stat_low = stat(at_low, has_scores);
    let stat_high = stat(at_high, has_scores);
    var own_low = vec4<i32>(0);
    var own_high = vec4<i32>(0);
    if info.documents == 1u {
        own_low = numbers(batch * info.keys + info.start + low);
        own_high = numbers(batch * info.keys + info.start + high);
    }

    var result: array<mat4x4<f32>, CHANNELS>;
    for (var c = 0u; c < CHANNELS; c++) {
        result[c] = mat4x4<f32>();
    }
    let end = min(info.keys, info.start + first_row + ROWS);
    var begin = 0u;
    if info.window > 0u && info.start + first_row + 1u > info.window {
        begin = (info.start + first_row + 1u - info.window) / COLUMNS * COLUMNS;
    }
    for (var first = begin; first < end; first += COLUMNS) {
        var sums_low: array<vec4<f32>, SPAN>;
        var sums_high: array<vec4<f32>, SPAN>;
        var at_k: array<u32, SPAN>;
        for (var j = 0u; j < SPAN; j++) {
            sums_low[j] = vec4<f32>(0.0);
            sums_high[j] = vec4<f32>(0.0);
            at_k[j] = ((batch * info.keys + min(first + tx + 8u * j, info.keys - 1u)) * info.kv_heads + kv_head) * HEAD;
        }
        if has_scores {
            for (var d = 0u; d < HEAD; d++) {
                let queries_low = queries(at_low * HEAD + d);
                let queries_high = queries(at_high * HEAD + d);
                for (var j = 0u; j < SPAN; j++) {
                    let key = vec4<f32>(k[at_k[j] + d]);
                    sums_low[j] += key * queries_low;
                    sums_high[j] += key * queries_high;
                }
            }
        } else {
            for (var d = 0u; d < HEAD; d++) {
                let of_results_low = of_results(at_low * HEAD + d);
                let of_results_high = of_results(at_high * HEAD + d);
                for (var j = 0u; j < SPAN; j++) {
                    let value = vec4<f32>(v[at_k[j] + d]);
                    sums_low[j] += value * of_results_low;
                    sums_high[j] += value * of_results_high;
                }
            }
        }
        workgroupBarrier();
        if has_scores {
            for (var j = 0u; j < SPAN; j++) {
                let key = first + tx + 8u * j;
                var seen_low = sees(info.start + low, vec4<u32>(key), info.window);
                var seen_high = sees(info.start + high, vec4<u32>(key), info.window);
                if info.documents == 1u {
                    let document = vec4<i32>(documents[batch * info.keys + min(key, info.keys - 1u)]);
                    seen_low = seen_low & (document == own_low);
                    seen_high = seen_high & (document == own_high);
                }
                let at = tile + tx + 8u * j;
                let score_low = scored(sums_low[j]);
                let score_high = scored(sums_high[j]);
                of_scores[at] = select(vec4<f32>(0.0), exp(score_low - stat_low), seen_low) * slope(score_low);
                of_scores[at + COLUMNS] = select(vec4<f32>(0.0), exp(score_high - stat_high), seen_high) * slope(score_high);
            }
        }
        workgroupBarrier();
        if !has_scores {
            for (var j = 0u; j < SPAN; j++) {
                let at = tile + tx + 8u * j;
                of_scores[at] *= sums_low[j] - stat_low;
                of_scores[at + COLUMNS] *= sums_high[j] - stat_high;
            }
        }
        workgroupBarrier();
        let columns = min(COLUMNS, end - first);
        for (var n = 0u; n < columns; n++) {
            let of_score = of_scores[ty * COLUMNS + n];
            let at = ((batch * info.keys + first + n) * info.kv_heads + kv_head) * HEAD;
            for (var c = 0u; c < CHANNELS; c++) {
                result[c] += outer(vec4<f32>(k[at + min(tx + 8u * c, HEAD - 1u)]), of_score);
            }
        }
    }

    for (var i = 0u; i < 4u; i++) {
        let row = first_row + 4u * ty + i;
        if row < info.queries {
            let at = ((batch * info.queries + row) * info.heads + head) * HEAD;
            for (var c = 0u; c < CHANNELS; c++) {
                if tx + 8u * c < HEAD {
                    dq[at + tx + 8u * c] = vec4<Real>(result[c][i] * info.scale);
                }
            }
        }
    }
}
