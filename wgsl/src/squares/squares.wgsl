// Adds the squares of all elements of x to partial sums, of which each workgroup has one; the first passes on those of which
// none has. Which element goes to which sum depends on its place and the count alone, so the bits are the same every time.

alias Real = f32;  // that x is stored in

struct Info {
    rows: u32,     // workgroups
    count: u32,    // elements of x
    partial: u32,  // sums
    unused: u32,
}

@group(0) @binding(0) var<storage, read> x: array<Real>;             // [count]
@group(0) @binding(1) var<storage, read> before: array<f32>;        // [partial]
@group(0) @binding(2) var<storage, read_write> sums: array<f32>;    // [partial]
@group(0) @binding(3) var<uniform> info: Info;

fn process(row: u32, place: Place) {
    var square = 0.0;
    for (var i = row * WORKGROUP + place.local; i < info.count; i += info.rows * WORKGROUP) {
        let value = f32(x[i]);
        square += value * value;
    }
    square = total(place, vec2<f32>(square, 0.0)).x;
    if place.local == 0u {
        sums[row] = before[row] + square;
    }
    if row == 0u {
        for (var i = info.rows + place.local; i < info.partial; i += WORKGROUP) {
            sums[i] = before[i];
        }
    }
}
