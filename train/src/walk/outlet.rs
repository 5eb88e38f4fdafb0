//! The way out of a walk for gradients that are final.

use std::fmt;

use burn::tensor::Tensor;

/// Receives gradients while the walk goes on: those of several devices are added up behind it, say.
///
/// A [`Sink`](super::Sink) that has one sends it each segment's gradients as soon as the last micro-batch's walk is done
/// with the segment: those of the head first, of the embedding last. What comes back is put into a sink by
/// [`Sink::with_sums`](super::Sink::with_sums), in the same order.
pub trait Outlet: fmt::Debug + Send {
    /// Takes the gradients of one segment, `[n]` in f32: flat and end to end, in the order in which the module visits its
    /// parameters. They are queued on the device and need not be there yet.
    fn send(&mut self, gradients: Tensor<1>);
}
