//! The last segment, forward and back.

use std::ops::Range;

use burn::{
    module::{Module, ParamId},
    tensor::{Int, Tensor},
};
use hearth_model::{Transformer, TransformerBlock};

use super::{
    Walk,
    sink::Sink,
    tape::{Tape, fetch},
};

/// What the head makes of a micro-batch.
pub(crate) struct Top {
    /// Loss summed over the targets that count, `[1]`, nats.
    pub loss: Tensor<1>,
    /// Gradient of the residual stream, `[B, T, C]`.
    pub gradient_btc: Tensor<3>,
    /// The head's half of the gradient of a tied matrix, `[rows, C]` for each shard that is trained; the embedding has the
    /// other half. Empty where the head has a matrix of its own.
    pub tied: Vec<(ParamId, Tensor<2>)>,
}

impl Walk {
    /// The head, forward and back.
    ///
    /// The loss has its gradient in closed form, so only the norm needs a tape. A matrix that is frozen gets no gradient,
    /// and none is computed.
    pub(crate) fn head<B: TransformerBlock>(
        &self,
        model: &Transformer<B>,
        x_btc: Tensor<3>,
        targets: Tensor<1, Int>,
        scale: f64,
        sink: &mut Sink,
    ) -> Top {
        let [b, t, c] = x_btc.dims();
        let norm = fetch(&model.head.norm, self.policy.head, &self.device);
        let normed = Tape::record(norm, x_btc, |norm, x| norm.forward(x));
        let matrix_place = if model.head.output.is_some() { self.policy.head } else { self.policy.embedding };
        let matrix = fetch(model.output(), matrix_place, &self.device);
        let is_trained = matrix.shards.iter().any(|shard| shard.is_require_grad());
        let hidden_nc = normed.output().reshape([b * t, c]);
        let found = match is_trained {
            true => self.loss.loss_and_gradients(hidden_nc, &matrix.values(), targets, scale),
            false => self.loss.loss_and_hidden_gradient(hidden_nc, &matrix.values(), targets, scale),
        };
        let gradient_btc = normed.backward(found.hidden.reshape([b, t, c]), self.policy.head, sink);
        let shards = matrix.shards.iter().zip(found.output);
        let gradients = shards.filter(|(shard, _)| shard.is_require_grad()).map(|(shard, it)| (shard.id, it));
        let mut tied = Vec::new();
        if model.head.output.is_none() {
            tied = gradients.collect();
        } else {
            gradients.for_each(|(id, gradient)| sink.add(id, gradient, matrix_place));
            sink.complete(&matrix);
        }
        Top { loss: found.loss, gradient_btc, tied }
    }

    /// The head forward only, as [`Walk::evaluate`].
    pub(crate) fn head_loss<B: TransformerBlock>(
        &self,
        model: &Transformer<B>,
        x_btc: Tensor<3>,
        targets: Tensor<1, Int>,
    ) -> Tensor<1> {
        let [b, t, c] = x_btc.dims();
        let hidden_nc = model.head.norm.clone().to_device(&self.device).forward(x_btc).reshape([b * t, c]);
        let output = model.output().clone().to_device(&self.device).values();
        self.loss.loss(hidden_nc, &output, targets)
    }

    /// As [`Walk::head_loss`], of positions `spans` of each row by itself, `[B]`. The head runs over no other position.
    pub(crate) fn head_losses<B: TransformerBlock>(
        &self,
        model: &Transformer<B>,
        x_btc: Tensor<3>,
        targets: Tensor<1, Int>,
        spans: &[Range<usize>],
    ) -> Tensor<1> {
        let [_, t, c] = x_btc.dims();
        let runs: Vec<usize> = spans.iter().map(Range::len).collect();
        let counted: usize = runs.iter().sum();
        if counted == 0 {
            return Tensor::zeros([runs.len()], &x_btc.device());
        }
        let of_rows = || spans.iter().enumerate().filter(|(_, span)| !span.is_empty());
        let rows = of_rows().map(|(row, span)| x_btc.clone().narrow(0, row, 1).narrow(1, span.start, span.len()));
        let stream = Tensor::cat(rows.collect(), 1);
        let targets = of_rows().map(|(row, span)| targets.clone().narrow(0, row * t + span.start, span.len()));
        let targets = Tensor::cat(targets.collect(), 0);
        let hidden_nc = model.head.norm.clone().to_device(&self.device).forward(stream).reshape([counted, c]);
        let output = model.output().clone().to_device(&self.device).values();
        self.loss.losses(hidden_nc, &output, targets, &runs)
    }
}
