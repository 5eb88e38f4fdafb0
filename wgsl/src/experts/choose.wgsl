// The k experts of each row with the largest scores and biases, the best first; of equal ones the first. An invocation has a row.
// The next best is the largest of those behind the last one in this order, so that nothing need be marked as taken.

alias Real = f32;  // that tensors are stored in

struct Info {
    rows: u32,
    experts: u32,
    k: u32,
    unused: u32,
}

@group(0) @binding(0) var<storage, read> scores: array<Real>;       // [rows, experts]
@group(0) @binding(1) var<storage, read> bias: array<Real>;         // [experts]
@group(0) @binding(2) var<storage, read_write> chosen: array<i32>;  // [rows, k]
@group(0) @binding(3) var<uniform> info: Info;

const LARGEST: f32 = 3.4e38;

@compute @workgroup_size(64, 1, 1)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let row = (group.y * groups.x + group.x) * 64u + local;
    if row >= info.rows {
        return;
    }
    var last = LARGEST;
    var last_expert = -1;
    for (var i = 0u; i < info.k; i++) {
        var most = -LARGEST;
        var best = -1;
        for (var e = 0u; e < info.experts; e++) {
            let score = f32(scores[row * info.experts + e]) + f32(bias[e]);
            let expert = i32(e);
            let is_left = score < last || (score == last && expert > last_expert);
            if is_left && (best < 0 || score > most) {
                most = score;
                best = expert;
            }
        }
        // Scores that are no numbers are behind all others; an expert may then come twice, and the step is left out.
        best = max(best, 0);
        chosen[row * info.k + i] = best;
        last = most;
        last_expert = best;
    }
}
