//! The models that are trained, and their data.

use std::fmt;

use hearth_data::{Batch, IGNORED, Packed};
use hearth_model::{Activation, NormKind, Positions, TransformerConfig, preset};

use crate::{
    TrainError,
    walk::{Activations, Placement, Policy, Segment},
};

const ROWS: usize = 3;
const TIME: usize = 37;
const VOCABULARY: usize = 97;

/// A small model, with what some runs use. Every one is trained with micro-batches of plain and of packed rows, with targets
/// that do not count, with the z-loss, clipping and AdamW.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Model {
    /// A Llama with grouped heads 64 wide, QK-norm, a window and a soft-cap; the vocabulary in three shards, logits in
    /// chunks. One block is kept, one recomputed from an input that waited in host memory (not on the web).
    Llama,
    /// A GPT-2 with heads 16 wide, biases, dropout and a tied head; its blocks are recomputed together.
    Gpt2,
    /// A Llama of one block with heads 128 wide.
    Wide,
}

/// How a model is trained.
pub(super) struct Case {
    pub config: TransformerConfig,
    pub steps: u64,
    /// Positions whose logits exist at once.
    pub logits_chunk: usize,
    pub policy: Policy,
}

impl Model {
    /// All models.
    pub const ALL: [Self; 3] = [Self::Llama, Self::Gpt2, Self::Wide];

    pub(super) fn case(self) -> Result<Case, TrainError> {
        let case = match self {
            Self::Llama => Case {
                config: TransformerConfig {
                    kv_heads: 1,
                    head_width: 64,
                    qk_norm: true,
                    sliding_window: vec![8, 0],
                    logit_softcap: Some(15.0),
                    // 33, 33 and 31 rows.
                    vocab_shard_bytes: 33 * 32 * size_of::<f32>(),
                    ..llama()?
                },
                steps: 10,
                logits_chunk: 48,
                policy: mixed(),
            },
            Self::Gpt2 => Case {
                config: TransformerConfig {
                    vocab_size: VOCABULARY,
                    context_length: TIME,
                    layers: 2,
                    width: 64,
                    heads: 4,
                    dropout: 0.1,
                    init_std: 0.1,
                    ..preset("gpt2")?
                },
                steps: 10,
                logits_chunk: ROWS * TIME,
                policy: Policy::uniform(2, 2, Activations::Recompute, Placement::Device),
            },
            Self::Wide => Case {
                config: TransformerConfig { layers: 1, head_width: 128, ..llama()? },
                steps: 3,
                logits_chunk: ROWS * TIME,
                policy: Policy::keep(1),
            },
        };
        Ok(case)
    }
}

impl fmt::Display for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Llama => "llama",
            Self::Gpt2 => "gpt2",
            Self::Wide => "wide",
        })
    }
}

fn llama() -> Result<TransformerConfig, TrainError> {
    Ok(TransformerConfig {
        vocab_size: VOCABULARY,
        context_length: TIME,
        layers: 2,
        width: 32,
        heads: 2,
        kv_heads: 2,
        ffn_width: 96,
        norm: NormKind::Rms,
        positions: Positions::Rope,
        mlp: Activation::Swiglu,
        tied: false,
        init_std: 0.1,
        ..preset("stories260k")?
    })
}

/// The first block kept, the second recomputed.
fn mixed() -> Policy {
    // In a browser nothing can wait for a copy from host memory.
    let recomputed = if cfg!(target_family = "wasm") { Activations::Recompute } else { Activations::Offload };
    let segment =
        |layer: usize, activations| Segment { blocks: layer..layer + 1, activations, parameters: Placement::Device };
    Policy { segments: vec![segment(0, Activations::Keep), segment(1, recomputed)], ..Policy::keep(2) }
}

/// Two micro-batches for a step, of text with some structure and with some targets that do not count: plain rows, and rows
/// of several documents.
pub(super) fn batches(config: &TransformerConfig, step: u64) -> [Batch; 2] {
    let token = |row: usize, at: usize| ((row * 31 + at * at * 7 + at * step as usize * 3) % config.vocab_size) as i32;
    let batch = |first: usize| {
        let positions = || (first..first + ROWS).flat_map(|row| (0..TIME).map(move |at| (row, at)));
        Batch {
            inputs: positions().map(|(row, at)| token(row, at)).collect(),
            targets: positions()
                .map(|(row, at)| if (row + at).is_multiple_of(5) { IGNORED } else { token(row, at + 1) })
                .collect(),
            rows: ROWS,
            time: TIME,
            packing: None,
        }
    };
    [batch(0), Batch { packing: Some(packing()), ..batch(ROWS) }]
}

/// Three documents in each row, the first of which is longer from row to row.
fn packing() -> Packed {
    let mut packed = Packed::default();
    for row in 0..ROWS {
        let ends = [9 + 7 * row, 30, TIME];
        for (document, end) in ends.into_iter().enumerate() {
            let start = if document == 0 { 0 } else { ends[document - 1] };
            packed.documents.extend((start..end).map(|_| document as i32));
            packed.positions.extend((start..end).map(|at| (at - start) as i32));
        }
    }
    packed
}
