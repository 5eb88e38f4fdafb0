// Of each row of logits [n, columns]: the largest, the sum of exp(logit - largest), and the target's (0 if it is not among
// these columns). A workgroup a row; each invocation goes over its columns once, online (Milakov and Gimelshein 2018,
// arXiv 1805.02867).

struct Info {
    rows: u32,
    columns: u32,
    first: u32,    // id of the first column
    softcap: f32,
}

@group(0) @binding(0) var<storage, read_write> logits: array<f32>;   // [rows, columns]
@group(0) @binding(1) var<storage, read_write> targets: array<i32>;  // [rows]
@group(0) @binding(2) var<storage, read_write> stats: array<f32>;    // [rows, 3]
@group(0) @binding(3) var<uniform> info: Info;

const WORKGROUP: u32 = 256u;
const SOFTCAP: bool = true;  // whether logits become softcap * tanh(logit / softcap)
const LOWEST: f32 = -1e30;

var<workgroup> largest: array<f32, WORKGROUP>;
var<workgroup> total: array<f32, WORKGROUP>;

fn capped(logit: f32) -> f32 {
    if SOFTCAP {
        return info.softcap * tanh(clamp(logit / info.softcap, -15.0, 15.0));
    }
    return logit;
}

@compute @workgroup_size(WORKGROUP, 1, 1)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let row = group.y * groups.x + group.x;
    if row >= info.rows {
        return;
    }
    var own_largest = LOWEST;
    var own_total = 0.0;
    for (var column = local; column < info.columns; column += WORKGROUP) {
        let logit = capped(logits[row * info.columns + column]);
        let new_largest = max(own_largest, logit);
        own_total = own_total * exp(own_largest - new_largest) + exp(logit - new_largest);
        own_largest = new_largest;
    }
    largest[local] = own_largest;
    total[local] = own_total;
    workgroupBarrier();
    for (var half = WORKGROUP / 2u; half > 0u; half /= 2u) {
        if local < half {
            let both = max(largest[local], largest[local + half]);
            total[local] =
                total[local] * exp(largest[local] - both) + total[local + half] * exp(largest[local + half] - both);
            largest[local] = both;
        }
        workgroupBarrier();
    }
    if local == 0u {
        let column = targets[row] - i32(info.first);
        var of_target = 0.0;
        if column >= 0 && column < i32(info.columns) {
            of_target = capped(logits[row * info.columns + u32(column)]);
        }
        stats[3u * row] = largest[0];
        stats[3u * row + 1u] = total[0];
        stats[3u * row + 2u] = of_target;
    }
}
