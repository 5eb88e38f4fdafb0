//! A model in stages, each for a device of its own.

use std::ops::Range;

use crate::{TokenMatrix, Transformer, TransformerBlock};

impl<B: TransformerBlock> Transformer<B> {
    /// The stage with these blocks; the first has the embedding as well and the last the head. The last stage of a tied model
    /// has the matrix too, as its output. It shares its tensors with this model, and has its parameters' ids.
    ///
    /// A stage is no whole model: its segments are run by a walk that knows what it lacks. What it lacks has no tensors, but
    /// for the final norm.
    pub fn stage(&self, blocks: Range<usize>) -> Self {
        let mut stage = self.clone();
        let [first, last] = [blocks.start == 0, blocks.end == self.blocks.len()];
        stage.blocks = self.blocks[blocks].to_vec();
        if !first {
            stage.embedding.positions = None;
            if !last || self.head.output.is_some() {
                stage.embedding.tokens = TokenMatrix { shards: Vec::new() };
            }
        }
        if !last {
            stage.head.output = None;
        }
        stage
    }

    /// The model that was cut into these stages, which are in their order and on one device.
    ///
    /// # Panics
    /// Without stages.
    pub fn from_stages(stages: Vec<Self>) -> Self {
        let mut stages = stages.into_iter();
        let mut whole = stages.next().expect("a model has a stage");
        for stage in stages {
            whole.blocks.extend(stage.blocks);
            whole.head = stage.head;
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
            let parts = [0..2, 2..layers].map(|blocks| model.stage(blocks));
            // Twice there: the final norm, and a tied matrix.
            let twice = config.width + if tied { config.vocab_size * config.width } else { 0 };
            assert_eq!(parts.iter().map(Module::num_params).sum::<usize>(), model.num_params() + twice);
            let joined = crate::Transformer::from_stages(parts.into());
            assert_eq!((joined.num_params(), joined.blocks.len()), (model.num_params(), layers));
        }
    }
}
