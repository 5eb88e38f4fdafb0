// Of each run of pairs that lies in several pieces (see sums.wgsl): adds up what the pieces have of it, from the first to the
// last. One invocation a piece and channel; that of the piece in which the run begins does it.

struct Info {
    count: u32,   // ids
    width: u32,   // C
    rows: u32,    // of the table
    piece: u32,   // pairs of a piece
    pieces: u32,
    unused: u32,
}

@group(0) @binding(0) var<storage, read> pairs: array<vec2<u32>>;        // [count, or more]
@group(0) @binding(1) var<storage, read> ends: array<f32>;               // [pieces, 2, C]: of a run that began before; of one that begins here
@group(0) @binding(2) var<storage, read_write> dtable: array<f32>;       // [rows, C]
@group(0) @binding(3) var<uniform> info: Info;

const WORKGROUP: u32 = 64u;

// Whether the last run of a piece goes on in the next one.
fn goes_on(piece: u32) -> bool {
    let end = (piece + 1u) * info.piece;
    return end < info.count && pairs[end - 1u].x == pairs[min(end, info.count - 1u)].x;
}

@compute @workgroup_size(64, 1, 1)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = (group.y * groups.x + group.x) * WORKGROUP + local;
    if i >= info.pieces * info.width {
        return;
    }
    let first = i / info.width;
    let column = i % info.width;
    if !goes_on(first) {
        return;
    }
    let begin = first * info.piece;
    let row = pairs[begin + info.piece - 1u].x;
    let began_before = begin > 0u && pairs[max(begin, 1u) - 1u].x == row;
    if row >= info.rows || began_before {
        return;
    }
    var sum = ends[(2u * first + 1u) * info.width + column];
    var piece = first + 1u;
    loop {
        sum += ends[2u * piece * info.width + column];
        // The run has a pair of the next piece too where this one ends in it, and not only begins in it.
        if !goes_on(piece) || pairs[(piece + 1u) * info.piece - 1u].x != row {
            break;
        }
        piece++;
    }
    dtable[row * info.width + column] = sum;
}
