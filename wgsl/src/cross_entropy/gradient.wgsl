// The gradient of the loss by the logits [n, columns]: (weight * exp(logit - lse) - scale * [target]), times the soft-cap's
// slope. One invocation an element.

alias Real = f32;  // that tensors are stored in

struct Info {
    rows: u32,
    columns: u32,
    first: u32,    // id of the first column
    softcap: f32,
    scale: f32,
    padding: u32,
}

@group(0) @binding(0) var<storage, read> logits: array<Real>;           // [rows, columns]
@group(0) @binding(1) var<storage, read> targets: array<i32>;          // [rows]
@group(0) @binding(2) var<storage, read> lse: array<f32>;              // [rows]: logsumexp
@group(0) @binding(3) var<storage, read> weights: array<f32>;          // [rows]; 0 where the target does not count
@group(0) @binding(4) var<storage, read_write> gradients: array<Real>;  // [rows, columns]
@group(0) @binding(5) var<uniform> info: Info;

const WORKGROUP: u32 = 256u;
const SOFTCAP: bool = true;

@compute @workgroup_size(256, 1, 1)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = (group.y * groups.x + group.x) * WORKGROUP + local;
    if i >= info.rows * info.columns {
        return;
    }
    let row = i / info.columns;
    var logit = f32(logits[i]);
    var slope = 1.0;
    if SOFTCAP {
        let bent = tanh(clamp(logit / info.softcap, -15.0, 15.0));
        logit = info.softcap * bent;
        slope = 1.0 - bent * bent;
    }
    var gradient = weights[row] * exp(logit - lse[row]);
    if i32(i % info.columns + info.first) == targets[row] {
        gradient -= info.scale;
    }
    gradients[i] = Real(gradient * slope);
}
