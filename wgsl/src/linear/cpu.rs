//! The CPU kernels: products that begin with what they are added to.

use burn::{
    backend::{Flex, TensorMetadata, tensor::FloatTensor},
    tensor::Shape,
};

use super::{LinearKernels, LinearOps, Meeting, backward::forward};
use crate::cpu::{ELEMENTS, Matrix, MatrixMut, add, contiguous, each, new, piece, split, values, values_mut};

impl LinearOps for Flex {
    fn meet(x: FloatTensor<Self>, _meeting: Meeting) -> FloatTensor<Self> {
        x
    }

    fn linear_plain(x: FloatTensor<Self>, weight: FloatTensor<Self>, _meeting: Option<Meeting>) -> FloatTensor<Self> {
        forward::<Self>(x, weight, None)
    }

    fn linear_shifted(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        _meeting: Option<Meeting>,
    ) -> FloatTensor<Self> {
        forward::<Self>(x, weight, Some(bias))
    }
}

impl LinearKernels for Flex {
    fn product(a: FloatTensor<Self>, b: FloatTensor<Self>) -> FloatTensor<Self> {
        let mut y = new(Shape::new([a.shape()[0], b.shape()[1]]));
        multiply(&a, &b, &mut y, false);
        y
    }

    fn product_added(sum: FloatTensor<Self>, a: FloatTensor<Self>, b: FloatTensor<Self>) -> FloatTensor<Self> {
        let mut sum = contiguous(sum);
        multiply(&a, &b, &mut sum, true);
        sum
    }

    fn product_shifted(a: FloatTensor<Self>, b: FloatTensor<Self>, bias: FloatTensor<Self>) -> FloatTensor<Self> {
        let (mut y, bias) = (new(Shape::new([a.shape()[0], b.shape()[1]])), contiguous(bias));
        let bias = values(&bias);
        values_mut(&mut y).chunks_mut(bias.len().max(1)).for_each(|row| row.copy_from_slice(bias));
        multiply(&a, &b, &mut y, true);
        y
    }

    fn accumulated(sum: FloatTensor<Self>, x: FloatTensor<Self>) -> FloatTensor<Self> {
        let (mut sum, x) = (contiguous(sum), contiguous(x));
        each(split([values_mut(&mut sum)], ELEMENTS), |number, [sum]| add(piece(values(&x), number, ELEMENTS), sum));
        sum
    }

    fn sum_of_rows(x: FloatTensor<Self>) -> FloatTensor<Self> {
        let x = contiguous(x);
        let width = x.shape()[1];
        let together = ELEMENTS.div_ceil(width.max(1));
        let mut partial = vec![0.0; width * x.shape()[0].div_ceil(together).max(1)];
        each(split([&mut partial], width.max(1)), |number, [sum]| {
            piece(values(&x), number, together * width).chunks(width).for_each(|row| add(row, sum));
        });
        let mut sum = new(Shape::new([width]));
        let (first, others) = partial.split_at(width);
        values_mut(&mut sum).copy_from_slice(first);
        others.chunks(width.max(1)).for_each(|partial| add(partial, values_mut(&mut sum)));
        sum
    }
}

/// Writes or adds `a b`, whatever their strides are; only a view that looks back is copied.
fn multiply(a: &FloatTensor<Flex>, b: &FloatTensor<Flex>, y: &mut FloatTensor<Flex>, add: bool) {
    let forward = |x: &FloatTensor<Flex>| if x.layout().has_positive_strides() { x.clone() } else { x.to_contiguous() };
    let (a, b) = (&forward(a), &forward(b));
    let [rows, columns] = y.shape().dims();
    let y = MatrixMut::new(values_mut(y), [rows, columns], columns);
    y.product_on_all_threads(add, 1.0, matrix(a), matrix(b));
}

fn matrix(x: &FloatTensor<Flex>) -> Matrix<'_> {
    let layout = x.layout();
    let [rows, columns] = x.shape().dims();
    let strides = [0, 1].map(|axis| usize::try_from(layout.strides()[axis]).expect("no stride is negative"));
    Matrix::new(&x.storage()[layout.start_offset()..], [rows, columns], strides)
}
