// dtable[row] = sum of dy[position] over the pairs (row, position), which are sorted, so that a row's stand in one run: the
// same order and so the same bits every time, and no atomics on floats. The pairs are cut into pieces of one length; one
// invocation a piece and channel. A run that lies in several pieces leaves its sum in each of them in `ends`, for join.wgsl.
// dtable begins as zeros.

alias Real = f32;  // that tensors are stored in

struct Info {
    count: u32,   // ids
    width: u32,   // C
    rows: u32,    // of the table
    piece: u32,   // pairs of a piece
    pieces: u32,
    unused: u32,
}

@group(0) @binding(0) var<storage, read> pairs: array<vec2<u32>>;        // [count, or more]
@group(0) @binding(1) var<storage, read> dy: array<Real>;                // [count, C]
@group(0) @binding(2) var<storage, read_write> dtable: array<f32>;       // [rows, C]
@group(0) @binding(3) var<storage, read_write> ends: array<f32>;         // [pieces, 2, C]: of a run that began before; of one that begins here
@group(0) @binding(4) var<uniform> info: Info;

const WORKGROUP: u32 = 64u;

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
    let piece = i / info.width;
    let column = i % info.width;
    let begin = piece * info.piece;
    let end = min(begin + info.piece, info.count);
    var began_before = begin > 0u && pairs[max(begin, 1u) - 1u].x == pairs[begin].x;
    var sum = 0.0;
    for (var at = begin; at < end; at++) {
        let pair = pairs[at];
        if pair.x >= info.rows {
            break;  // other tables' ids, behind all others
        }
        sum += f32(dy[pair.y * info.width + column]);
        let goes_on = at + 1u < info.count && pairs[min(at + 1u, info.count - 1u)].x == pair.x;
        if !goes_on && !began_before {
            dtable[pair.x * info.width + column] = sum;
        } else if !goes_on || at + 1u == end {
            ends[(2u * piece + u32(!began_before)) * info.width + column] = sum;
        }
        if !goes_on {
            sum = 0.0;
            began_before = false;
        }
    }
}
