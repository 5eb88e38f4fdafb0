//! A workgroup for each row of a matrix, whose invocations add or compare what each has found: by the adapter's subgroups
//! where it has them, else by workgroup memory alone.
//!
//! A shader begins with one of two files, which have the entry point, and gives `process(row, place)`.

use burn_cubecl::tensor::CubeTensor;
use cubecl::features::Plane;

use crate::launch::Shader;

/// The text of `$file`, by workgroup memory and by subgroups.
macro_rules! by_row {
    ($file:literal) => {
        [
            concat!(include_str!("../row/workgroup.wgsl"), "\n", include_str!($file)),
            concat!(include_str!("../row/subgroups.wgsl"), "\n", include_str!($file)),
        ]
    };
}
pub(crate) use by_row;

/// The shader for rows of `width` elements: as many invocations as have something to do.
pub(crate) fn shader(texts: [&'static str; 2], width: usize, subgroups: bool) -> Shader {
    let (workgroup, wide) = match width {
        0..128 => (16, 4),
        128..1024 => (64, 8),
        _ => (256, 16),
    };
    let shader = Shader::new(texts[usize::from(subgroups)], workgroup).with("WORKGROUP", format!("{workgroup}u"));
    if subgroups { shader } else { shader.with("WIDE", format!("{wide}u")) }
}

/// Whether the adapter that has `x` adds and compares over subgroups. Browsers want the text to begin with
/// `enable subgroups;`, which naga does not take yet.
pub(crate) fn has_subgroups(x: &CubeTensor) -> bool {
    !cfg!(target_family = "wasm") && x.client.properties().features.plane.contains(Plane::Ops)
}
