//! The WGSL kernels' host side.

use burn::{
    backend::{
        TensorMetadata,
        tensor::{FloatTensor, IntTensor},
    },
    tensor::{DType, Shape},
};
use burn_cubecl::{CubeBackend, kernel::into_contiguous};

use super::{CrossEntropyOps, LogitRows};
use crate::{
    launch::{Shader, empty, empty_as, word, workgroups},
    row::{self, by_row, has_subgroups},
};

fn stats(columns: usize, subgroups: bool, softcap: bool) -> Shader {
    row::shader(by_row!("stats.wgsl"), columns, subgroups).with("SOFTCAP", softcap)
}

fn gradient(softcap: bool) -> Shader {
    Shader::new(include_str!("gradient.wgsl"), 256).with("SOFTCAP", softcap)
}

/// Every variant that is launched.
#[cfg(test)]
pub fn shaders() -> Vec<Shader> {
    let mut all = vec![gradient(false), gradient(true)];
    for (columns, subgroups) in [(100, false), (100, true), (50_257, false), (50_257, true)] {
        all.extend([false, true].map(|softcap| stats(columns, subgroups, softcap)));
    }
    all
}

impl CrossEntropyOps for CubeBackend {
    fn logit_stats(
        logits: FloatTensor<Self>,
        targets: IntTensor<Self>,
        first: usize,
        softcap: Option<f64>,
        subgroups: bool,
    ) -> FloatTensor<Self> {
        let [logits, targets] = [logits, targets].map(into_contiguous);
        let [rows, columns] = logits.shape().dims();
        let found = empty_as(&logits, Shape::new([rows, 3]), DType::F32);
        let cap = (softcap.unwrap_or(0.0) as f32).to_bits();
        let words = [word(rows), word(columns), word(first), cap];
        let shader = stats(columns, subgroups || has_subgroups(&logits), softcap.is_some()).storing(logits.dtype());
        shader.run(workgroups(rows, 1), &[&logits, &targets, &found], &words);
        found
    }

    fn logit_gradients(
        logits: FloatTensor<Self>,
        targets: IntTensor<Self>,
        rows: LogitRows<Self>,
        first: usize,
        softcap: Option<f64>,
        scale: f64,
    ) -> FloatTensor<Self> {
        let [logits, targets, lse, weights] = [logits, targets, rows.lse, rows.weights].map(into_contiguous);
        let [rows, columns] = logits.shape().dims();
        let gradients = empty(&logits, logits.shape());
        let bits = |value: f64| (value as f32).to_bits();
        let words = [word(rows), word(columns), word(first), bits(softcap.unwrap_or(0.0)), bits(scale), 0];
        let buffers = [&logits, &targets, &lse, &weights, &gradients];
        let shader = gradient(softcap.is_some()).storing(logits.dtype());
        shader.run(workgroups(rows * columns, 256), &buffers, &words);
        gradients
    }
}
