//! The first segment, forward and back.

use burn::{module::Module, tensor::Tensor};
use hearth_model::{Transformer, TransformerBlock};
use hearth_wgsl::{add_embedding_gradient, vjp};

use super::{
    Walk,
    blocks::WalkState,
    boundary::boundary,
    sink::Sink,
    tape::{fetch, is_trained},
};

impl Walk {
    /// The embedding, forward.
    pub(crate) fn embed<B: TransformerBlock>(&self, model: &Transformer<B>, state: &WalkState<B>) -> Tensor<3> {
        let embedding = fetch(&model.embedding, self.policy.embedding, &self.device).valid();
        let x_btc = embedding.forward(state.inputs.clone(), &state.frame, state.embedding_key());
        boundary(&self.device);
        x_btc
    }

    /// The embedding, backward: from the gradient of its output to those of its parameters. One that is frozen is left
    /// alone.
    pub(crate) fn backward_embedding<B: TransformerBlock>(
        &self,
        model: &Transformer<B>,
        state: WalkState<B>,
        gradient_btc: Tensor<3>,
        sink: &mut Sink,
    ) {
        if !is_trained(&model.embedding) {
            return;
        }
        let embedding = fetch(&model.embedding, self.policy.embedding, &self.device);
        // The tape begins after the look-up: the table's gradient is added to what the head has left of it.
        let vectors = embedding.valid().tokens.rows(state.inputs.clone()).autodiff().require_grad();
        let placed = embedding.place(vectors.clone(), &state.frame, state.embedding_key());
        let mut gradients = vjp(placed, gradient_btc);
        let gradient_btc = vectors.grad_remove(&mut gradients).expect("the stream depends on the tokens");
        for (shard, ids) in embedding.tokens.shards_with_ids().filter(|(shard, _)| shard.is_require_grad()) {
            let half = sink.take_tied_half(shard.id);
            let gradient = add_embedding_gradient(half, state.inputs.clone(), gradient_btc.clone(), ids);
            sink.add(shard.id, gradient, self.policy.embedding);
        }
        sink.add_all(&mut gradients, &embedding.positions, self.policy.embedding);
        sink.complete(&embedding);
        boundary(&self.device);
    }
}
