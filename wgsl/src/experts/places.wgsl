// From pairs (expert, slot), sorted: the row at each place, the place of each slot, and the first place of each expert. A slot is a
// row at one of its k experts.

struct Info {
    slots: u32,
    experts: u32,
    k: u32,
    unused: u32,
}

@group(0) @binding(0) var<storage, read> pairs: array<vec2<u32>>;   // [padded], those behind the last slot are no one's
@group(0) @binding(1) var<storage, read_write> rows: array<i32>;    // [slots]
@group(0) @binding(2) var<storage, read_write> places: array<i32>;  // [slots]
@group(0) @binding(3) var<storage, read_write> starts: array<i32>;  // [experts + 1]
@group(0) @binding(4) var<uniform> info: Info;

@compute @workgroup_size(64, 1, 1)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let at = (group.y * groups.x + group.x) * 64u + local;
    if at < info.slots {
        let slot = pairs[at].y;
        rows[at] = i32(slot / info.k);
        places[slot] = i32(at);
    }
    if at <= info.experts {
        // The first place whose expert is this one or a later one.
        var low = 0u;
        var high = info.slots;
        while low < high {
            let middle = (low + high) / 2u;
            if pairs[middle].x < at {
                low = middle + 1u;
            } else {
                high = middle;
            }
        }
        starts[at] = i32(low);
    }
}
