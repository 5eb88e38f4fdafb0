// One update of AdamW (Loshchilov and Hutter 2019, arXiv 1711.05101, algorithm 2), in place. One invocation an element.
// The operations are those of the plain reference in its order, so that a parameter in host memory gets the same bits where
// a device rounds as IEEE 754 says.

struct Info {
    count: u32,
    learning_rate: f32,
    share1: f32,       // 1 - beta1
    share2: f32,       // 1 - beta2
    eps: f32,
    decay: f32,        // learning rate * weight decay
    correction1: f32,  // 1 - beta1^t
    correction2: f32,  // 1 - beta2^t
}

@group(0) @binding(0) var<storage, read_write> parameter: array<f32>;
@group(0) @binding(1) var<storage, read_write> first: array<f32>;
@group(0) @binding(2) var<storage, read_write> second: array<f32>;
@group(0) @binding(3) var<storage, read> gradient: array<f32>;
@group(0) @binding(4) var<storage, read> scalars: array<f32>;        // what gradients are multiplied by; 1 or 0: whether to update
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
    let m = first[i] * (1.0 - info.share1) + g * info.share1;
    let v = second[i] * (1.0 - info.share2) + g * g * info.share2;
    first[i] = m;
    second[i] = v;
    let direction = m / info.correction1 / (sqrt(v / info.correction2) + info.eps);
    parameter[i] = parameter[i] * (1.0 - info.decay) - direction * info.learning_rate;
}
