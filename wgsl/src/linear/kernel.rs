//! The WGSL kernels' host side.

use burn::{
    backend::{TensorMetadata, ops::FloatTensorOps, tensor::FloatTensor},
    tensor::Shape,
};
use burn_cubecl::{CubeBackend, kernel::into_contiguous, tensor::CubeTensor};
use cubecl::CubeCount;

use super::{LinearKernels, LinearOps, Meeting, backward::forward};
use crate::launch::{Shader, empty, word};

/// Rows and columns of a workgroup; stand in `product.wgsl` too.
const ROWS: usize = 64;
const COLUMNS: usize = 32;

/// What a product is added to.
enum Added {
    Nothing,
    /// Each row to this one, `[n]`.
    Row(CubeTensor),
    /// It goes on from this sum, `[m, n]`.
    Sum(CubeTensor),
}

#[derive(Clone, Copy)]
struct Variant {
    aligned: bool,
    turned: [bool; 2],
    adds: u32,
}

impl Variant {
    fn shader(self) -> Shader {
        let text = match self.aligned {
            true => concat!(include_str!("aligned.wgsl"), "\n", include_str!("product.wgsl")),
            false => concat!(include_str!("any.wgsl"), "\n", include_str!("product.wgsl")),
        };
        let [a, b] = self.turned;
        Shader::new(text, 64).with("A_TURNED", a).with("B_TURNED", b).with("ADDS", format!("{}u", self.adds))
    }
}

/// Every variant that is launched.
#[cfg(test)]
pub fn shaders() -> Vec<Shader> {
    let mut all = Vec::new();
    for (aligned, a) in [(false, false), (false, true), (true, false), (true, true)] {
        for (b, adds) in [(false, 0), (false, 1), (false, 2), (true, 0), (true, 1), (true, 2)] {
            all.push(Variant { aligned, turned: [a, b], adds }.shader());
        }
    }
    all
}

/// The matrix as it is stored, and whether that is the transpose.
fn stored(x: CubeTensor) -> (CubeTensor, bool) {
    let [rows, _] = x.shape().dims();
    match x.meta.strides()[..] {
        [1, stride] if stride == rows && rows > 1 => (x, true),
        _ => (into_contiguous(x), false),
    }
}

fn multiply(a: CubeTensor, b: CubeTensor, added: Added) -> CubeTensor {
    let ([m, k], [_, n]) = (a.shape().dims(), b.shape().dims());
    let ((a, a_turned), (b, b_turned)) = (stored(a), stored(b));
    // A buffer cannot be bound twice.
    let nothing = || empty(&a, Shape::new([4]));
    let (adds, row, y) = match added {
        Added::Nothing => (0, nothing(), empty(&a, Shape::new([m, n]))),
        Added::Row(row) => (1, into_contiguous(row), empty(&a, Shape::new([m, n]))),
        Added::Sum(sum) => {
            let sum = into_contiguous(sum);
            (2, nothing(), if sum.can_mut() { sum } else { sum.copy() })
        }
    };
    if m == 0 || n == 0 {
        return y;
    }
    let rows = [if a_turned { m } else { k }, if b_turned { k } else { n }, n];
    let aligned = rows.iter().all(|stored| stored.is_multiple_of(4));
    let shader = Variant { aligned, turned: [a_turned, b_turned], adds }.shader().storing(a.dtype());
    let count = CubeCount::Static(word(n.div_ceil(COLUMNS)), word(m.div_ceil(ROWS)), 1);
    shader.run(count, &[&a, &b, &row, &y], &[word(m), word(k), word(n), 0]);
    y
}

impl LinearOps for CubeBackend {
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

impl LinearKernels for CubeBackend {
    fn product(a: FloatTensor<Self>, b: FloatTensor<Self>) -> FloatTensor<Self> {
        multiply(a, b, Added::Nothing)
    }

    fn product_added(sum: FloatTensor<Self>, a: FloatTensor<Self>, b: FloatTensor<Self>) -> FloatTensor<Self> {
        multiply(a, b, Added::Sum(sum))
    }

    fn product_shifted(a: FloatTensor<Self>, b: FloatTensor<Self>, bias: FloatTensor<Self>) -> FloatTensor<Self> {
        multiply(a, b, Added::Row(bias))
    }

    fn accumulated(sum: FloatTensor<Self>, x: FloatTensor<Self>) -> FloatTensor<Self> {
        Self::float_add(sum, x)
    }

    fn sum_of_rows(x: FloatTensor<Self>) -> FloatTensor<Self> {
        let width = x.shape()[1];
        Self::float_reshape(Self::float_sum_dim(x, 0), Shape::new([width]))
    }
}
