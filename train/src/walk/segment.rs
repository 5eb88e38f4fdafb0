//! One segment's forward on a tape, and its vector-Jacobian product.

use burn::{
    module::Module,
    tensor::{Gradients, Tensor},
};

use super::Sink;

/// A segment's forward pass from a fresh leaf, so that its tape ends at its own input.
pub(super) struct Tape {
    input: Tensor<3>,
    output: Tensor<3>,
}

impl Tape {
    /// Runs `forward` on `input`, which must be without autodiff.
    pub fn record(input: Tensor<3>, forward: impl FnOnce(Tensor<3>) -> Tensor<3>) -> Self {
        // A tracked input also keeps clear of burn #5162: wrong gradients where only parameters are tracked.
        let input = input.autodiff().require_grad();
        let output = forward(input.clone());
        Self { input, output }
    }

    /// The segment's output, off the tape.
    pub fn output(&self) -> Tensor<3> {
        self.output.clone().inner()
    }

    /// The gradient of the input, given that of the output; the gradients of `module`'s parameters go to the sink.
    pub fn backward<M: Module>(self, module: &M, gradient: Tensor<3>, sink: &mut Sink) -> Tensor<3> {
        let Self { input, output } = self;
        backward(&output, gradient, |gradients| {
            sink.take(gradients, module);
            input.grad_remove(gradients).expect("a segment's output depends on its input")
        })
    }
}

/// Runs the tape behind `output` back from `gradient` and hands what it yields to `collect`.
pub(super) fn backward<R>(output: &Tensor<3>, gradient: Tensor<3>, collect: impl FnOnce(&mut Gradients) -> R) -> R {
    // `gradient` is a constant here, so the derivative of this sum is the vector-Jacobian product.
    let mut gradients = (output.clone() * Tensor::from_inner(gradient)).sum().backward();
    collect(&mut gradients)
}
