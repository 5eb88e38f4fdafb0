// What both backward passes share, beside what stands in tile.wgsl.

// The numbers of four positions' documents.
fn numbers(at: vec4<u32>) -> vec4<i32> {
    return vec4<i32>(documents[at.x], documents[at.y], documents[at.z], documents[at.w]);
}

// Four scores, of products of queries and keys.
fn scored(product: vec4<f32>) -> vec4<f32> {
    if SOFTCAP {
        return capped(product * info.scale, info.softcap);
    }
    return product * info.scale;
}

// What a change of the product changes four scores by.
fn slope(score: vec4<f32>) -> vec4<f32> {
    if SOFTCAP {
        return vec4<f32>(1.0) - (score / info.softcap) * (score / info.softcap);
    }
    return vec4<f32>(1.0);
}
