//! The CPU kernel: queries and keys in one pass, read by their strides.

use burn::backend::{Flex, TensorMetadata, tensor::FloatTensor};

use super::RopeOps;
use crate::cpu::{ELEMENTS, contiguous, each, map, new, values, values_mut, vectorized};

/// Queries or keys, the channels of a head side by side.
struct Heads {
    tensor: FloatTensor<Flex>,
    dims: [usize; 4],
    strides: [isize; 3],
}

impl Heads {
    fn new(x: FloatTensor<Flex>) -> Self {
        // Mostly a view: a part of a product, or with heads and positions swapped.
        let tensor = if x.layout().strides()[3] == 1 { x } else { contiguous(x) };
        let strides = std::array::from_fn(|axis| tensor.layout().strides()[axis]);
        Self { dims: tensor.shape().dims(), strides, tensor }
    }

    /// Positions of a task.
    fn of_task(&self) -> usize {
        let [_, _, heads, d] = self.dims;
        (ELEMENTS / (heads * d).max(1)).max(1)
    }

    /// The channels `[D]` of a head of position `at` of all `B T`.
    #[inline(always)]
    fn head(&self, at: usize, head: usize) -> &[f32] {
        let [_, t, _, d] = self.dims;
        let offset: isize =
            [at / t, at % t, head].into_iter().zip(self.strides).map(|(i, stride)| i as isize * stride).sum();
        let start = self.tensor.layout().start_offset() as isize + offset;
        &self.tensor.storage()[start as usize..][..d]
    }
}

/// The angles of each position, and what is done by them.
#[derive(Clone, Copy)]
struct Angles<'a> {
    cosines: &'a [f32],
    sines: &'a [f32],
    half: usize,
    interleaved: bool,
    back: bool,
}

vectorized! {
    /// Rotates all heads of the positions from `first` on, whose channels go to `y`.
    fn turn(simd: S, x: &'a Heads, angles: Angles<'a>, first: usize, y: &'a mut [f32]) -> () {
        let [_, _, heads, d] = x.dims;
        let direction = if angles.back { -1.0 } else { 1.0 };
        for (at, y) in (first..).zip(y.chunks_exact_mut(heads * d)) {
            let start = at * angles.half % angles.cosines.len();
            let [cosines, sines] = [angles.cosines, angles.sines].map(|table| &table[start..][..angles.half]);
            for (head, y) in y.chunks_exact_mut(d).enumerate() {
                let x = x.head(at, head);
                if angles.interleaved {
                    let pairs = y.chunks_exact_mut(2).zip(x.chunks_exact(2));
                    for ((y, x), (cosine, sine)) in pairs.zip(cosines.iter().zip(sines)) {
                        let sine = sine * direction;
                        y[0] = x[0] * cosine - x[1] * sine;
                        y[1] = x[1] * cosine + x[0] * sine;
                    }
                } else {
                    let ((a, b), (to_a, to_b)) = (x.split_at(angles.half), y.split_at_mut(angles.half));
                    map(simd, [a, b, cosines, sines], [to_a, to_b], |[a, b, cosine, sine]| {
                        let sine = sine * direction;
                        [a * cosine - b * sine, b * cosine + a * sine]
                    });
                }
            }
        }
    }
}

impl RopeOps for Flex {
    fn rotate(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        cosines: FloatTensor<Self>,
        sines: FloatTensor<Self>,
        interleaved: bool,
        back: bool,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let [cosines, sines] = [cosines, sines].map(contiguous);
        let half = cosines.shape()[2];
        let angles = Angles { cosines: values(&cosines), sines: values(&sines), half, interleaved, back };
        let [mut to_q, mut to_k] = [&q, &k].map(|x| new(x.shape()));
        let given = [q, k].map(Heads::new);
        // Of no positions there are no angles, though the backward pass gives a second tensor even then.
        if !angles.cosines.is_empty() {
            let mut tasks = Vec::new();
            for (x, y) in given.iter().zip([&mut to_q, &mut to_k]) {
                let [_, _, heads, d] = x.dims;
                let pieces = values_mut(y).chunks_mut((x.of_task() * heads * d).max(1));
                tasks.extend(pieces.enumerate().map(|(number, y)| (x, number * x.of_task(), y)));
            }
            each(tasks, |_, (x, first, y)| turn(x, angles, first, y));
        }
        (to_q, to_k)
    }
}
