//! Several products of one input: where the gradients that they have of it meet, to be added as they are made.
//!
//! On a tape each would make its own, and the tape would add them. Here the input is a node of its own, for which a product leaves
//! its factors; when all have done so it is that node's turn.

use std::{
    any::Any,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use burn::backend::{Backend, tensor::FloatTensor};

/// What products leave for the gradient of an input that they share.
#[derive(Clone, Default)]
pub struct Meeting(Arc<Mutex<Vec<Box<dyn Any + Send>>>>);

/// A product's part of the gradient, `dy weight^T`.
pub struct Part<B: Backend> {
    pub dy: FloatTensor<B>,
    pub weight: FloatTensor<B>,
}

impl Meeting {
    /// Leaves a product's part.
    pub fn leave<B: Backend>(&self, part: Part<B>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(part));
    }

    /// Takes all parts, in the order in which they were left.
    pub fn take<B: Backend>(&self) -> Vec<Part<B>> {
        let parts = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        parts.into_iter().map(|part| *part.downcast().expect("products of one backend")).collect()
    }
}

impl fmt::Debug for Meeting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Meeting")
    }
}
