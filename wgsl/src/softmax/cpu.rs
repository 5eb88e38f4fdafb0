//! The CPU kernels: one pass over the rows each.

use burn::backend::{Flex, tensor::FloatTensor};

use super::{SoftmaxOps, reference};
use crate::{
    Kernel,
    cpu::{ELEMENTS, Vector, contiguous, each, exp, fold, map, new, split, takes, values, values_mut, vectorized},
};

impl SoftmaxOps for Flex {
    fn softmax_rows(x: FloatTensor<Self>) -> FloatTensor<Self> {
        if !takes(Kernel::Attention, &x) {
            return reference::softmax::<Self>(x);
        }
        by_rows([x], |[x], y, columns| weights(x, y, columns))
    }

    fn softmax_rows_backward(y: FloatTensor<Self>, grad: FloatTensor<Self>) -> FloatTensor<Self> {
        if !takes(Kernel::Attention, &y) {
            return reference::softmax_backward::<Self>(y, grad);
        }
        by_rows([y, grad], |[y, dy], dx, columns| gradients(y, dy, dx, columns))
    }
}

/// Does `work` for some rows of the inputs and of the result at a time, given their length.
fn by_rows<const I: usize>(
    inputs: [FloatTensor<Flex>; I],
    work: impl Fn([&[f32]; I], &mut [f32], usize) + Send + Sync,
) -> FloatTensor<Flex> {
    let inputs = inputs.map(contiguous);
    let shape = inputs[0].layout().shape().clone();
    let columns = shape.as_slice().last().copied().unwrap_or(1).max(1);
    let length = (ELEMENTS / columns).max(1) * columns;
    let mut output = new(shape);
    each(split([values_mut(&mut output)], length), |number, [output]| {
        let inputs = inputs.each_ref().map(|x| &values(x)[number * length..][..output.len()]);
        work(inputs, output, columns);
    });
    output
}

vectorized! {
    fn weights(simd: S, x: &'a [f32], y: &'a mut [f32], columns: usize) -> () {
        for (x, y) in x.chunks_exact(columns).zip(y.chunks_exact_mut(columns)) {
            let none = f32::NEG_INFINITY;
            let [largest] = fold(simd, [x], [none], [none], |[largest], [x]| [largest.max(x)]);
            let largest = Vector::splat(simd, largest.largest());
            map(simd, [x], [&mut *y], |[x]| [exp(x - largest)]);
            let [total] = fold(simd, [&*y], [0.0], [0.0], |[total], [y]| [total + y]);
            let by = total.sum().recip();
            y.iter_mut().for_each(|y| *y *= by);
        }
    }

    fn gradients(simd: S, y: &'a [f32], dy: &'a [f32], dx: &'a mut [f32], columns: usize) -> () {
        let rows = y.chunks_exact(columns).zip(dy.chunks_exact(columns)).zip(dx.chunks_exact_mut(columns));
        for ((y, dy), dx) in rows {
            let [weighted] = fold(simd, [y, dy], [0.0; 2], [0.0], |[sum], [y, dy]| [y.mul_add(dy, sum)]);
            let weighted = Vector::splat(simd, weighted.sum());
            map(simd, [y, dy], [dx], |[y, dy]| [y * (dy - weighted)]);
        }
    }
}
