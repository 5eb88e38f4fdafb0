//! Device memory at one phase of a step, by what it is for.

use std::fmt;

/// Bytes of device memory, by what they are for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// Weights; of segments whose parameters live in host memory, the copies on the device.
    pub parameters: u64,
    /// Gradients in the sink.
    pub gradients: u64,
    /// What the optimizer keeps, as AdamW's two moments.
    pub optimizer: u64,
    /// Inputs of segments that are recomputed.
    pub boundaries: u64,
    /// Tapes that are kept.
    pub tapes: u64,
    /// The segment at work: its tape if it is recomputed, and what its backward pass makes.
    pub live: u64,
    /// Logits and their gradient.
    pub logits: u64,
    /// Rotations of RoPE, and token ids.
    pub constants: u64,
    /// What Burn's pool reserves beyond tensors, and buffers for transfers to the host.
    pub workspace: u64,
}

impl Usage {
    /// Bytes of all parts together.
    pub fn total(&self) -> u64 {
        self.parts().iter().map(|(_, bytes)| bytes).sum()
    }

    /// Each part with its name.
    pub fn parts(&self) -> [(&'static str, u64); 9] {
        [
            ("parameters", self.parameters),
            ("gradients", self.gradients),
            ("optimizer state", self.optimizer),
            ("boundary tensors", self.boundaries),
            ("kept tapes", self.tapes),
            ("live segment", self.live),
            ("logits", self.logits),
            ("constants", self.constants),
            ("workspace", self.workspace),
        ]
    }
}

/// A phase of a step, in the order of the walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Phase {
    /// The forward pass of the blocks from the first number to before the second.
    Forward(usize, usize),
    /// The head with its loss and their gradients.
    Loss,
    /// The backward pass of the block of this number.
    Backward(usize),
    /// The backward pass of the embedding.
    Embedding,
    /// The optimizer's update.
    Update,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Forward(first, end) if end - first == 1 => write!(f, "forward of block {first}"),
            Self::Forward(first, end) => write!(f, "forward of blocks {first} to {}", end - 1),
            Self::Loss => write!(f, "loss"),
            Self::Backward(block) => write!(f, "backward of block {block}"),
            Self::Embedding => write!(f, "backward of the embedding"),
            Self::Update => write!(f, "update"),
        }
    }
}

/// Device memory at one phase of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PhaseUsage {
    /// The phase.
    pub phase: Phase,
    /// What is in memory then, at most.
    pub usage: Usage,
}
