// y = a b, perhaps added to what is there. An invocation has DOWN x ACROSS blocks of 4 x 4 results in its registers, and loads
// what they need from buffers: nothing is staged through workgroup memory, which a browser fills with zeros before every
// workgroup. Each of a workgroup's 8 x 8 invocations has the blocks ty, ty + 8, .. of its rows and tx, tx + 8, .. of its
// columns, so that neighbours load what lies beside.
//
// A matrix here has a row in each of its columns. Text before this one has `left`, `right` and `write`.

struct Info {
    m: u32,
    k: u32,
    n: u32,
    unused: u32,
}

const DOWN: u32 = 1u;
const ACROSS: u32 = 1u;
const A_TURNED: bool = false;  // a is stored [k, m]
const B_TURNED: bool = false;  // b is stored [n, k]
const ADDS: u32 = 0u;          // 0: nothing, 1: `added` [n] to each row, 2: to what y holds

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let first_row = group.y * 32u * DOWN + local / 8u * 4u;
    let first_column = group.x * 32u * ACROSS + local % 8u * 4u;
    var sums: array<array<mat4x4<f32>, ACROSS>, DOWN>;
    for (var r = 0u; r < DOWN; r++) {
        for (var c = 0u; c < ACROSS; c++) {
            sums[r][c] = mat4x4<f32>();
        }
    }
    for (var i = 0u; i < info.k; i += 4u) {
        var rights: array<mat4x4<f32>, ACROSS>;
        for (var c = 0u; c < ACROSS; c++) {
            rights[c] = right(i, first_column + 32u * c);
        }
        for (var r = 0u; r < DOWN; r++) {
            let own = left(first_row + 32u * r, i);
            for (var c = 0u; c < ACROSS; c++) {
                sums[r][c] += rights[c] * own;
            }
        }
    }
    for (var r = 0u; r < DOWN; r++) {
        for (var c = 0u; c < ACROSS; c++) {
            for (var i = 0u; i < 4u; i++) {
                let row = first_row + 32u * r + i;
                if row < info.m {
                    write(row, first_column + 32u * c, sums[r][c][i]);
                }
            }
        }
    }
}
