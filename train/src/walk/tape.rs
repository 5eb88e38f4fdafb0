//! One module's forward on a tape and its vector-Jacobian product.

use burn::{
    module::{Module, ModuleVisitor, Param},
    tensor::{Device, Tensor},
};
use hearth_wgsl::vjp;

use super::{boundary::boundary, policy::Placement, sink::Sink};

/// A module on the device that runs it.
///
/// One that lives in host memory is uploaded; the copy's parameters are leaves of their own with the same ids.
pub(super) fn fetch<M: Module>(module: &M, placement: Placement, device: &Device) -> M {
    match placement {
        Placement::Device => module.clone(),
        Placement::Host => module.clone().fork(&device.clone().autodiff()),
    }
}

/// Whether any parameter of a module gets a gradient.
pub(super) fn is_trained<M: Module>(module: &M) -> bool {
    struct Found(bool);
    impl ModuleVisitor for Found {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.0 |= param.is_require_grad();
        }
    }
    let mut found = Found(false);
    module.visit(&mut found);
    found.0
}

/// A forward pass from a fresh leaf, so that its tape ends at the module's own input.
pub(super) struct Tape<M> {
    module: M,
    input: Tensor<3>,
    output: Tensor<3>,
}

impl<M: Module> Tape<M> {
    /// Runs `forward` on `input`, which must be without autodiff.
    pub fn record(module: M, input: Tensor<3>, forward: impl FnOnce(&M, Tensor<3>) -> Tensor<3>) -> Self {
        // A tracked input also keeps clear of burn #5162: wrong gradients where only parameters are tracked.
        let input = input.autodiff().require_grad();
        let output = forward(&module, input.clone());
        boundary(&output.device());
        Self { module, input, output }
    }

    /// The module's output, off the tape.
    pub fn output(&self) -> Tensor<3> {
        self.output.clone().inner()
    }

    /// The gradient of the input, given that of the output; the gradients of the parameters go to the sink.
    pub fn backward(self, gradient: Tensor<3>, placement: Placement, sink: &mut Sink) -> Tensor<3> {
        let Self { module, input, output } = self;
        let mut gradients = vjp(output, gradient);
        let gradient = input.grad_remove(&mut gradients).expect("a module's output depends on its input");
        boundary(&gradient.device());
        sink.add_all(&mut gradients, &module, placement);
        sink.complete(&module);
        boundary(&gradient.device());
        gradient
    }
}
