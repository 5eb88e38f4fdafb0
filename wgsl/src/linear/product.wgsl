// y = a b, perhaps added to what is there. Nothing is staged through workgroup memory, which a browser fills with zeros before
// every workgroup: an invocation has 8 x 4 results in registers, and what it loads for them its neighbours load too. Of a
// workgroup's 64 rows and 32 columns invocation (ty, tx) of 8 x 8 has the rows 4 ty .. 4 ty + 3, those 32 further on, and the
// columns 4 tx .. 4 tx + 3.
//
// A matrix here has a row in each of its columns. The text before this one has `left`, `right` and `write`.

struct Info {
    m: u32,
    k: u32,
    n: u32,
    unused: u32,
}

const A_TURNED: bool = false;  // a is stored [k, m]
const B_TURNED: bool = false;  // b is stored [n, k]
const ADDS: u32 = 0u;          // 0: nothing, 1: `added` [n] to each row, 2: to what y holds

fn write_rows(row: u32, column: u32, values: mat4x4<f32>) {
    write(row, column, values[0]);
    write(row + 1u, column, values[1]);
    write(row + 2u, column, values[2]);
    write(row + 3u, column, values[3]);
}

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let low_row = group.y * 64u + local / 8u * 4u;
    let high_row = low_row + 32u;
    let column = group.x * 32u + local % 8u * 4u;
    var low = mat4x4<f32>();
    var high = mat4x4<f32>();
    for (var i = 0u; i < info.k; i += 4u) {
        let rows = right(i, column);
        low += rows * left(low_row, i);
        high += rows * left(high_row, i);
    }
    write_rows(low_row, column, low);
    write_rows(high_row, column, high);
}
