//! What all blocks of one pass share and no block learns: the positions at hand, their tokens, rotations and documents.

use burn::tensor::{Device, Int, Tensor};
use hearth_wgsl::Key;

use crate::{Rotation, TransformerConfig, rope::Rope};

/// Where each position of a batch stands, and which others it may attend to.
///
/// Made once for a shape and reused by every block and every step of that shape. On the device without autodiff.
#[derive(Clone, Debug)]
pub struct Frame {
    /// The first position.
    pub(crate) start: usize,
    /// `[B, T]` where they are not consecutive from `start` on.
    pub(crate) positions: Option<Tensor<2, Int>>,
    /// `[B, T]`: for rows of several documents, a number for each.
    pub(crate) documents: Option<Tensor<2, Int>>,
    /// The rotations of blocks that rotate by `rope_base`.
    rope: Option<Rope>,
    /// The rotations of blocks that rotate by `local_rope_base`.
    local_rope: Option<Rope>,
    /// `[B, T]`: the ids, where blocks are to look something up for them.
    pub(crate) tokens: Option<Tensor<2, Int>>,
    /// Weight of the loss that balances experts, for each position.
    pub(crate) balance: f64,
    /// Where the masks of adapters' dropout come from, in the block at hand.
    adapter_key: Option<Key>,
}

impl Frame {
    /// For queries at the positions `start .. start + time` that attend to the keys `0 .. start + time`.
    ///
    /// # Panics
    /// If `start + time` exceeds the model's context length, or its heads have no channels, which
    /// [`TransformerConfig::validate`] would have said.
    #[track_caller]
    pub fn new(config: &TransformerConfig, start: usize, time: usize, device: &Device) -> Self {
        let TransformerConfig { context_length, width, heads, .. } = config;
        assert!(config.head_width() > 0, "frame: model.heads = {heads} of width {width}: a head must have channels");
        let end = start.saturating_add(time);
        assert!(end <= *context_length, "{time} tokens from position {start} exceed the context of {context_length}");
        let device = &device.clone().without_autodiff();
        let rope = |rotation: Rotation| {
            let wanted = (0..config.layers).any(|layer| config.rotation(layer) == Some(rotation));
            wanted.then(|| Rope::new(config, rotation, start..end, device))
        };
        let [rope, local_rope] = [Rotation::Global, Rotation::Local].map(rope);
        Self {
            start,
            positions: None,
            documents: None,
            rope,
            local_rope,
            tokens: None,
            balance: 0.0,
            adapter_key: None,
        }
    }

    /// The same frame with the ids `[B, T]` of its positions, as blocks with value embeddings need it.
    pub fn with_tokens(self, tokens_bt: Tensor<2, Int>) -> Self {
        Self { tokens: Some(tokens_bt), ..self }
    }

    /// The same frame, in which the loss that balances experts (E sum f P, 1 where they are evenly busy) weighs so much for each
    /// position.
    pub fn with_balance(self, balance: f64) -> Self {
        Self { balance, ..self }
    }

    /// The rotations of such blocks.
    pub(crate) fn rope(&self, rotation: Rotation) -> &Rope {
        let rope = match rotation {
            Rotation::Global => &self.rope,
            Rotation::Local => &self.local_rope,
        };
        rope.as_ref().expect("frame: made for a model whose blocks do not rotate so")
    }

    /// The frame of rows that hold several documents: each attends to itself alone, and its positions begin at 0.
    ///
    /// `self` is the frame of plain rows of the same `T` from position 0. `documents_bt` `[B, T]` has a number for each
    /// document of a row, `positions_bt` `[B, T]` the positions within it, below `T`.
    pub fn packed(&self, documents_bt: Tensor<2, Int>, positions_bt: Tensor<2, Int>) -> Self {
        Self {
            rope: self.rope.as_ref().map(|rope| rope.at(positions_bt.clone())),
            local_rope: self.local_rope.as_ref().map(|rope| rope.at(positions_bt.clone())),
            start: 0,
            documents: Some(documents_bt),
            positions: Some(positions_bt),
            tokens: self.tokens.clone(),
            balance: self.balance,
            adapter_key: None,
        }
    }

    /// The frame of a block whose dropout has this key.
    pub(crate) fn for_adapters(&self, key: Option<Key>) -> Self {
        Self { adapter_key: key, ..self.clone() }
    }

    /// Where the masks of the adapters of one place in a block come from: queries, keys and values have 0, the feed-forward network 1, what
    /// attention gives 2. The block itself drops at 0 and 1.
    pub(crate) fn adapter_key(&self, place: u64) -> Option<Key> {
        self.adapter_key.map(|key| key.fold_in(2 + place))
    }
}
