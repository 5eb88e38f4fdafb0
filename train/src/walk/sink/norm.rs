//! Norms of gradients, on the device.

use burn::{
    module::{Module, ModuleVisitor, Param},
    tensor::Tensor,
};
use hearth_wgsl::add_squares;

use super::Sink;
use crate::{names::Names, walk::boundary::boundary};

impl Sink {
    /// The L2 norm of all gradients of `module` together, `[1]`, on the walk's device.
    ///
    /// # Panics
    /// If no parameter of `module` has a gradient, as where all of them are frozen.
    pub fn norm<M: Module>(&self, module: &M) -> Tensor<1> {
        let squares = self.add_squares(module, None);
        norm_of(squares.expect("Sink::norm: no parameter has a gradient; are all of them frozen?"))
    }

    /// The L2 norm of each gradient of `module`, `[1]` on the walk's device, with the parameter's path. Nothing waits, and
    /// the gradients stay where they are.
    ///
    /// A matrix over the vocabulary is one, whatever its shards. Paths are those of [`Sink::named`].
    pub fn norms<M: Module>(&self, module: &M) -> Vec<(String, Tensor<1>)> {
        let mut norms = Norms { sink: self, names: Names::of(module), squares: Vec::new() };
        module.visit(&mut norms);
        norms.squares.into_iter().map(|(name, squares)| (name, norm_of(squares))).collect()
    }

    /// The squares of all gradients of `module` added to those `before`: see [`add_squares`].
    pub(crate) fn add_squares<M: Module>(&self, module: &M, before: Option<Tensor<1>>) -> Option<Tensor<1>> {
        let mut squares = Squares { sink: self, sums: before };
        module.visit(&mut squares);
        squares.sums
    }

    /// The squares of one parameter's gradient added to those `before`.
    fn squares_of<const D: usize>(&self, param: &Param<Tensor<D>>, before: Option<Tensor<1>>) -> Option<Tensor<1>> {
        if let Some(gradient) = self.on_device.get::<D>(param.id) {
            // Experts may be on other devices.
            let device = gradient.device();
            return Some(add_squares(before.map(|sums| sums.to_device(&device)), gradient));
        }
        match (before, self.on_host.squares(param.id)) {
            (Some(before), Some(squares)) => Some(before + squares),
            (before, squares) => before.or(squares),
        }
    }
}

/// The norm that partial sums of squares come to, `[1]`.
pub(crate) fn norm_of(squares: Tensor<1>) -> Tensor<1> {
    // Merged with additions before it, where parameters live in host memory, the sum would be taken in another order.
    boundary(&squares.device());
    squares.sum_dim(0).sqrt()
}

/// Sums the squares of all gradients.
struct Squares<'a> {
    sink: &'a Sink,
    sums: Option<Tensor<1>>,
}

impl ModuleVisitor for Squares<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.sums = self.sink.squares_of(param, self.sums.take());
    }
}

/// Sums the squares of each gradient by itself.
struct Norms<'a> {
    sink: &'a Sink,
    names: Names,
    squares: Vec<(String, Tensor<1>)>,
}

impl ModuleVisitor for Norms<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let name = self.names.name(param.id);
        // The shards of a matrix come one after the other.
        let before = self.squares.pop_if(|(last, _)| last == name).map(|(_, squares)| squares);
        if let Some(squares) = self.sink.squares_of(param, before) {
            self.squares.push((name.into(), squares));
        }
    }
}
