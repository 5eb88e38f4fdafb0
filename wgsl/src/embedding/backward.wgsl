// dtable[r] = sum of dy[i] over the positions i whose id is r's, in their order: the same bits every time, and no atomics on
// floats. A workgroup a position; the first position of an id owns its row, the others do nothing. dtable begins as zeros.

struct Info {
    count: u32,    // ids
    width: u32,    // C
    first: i32,    // id of the table's first row
    rows: i32,     // of the table
}

@group(0) @binding(0) var<storage, read_write> ids: array<i32>;     // [count]
@group(0) @binding(1) var<storage, read_write> dy: array<f32>;      // [count, C]
@group(0) @binding(2) var<storage, read_write> dtable: array<f32>;  // [rows, C]
@group(0) @binding(3) var<uniform> info: Info;

const WORKGROUP: u32 = 64u;

var<workgroup> earlier: atomic<u32>;
var<workgroup> same: array<u32, WORKGROUP>;
var<workgroup> any_same: atomic<u32>;

@compute @workgroup_size(64, 1, 1)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let position = group.y * groups.x + group.x;
    if position >= info.count {
        return;
    }
    let id = ids[position];
    let row = id - info.first;
    if row < 0 || row >= info.rows {
        return;
    }
    if local == 0u {
        atomicStore(&earlier, 0u);
    }
    workgroupBarrier();
    for (var i = local; i < position; i += WORKGROUP) {
        if ids[i] == id {
            atomicStore(&earlier, 1u);
        }
    }
    workgroupBarrier();
    if atomicLoad(&earlier) == 1u {
        return;
    }
    // The same ids are found together, a block of positions at a time, and then added column by column.
    for (var block = position; block < info.count; block += WORKGROUP) {
        if local == 0u {
            atomicStore(&any_same, 0u);
        }
        workgroupBarrier();
        let i = block + local;
        same[local] = 0u;
        if i < info.count {
            if ids[i] == id {
                same[local] = 1u;
                atomicStore(&any_same, 1u);
            }
        }
        workgroupBarrier();
        if atomicLoad(&any_same) == 1u {
            for (var column = local; column < info.width; column += WORKGROUP) {
                let at = u32(row) * info.width + column;
                var sum = dtable[at];
                for (var n = 0u; n < WORKGROUP; n++) {
                    if same[n] == 1u {
                        sum += dy[(block + n) * info.width + column];
                    }
                }
                dtable[at] = sum;
            }
        }
        workgroupBarrier();
    }
}
