//! Whether walk, model and batch go together: asked on the host, for a device computes something whatever it is given.

use hearth_model::{Transformer, TransformerBlock, TransformerConfig};

use super::{MicroBatch, Walk};

impl Walk {
    /// # Panics
    /// If the walk is of a model with other tables (positions, rotations, vocabulary), or for another number of blocks.
    pub(super) fn check_model<B: TransformerBlock>(&self, operation: &str, model: &Transformer<B>) {
        for ((field, walk), (_, model)) in tables(&self.model).into_iter().zip(tables(model.config())) {
            assert!(walk == model, "{operation}: the walk is of a model with {field} = {walk}, this one has {model}");
        }
        let (covered, blocks) = (self.policy.blocks(), model.blocks.len());
        assert!(covered == blocks, "{operation}: the walk's policy is for {covered} blocks, the model has {blocks}");
    }

    /// # Panics
    /// If the batch has windows of another length than the walk's, or ids beyond the model's vocabulary.
    pub(super) fn check_batch(&self, operation: &str, batch: &MicroBatch) {
        let [rows, time] = batch.inputs.dims();
        assert!(
            time == self.time,
            "{operation}: the batch is [{rows}, {time}], and the walk is for windows of {} tokens",
            self.time
        );
        assert!(
            (batch.largest_id as i64) < self.model.vocab_size as i64,
            "{operation}: the batch has the id {}, and the model's vocabulary has {} ids",
            batch.largest_id,
            self.model.vocab_size
        );
    }
}

/// What a walk's tables are made of, by field.
fn tables(config: &TransformerConfig) -> [(&'static str, String); 13] {
    [
        ("vocab_size", config.vocab_size.to_string()),
        ("context_length", config.context_length.to_string()),
        ("width", config.width.to_string()),
        ("heads", config.heads.to_string()),
        ("head_width", config.head_width().to_string()),
        ("rope_head_width", config.rope_head_width.to_string()),
        ("positions", format!("{:?}", config.positions)),
        ("rope_base", config.rope_base.to_string()),
        ("local_rope_base", format!("{:?}", config.local_rope_base)),
        ("rope_scaling", format!("{:?}", config.rope_scaling)),
        ("rope_layers", format!("{:?}", config.rope_layers)),
        ("rope_layout", format!("{:?}", config.rope_layout)),
        ("logit_softcap", format!("{:?}", config.logit_softcap)),
    ]
}
