// One update of AdamW (Loshchilov and Hutter 2019, arXiv 1711.05101, algorithm 2), in place. One invocation an element.

struct Info {
    count: u32,
    learning_rate: f32,
    beta1: f32,
    beta2: f32,
    eps: f32,
    decayed: f32,      // 1 - learning rate * weight decay
    correction1: f32,  // 1 - beta1^t
    correction2: f32,  // 1 - beta2^t
}

@group(0) @binding(0) var<storage, read_write> parameter: array<f32>;
@group(0) @binding(1) var<storage, read_write> first: array<f32>;
@group(0) @binding(2) var<storage, read_write> second: array<f32>;
@group(0) @binding(3) var<storage, read_write> gradient: array<f32>;
@group(0) @binding(4) var<storage, read_write> scalars: array<f32>;  // what gradients are multiplied by; 1 or 0: whether to update
@group(0) @binding(5) var<uniform> info: Info;

const WORKGROUP: u32 = 256u;

@compute @workgroup_size(256, 1, 1)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = (group.y * groups.x + group.x) * WORKGROUP + local;
    if i >= info.count || scalars[1] < 0.5 {
        return;
    }
    let g = gradient[i] * scalars[0];
    let m = info.beta1 * first[i] + (1.0 - info.beta1) * g;
    let v = info.beta2 * second[i] + (1.0 - info.beta2) * g * g;
    first[i] = m;
    second[i] = v;
    let direction = m / info.correction1 / (sqrt(v / info.correction2) + info.eps);
    parameter[i] = info.decayed * parameter[i] - info.learning_rate * direction;
}
