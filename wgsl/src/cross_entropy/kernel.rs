//! The WGSL kernels' host side.

use burn::{
    backend::{
        TensorMetadata,
        tensor::{FloatTensor, IntTensor},
    },
    tensor::Shape,
};
use burn_cubecl::{CubeBackend, kernel::into_contiguous};

use super::CrossEntropyOps;
use crate::launch::{Shader, empty, workgroups};

/// As many invocations for a row as have something to do.
fn stats(columns: usize, softcap: bool) -> Shader {
    let workgroup = if columns < 4096 { 64 } else { 256 };
    let shader = Shader::new(include_str!("stats.wgsl"), workgroup);
    shader.with("WORKGROUP", format!("{workgroup}u")).with("SOFTCAP", softcap)
}

fn gradient(softcap: bool) -> Shader {
    Shader::new(include_str!("gradient.wgsl"), 256).with("SOFTCAP", softcap)
}

/// Every variant that is launched.
#[cfg(test)]
pub fn shaders() -> Vec<Shader> {
    let variants = |softcap| [stats(100, softcap), stats(50_257, softcap), gradient(softcap)];
    [variants(false), variants(true)].concat()
}

impl CrossEntropyOps for CubeBackend {
    fn logit_stats(
        logits: FloatTensor<Self>,
        targets: IntTensor<Self>,
        first: usize,
        softcap: Option<f64>,
    ) -> FloatTensor<Self> {
        let [logits, targets] = [logits, targets].map(into_contiguous);
        let [rows, columns] = logits.shape().dims();
        let found = empty(&logits, Shape::new([rows, 3]));
        let cap = (softcap.unwrap_or(0.0) as f32).to_bits();
        let words = [rows as u32, columns as u32, first as u32, cap];
        stats(columns, softcap.is_some()).run(workgroups(rows, 1), &[&logits, &targets, &found], &words);
        found
    }

    fn logit_gradients(
        logits: FloatTensor<Self>,
        targets: IntTensor<Self>,
        lse: FloatTensor<Self>,
        weights: FloatTensor<Self>,
        first: usize,
        softcap: Option<f64>,
        scale: f64,
    ) -> FloatTensor<Self> {
        let [logits, targets, lse, weights] = [logits, targets, lse, weights].map(into_contiguous);
        let [rows, columns] = logits.shape().dims();
        let gradients = empty(&logits, logits.shape());
        let bits = |value: f64| (value as f32).to_bits();
        let words = [rows as u32, columns as u32, first as u32, bits(softcap.unwrap_or(0.0)), bits(scale), 0];
        let buffers = [&logits, &targets, &lse, &weights, &gradients];
        gradient(softcap.is_some()).run(workgroups(rows * columns, 256), &buffers, &words);
        gradients
    }
}
