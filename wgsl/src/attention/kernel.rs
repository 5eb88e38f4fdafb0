//! The WGSL kernels' host side.

use burn::{
    backend::{TensorMetadata, ops::FloatTensorOps, tensor::FloatTensor},
    tensor::{DType, Shape},
};
use burn_cubecl::{CubeBackend, kernel::into_contiguous, tensor::CubeTensor};
use cubecl::CubeCount;

use super::{AttentionKernels, AttentionOps, AttentionOptions, Inputs, sinks, tile::ROWS};
use crate::launch::{Shader, empty, empty_as, word, workgroups};

macro_rules! tiled {
    ($($file:literal),+) => {
        Shader::new(concat!(include_str!("tile.wgsl"), $("\n", include_str!($file)),+), 64)
    };
}

/// The shaders for heads of `d` channels.
struct Shaders {
    forward: Shader,
    delta: Shader,
    queries: Shader,
    keys_values: Shader,
}

impl Shaders {
    fn new([d, t, s]: [usize; 3], dtype: DType, softcap: bool) -> Self {
        let variant = |shader: Shader, tiles: usize| {
            let shader = shader.with("HEAD", format!("{}u", d / 4)).with("CHANNELS", format!("{}u", d.div_ceil(32)));
            let shader = shader.with("COLUMNS", format!("{}u", columns(t, s, tiles)));
            shader.with("SOFTCAP", softcap).storing(dtype)
        };
        Self {
            forward: variant(tiled!("forward.wgsl"), 1),
            queries: variant(tiled!("backward.wgsl", "queries.wgsl"), 1),
            keys_values: variant(tiled!("backward.wgsl", "keys_values.wgsl"), 2),
            delta: Shader::new(include_str!("delta.wgsl"), 256).with("HEAD", format!("{}u", d / 4)).storing(dtype),
        }
    }
}

/// Columns of a tile, of a kernel that has so many `tiles` of them: no more than there are queries or keys, and fewer in a
/// browser, which clears their memory before every workgroup.
fn columns(queries: usize, keys: usize, tiles: usize) -> usize {
    let most = if cfg!(target_family = "wasm") { 32 / tiles } else { 64 };
    queries.max(keys).next_power_of_two().clamp(8, most)
}

/// Every variant that is launched, for some widths of heads, and some queries and keys.
#[cfg(test)]
pub fn shaders() -> Vec<Shader> {
    let mut all = Vec::new();
    for size in [[4, 64, 64], [32, 1, 40], [64, 99, 99], [64, 3, 3], [80, 16, 16], [128, 64, 64], [256, 64, 64]] {
        for softcap in [false, true] {
            let Shaders { forward, delta, queries, keys_values } = Shaders::new(size, DType::F32, softcap);
            all.extend([forward, delta, queries, keys_values]);
        }
    }
    all
}

/// The words of the shaders' `Info`.
fn info(q: &CubeTensor, k: &CubeTensor, masked: bool, options: AttentionOptions) -> [u32; 10] {
    let ([_, t, h, d], [_, s, kv_heads, _]) = (q.shape().dims(), k.shape().dims());
    let scale = (d as f64).sqrt().recip() as f32;
    let softcap = options.softcap.unwrap_or(0.0) as f32;
    let [h, kv_heads, t, s, start, window] = [h, kv_heads, t, s, options.start, options.window.unwrap_or(0)].map(word);
    [h, kv_heads, t, s, start, window, scale.to_bits(), softcap.to_bits(), masked.into(), 0]
}

/// A workgroup for each tile of rows of each head.
fn tiles(rows: usize, heads: usize) -> CubeCount {
    CubeCount::Static(word(rows.div_ceil(ROWS)), word(heads), 1)
}

/// The inputs in rows that follow one another.
fn contiguous(inputs: Inputs<CubeBackend>) -> Inputs<CubeBackend> {
    let Inputs { q, k, v, documents, masked, options } = inputs;
    let [q, k, v, documents] = [q, k, v, documents].map(into_contiguous);
    Inputs { q, k, v, documents, masked, options }
}

impl AttentionOps for CubeBackend {
    fn attend(inputs: Inputs<Self>) -> FloatTensor<Self> {
        let dtype = inputs.q.dtype();
        Self::float_cast(Self::attend_forward(inputs).0, dtype.into())
    }

    fn attend_with_sinks(inputs: Inputs<Self>, sinks: FloatTensor<Self>) -> FloatTensor<Self> {
        let dtype = inputs.q.dtype();
        Self::float_cast(Self::attend_forward_with_sinks(inputs, sinks).0, dtype.into())
    }
}

impl AttentionKernels for CubeBackend {
    fn attend_forward(inputs: Inputs<Self>) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let Inputs { q, k, v, documents, masked, options } = contiguous(inputs);
        let [b, t, h, d] = q.shape().dims();
        let y = empty_as(&q, q.shape(), DType::F32);
        let lse = empty_as(&q, Shape::new([b, t, h]), DType::F32);
        let size = [d, t, k.shape()[1]];
        let shader = Shaders::new(size, q.dtype(), options.softcap.is_some()).forward;
        shader.run(tiles(t, b * h), &[&q, &k, &v, &documents, &y, &lse], &info(&q, &k, masked, options));
        (y, lse)
    }

    fn attend_forward_with_sinks(
        inputs: Inputs<Self>,
        sinks: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let (y, lse) = Self::attend_forward(inputs);
        sinks::under_sinks::<Self>(y, lse, sinks)
    }

    fn attend_backward_of_sinks(
        y: FloatTensor<Self>,
        lse: FloatTensor<Self>,
        sinks: FloatTensor<Self>,
        dy: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        sinks::gradient::<Self>(y, lse, sinks, dy)
    }

    fn attend_backward(
        inputs: Inputs<Self>,
        y: FloatTensor<Self>,
        lse: FloatTensor<Self>,
        dy: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        let Inputs { q, k, v, documents, masked, options } = contiguous(inputs);
        let [y, lse, dy] = [y, lse, dy].map(into_contiguous);
        let ([b, t, h, d], [_, s, kv_heads, _]) = (q.shape().dims(), k.shape().dims());
        let shaders = Shaders::new([d, t, s], q.dtype(), options.softcap.is_some());
        let info = info(&q, &k, masked, options);

        let rows = b * t * h;
        let stats = empty_as(&q, Shape::new([b, t, h, 2]), DType::F32);
        shaders.delta.run(workgroups(rows, 256), &[&y, &dy, &lse, &stats], &[word(rows), 0]);
        let dq = empty(&q, q.shape());
        shaders.queries.run(tiles(t, b * h), &[&q, &k, &v, &documents, &dy, &stats, &dq], &info);
        let (dk, dv) = (empty(&k, k.shape()), empty(&v, v.shape()));
        let buffers = [&q, &k, &v, &documents, &dy, &stats, &dk, &dv];
        shaders.keys_values.run(tiles(s, b * kv_heads), &buffers, &info);
        (dq, dk, dv)
    }
}
