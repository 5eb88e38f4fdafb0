// y[row, column] = the number of the row and column, which follows from its word and its block's head. One invocation a word of
// numbers; those of one column's neighbours are neighbours, so what a workgroup reads and writes lies together.

alias Real = f32;  // that the matrix is unpacked to

struct Info {
    rows: u32,       // in
    columns: u32,    // out
    word_rows: u32,  // of numbers, without heads
    unused: u32,
}

@group(0) @binding(0) var<storage, read> words: array<u32>;       // [blocks, HEAD_ROWS + OF_BLOCK, columns]
@group(0) @binding(1) var<storage, read_write> y: array<Real>;    // [rows, columns]
@group(0) @binding(2) var<uniform> info: Info;

const WORKGROUP: u32 = 256u;
const PER_WORD: u32 = 2u;   // numbers in a word
const HEAD_ROWS: u32 = 0u;  // 1 where blocks have a head
const OF_BLOCK: u32 = 1u;   // rows of words of a block's numbers

@compute @workgroup_size(256, 1, 1)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = (group.y * groups.x + group.x) * WORKGROUP + local;
    if i >= info.word_rows * info.columns {
        return;
    }
    let word_row = i / info.columns;
    let column = i % info.columns;
    let first = word_row / OF_BLOCK * (HEAD_ROWS + OF_BLOCK);
    let head = words[first * info.columns + column];
    let word = words[(first + HEAD_ROWS + word_row % OF_BLOCK) * info.columns + column];
    for (var part = 0u; part < PER_WORD; part++) {
        let row = word_row * PER_WORD + part;
        if row < info.rows {
            y[row * info.columns + column] = Real(number(word, part, head));
        }
    }
}
