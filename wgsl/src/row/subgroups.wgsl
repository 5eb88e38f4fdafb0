// A workgroup for each row, and what its invocations find together: each subgroup by itself first, which takes no barrier.

const WORKGROUP: u32 = 64u;

struct Place {
    local: u32,      // of WORKGROUP
    lane: u32,       // of the subgroup
    subgroup: u32,   // of `subgroups`
    subgroups: u32,
}

var<workgroup> found: array<vec2<f32>, WORKGROUP>;

fn total(place: Place, value: vec2<f32>) -> vec2<f32> {
    let own = subgroupAdd(value);
    workgroupBarrier();
    if place.lane == 0u {
        found[place.subgroup] = own;
    }
    workgroupBarrier();
    var all = found[0];
    for (var i = 1u; i < place.subgroups; i++) {
        all += found[i];
    }
    return all;
}

fn largest(place: Place, value: f32) -> f32 {
    let own = subgroupMax(value);
    workgroupBarrier();
    if place.lane == 0u {
        found[place.subgroup].x = own;
    }
    workgroupBarrier();
    var all = found[0].x;
    for (var i = 1u; i < place.subgroups; i++) {
        all = max(all, found[i].x);
    }
    return all;
}

@compute @workgroup_size(WORKGROUP, 1, 1)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
    @builtin(subgroup_invocation_id) lane: u32,
    @builtin(subgroup_id) subgroup: u32,
    @builtin(num_subgroups) subgroups: u32,
) {
    let row = group.y * groups.x + group.x;
    if row < info.rows {
        process(row, Place(local, lane, subgroup, subgroups));
    }
}
