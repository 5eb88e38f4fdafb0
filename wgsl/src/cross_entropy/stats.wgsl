// Of each row of logits [n, columns]: the largest, the sum of exp(logit - largest), and the target's (0 if it is not among
// these columns). Each invocation goes over its columns once, online (Milakov and Gimelshein 2018, arXiv 1805.02867).

alias Real = f32;  // that tensors are stored in

struct Info {
    rows: u32,
    columns: u32,
    first: u32,    // id of the first column
    softcap: f32,
}

@group(0) @binding(0) var<storage, read> logits: array<Real>;         // [rows, columns]
@group(0) @binding(1) var<storage, read> targets: array<i32>;        // [rows]
@group(0) @binding(2) var<storage, read_write> stats: array<f32>;    // [rows, 3]
@group(0) @binding(3) var<uniform> info: Info;

const SOFTCAP: bool = true;  // whether logits become softcap * tanh(logit / softcap)
const LOWEST: f32 = -1e30;

fn capped(logit: f32) -> f32 {
    if SOFTCAP {
        return info.softcap * tanh(clamp(logit / info.softcap, -15.0, 15.0));
    }
    return logit;
}

fn process(row: u32, place: Place) {
    var own_largest = LOWEST;
    var own_total = 0.0;
    for (var column = place.local; column < info.columns; column += WORKGROUP) {
        let logit = capped(f32(logits[row * info.columns + column]));
        let new_largest = max(own_largest, logit);
        own_total = own_total * exp(own_largest - new_largest) + exp(logit - new_largest);
        own_largest = new_largest;
    }
    let of_row = largest(place, own_largest);
    let all = total(place, vec2<f32>(own_total * exp(own_largest - of_row), 0.0)).x;
    if place.local == 0u {
        let column = targets[row] - i32(info.first);
        var of_target = 0.0;
        if column >= 0 && column < i32(info.columns) {
            of_target = capped(f32(logits[row * info.columns + u32(column)]));
        }
        stats[3u * row] = of_row;
        stats[3u * row + 1u] = all;
        stats[3u * row + 2u] = of_target;
    }
}
