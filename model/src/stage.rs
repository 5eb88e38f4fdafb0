//! A model in parts, each for a device of its own.

use std::ops::Range;

use crate::{TokenMatrix, Transformer};

impl Transformer {
    /// The part with these blocks; the first has the embedding as well and the last the head. The last part of a tied model
    /// has the matrix too, as its output. It shares its tensors with this model, and has its parameters' ids.
    ///
    /// A part is no whole model: its segments are run by a walk that knows what it lacks. What it lacks has no tensors, but
    /// for the final norm.
    pub fn part(&self, blocks: Range<usize>) -> Self {
        let mut part = self.clone();
        let [first, last] = [blocks.start == 0, blocks.end == self.blocks.len()];
        part.blocks = self.blocks[blocks].to_vec();
        if !first {
            part.embedding.positions = None;
            if !last || self.head.output.is_some() {
                part.embedding.tokens = TokenMatrix { shards: Vec::new() };
            }
        }
        if !last {
            part.head.output = None;
        }
        part
    }

    /// The model that was cut into these parts, which are in their order and on one device.
    ///
    /// # Panics
    /// Without parts.
    pub fn join(parts: Vec<Self>) -> Self {
        let mut parts = parts.into_iter();
        let mut whole = parts.next().expect("a model has a part");
        for part in parts {
            whole.blocks.extend(part.blocks);
            whole.head = part.head;
        }
        whole
    }
}

#[cfg(test)]
mod tests {
    use burn::{module::Module, tensor::Device};

    use crate::{TransformerConfig, preset};

    #[test]
    fn parts_have_all_parameters_and_make_the_model_again() {
        for tied in [true, false] {
            let config = TransformerConfig { tied, ..preset("stories260k").unwrap() };
            let model = config.init(0, &Device::flex()).unwrap();
            let layers = model.blocks.len();
            let parts = [0..2, 2..layers].map(|blocks| model.part(blocks));
            // Twice there: the final norm, and a tied matrix.
            let twice = config.width + if tied { config.vocab_size * config.width } else { 0 };
            assert_eq!(parts.iter().map(Module::num_params).sum::<usize>(), model.num_params() + twice);
            let joined = crate::Transformer::join(parts.into());
            assert_eq!((joined.num_params(), joined.blocks.len()), (model.num_params(), layers));
        }
    }
}
