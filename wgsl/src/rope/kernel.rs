//! The WGSL kernel's host side.

use burn::backend::{TensorMetadata, tensor::FloatTensor};
use burn_cubecl::{CubeBackend, kernel::into_contiguous};

use super::RopeOps;
use crate::launch::{Shader, empty, word, workgroups};

fn shader(interleaved: bool, back: bool) -> Shader {
    let shader = Shader::new(include_str!("rope.wgsl"), 256).with("INTERLEAVED", interleaved);
    shader.with("DIRECTION", if back { "-1.0" } else { "1.0" })
}

/// Every variant that is launched.
#[cfg(test)]
pub fn shaders() -> [Shader; 4] {
    [(false, false), (false, true), (true, false), (true, true)].map(|(interleaved, back)| shader(interleaved, back))
}

impl RopeOps for CubeBackend {
    fn rotate(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        cosines: FloatTensor<Self>,
        sines: FloatTensor<Self>,
        interleaved: bool,
        back: bool,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let [q, k, cosines, sines] = [q, k, cosines, sines].map(into_contiguous);
        let [[_, _, q_heads, d], [_, _, k_heads, _]] = [&q, &k].map(|x| x.shape().dims::<4>());
        let [q_pairs, k_pairs] = [&q, &k].map(|x| x.shape().num_elements() / 2);
        let [rows, t, _] = cosines.shape().dims();
        let (turned_q, turned_k) = (empty(&q, q.shape()), empty(&k, k.shape()));
        let words = [q_pairs, k_pairs, q_heads, k_heads, d / 2, rows * t].map(word);
        let buffers = [&q, &k, &cosines, &sines, &turned_q, &turned_k];
        let shader = shader(interleaved, back).storing(q.dtype());
        shader.run(workgroups(q_pairs + k_pairs, 256), &buffers, &words);
        (turned_q, turned_k)
    }
}
