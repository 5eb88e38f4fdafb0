// A workgroup for each row, and what its invocations find together: with nothing beyond WebGPU's defaults.

const WORKGROUP: u32 = 64u;
const WIDE: u32 = 8u;  // its root

struct Place {
    local: u32,  // of WORKGROUP
}

var<workgroup> found: array<vec2<f32>, WORKGROUP>;

// Two stages of WIDE each: a barrier costs more than a few additions.
fn total(place: Place, value: vec2<f32>) -> vec2<f32> {
    workgroupBarrier();
    found[place.local] = value;
    workgroupBarrier();
    if place.local < WIDE {
        var column = value;
        for (var i = place.local + WIDE; i < WORKGROUP; i += WIDE) {
            column += found[i];
        }
        found[place.local] = column;
    }
    workgroupBarrier();
    var all = found[0];
    for (var i = 1u; i < WIDE; i++) {
        all += found[i];
    }
    return all;
}

fn largest(place: Place, value: f32) -> f32 {
    workgroupBarrier();
    found[place.local].x = value;
    workgroupBarrier();
    if place.local < WIDE {
        var column = value;
        for (var i = place.local + WIDE; i < WORKGROUP; i += WIDE) {
            column = max(column, found[i].x);
        }
        found[place.local].x = column;
    }
    workgroupBarrier();
    var all = found[0].x;
    for (var i = 1u; i < WIDE; i++) {
        all = max(all, found[i].x);
    }
    return all;
}

@compute @workgroup_size(WORKGROUP, 1, 1)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let row = group.y * groups.x + group.x;
    if row < info.rows {
        process(row, Place(local));
    }
}
