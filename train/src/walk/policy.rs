//! What a walk spends memory on: policies, one for each segment.

use std::{fmt, ops::Range};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a segment's forward pass saves for its backward pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Activations {
    /// The segment's tape: the fastest.
    #[default]
    Keep,
    /// The segment's input alone; the backward pass runs the segment again first (Chen et al. 2016, arXiv 1604.06174).
    Recompute,
    /// As `recompute`, with the input in host memory. Not in a browser, where nothing can wait for it.
    Offload,
}

/// Where a segment's parameters, their gradients and their optimizer state live.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Placement {
    /// On the device that runs the segment.
    #[default]
    Device,
    /// In host memory: a copy is uploaded when the walk arrives and dropped when it moves on, and the update is done on
    /// the CPU (as ZeRO-Offload does, arXiv 2101.06840). Not in a browser, as with `offload`.
    Host,
}

/// Consecutive blocks that the walk treats as one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Segment {
    /// Numbers of the blocks.
    pub blocks: Range<usize>,
    /// What is saved for the backward pass.
    pub activations: Activations,
    /// Where the parameters live.
    pub parameters: Placement,
}

/// The policies of a whole model. The segments cover all blocks, in order.
///
/// The embedding and the head save nothing for the backward pass beyond their input, so only their place can be chosen.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// Where the embedding lives, and a tied head's matrix with it.
    pub embedding: Placement,
    /// Segments of the blocks.
    pub segments: Vec<Segment>,
    /// Where the final norm lives, and the head's matrix if it has one of its own.
    pub head: Placement,
}

impl Policy {
    /// A policy with segments of `group` blocks, all alike, and every parameter in one place.
    pub fn uniform(layers: usize, group: usize, activations: Activations, parameters: Placement) -> Self {
        let segments = (0..layers).step_by(group.max(1)).map(|start| Segment {
            blocks: start..layers.min(start + group.max(1)),
            activations,
            parameters,
        });
        Self { embedding: parameters, segments: segments.collect(), head: parameters }
    }

    /// The policy that keeps every tape, and everything on the device.
    pub fn keep(layers: usize) -> Self {
        Self::uniform(layers, 1, Activations::Keep, Placement::Device)
    }

    /// The policies with all segments alike that keep every parameter on the device, from the fastest to the smallest.
    pub fn on_device(layers: usize) -> Vec<Self> {
        let recompute = |group| Self::uniform(layers, group, Activations::Recompute, Placement::Device);
        vec![Self::keep(layers), recompute(layers.isqrt().max(1)), recompute(1)]
    }

    /// The policy of a part of the model that has these blocks: see `Transformer::stage`.
    pub fn part(&self, blocks: &Range<usize>) -> Self {
        let of_part = |segment: &Segment| {
            let (start, end) = (segment.blocks.start.max(blocks.start), segment.blocks.end.min(blocks.end));
            (start < end).then(|| Segment { blocks: start - blocks.start..end - blocks.start, ..segment.clone() })
        };
        Self { segments: self.segments.iter().filter_map(of_part).collect(), ..self.clone() }
    }

    /// Number of blocks that the segments cover.
    pub fn blocks(&self) -> usize {
        self.segments.last().map_or(0, |segment| segment.blocks.end)
    }

    /// Whether any parameter lives in host memory.
    pub fn uses_host(&self) -> bool {
        let places =
            [self.embedding, self.head].into_iter().chain(self.segments.iter().map(|segment| segment.parameters));
        places.into_iter().any(|place| place == Placement::Host)
    }

    /// Where block `layer` lives.
    pub(super) fn block(&self, layer: usize) -> Placement {
        let segment = self.segments.iter().find(|segment| segment.blocks.contains(&layer));
        segment.expect("a policy covers all blocks").parameters
    }
}

impl fmt::Display for Policy {
    /// As in `recompute 8 of 12 blocks in groups of 2, keep 4 of 12 blocks, head on the host`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let layers = self.blocks();
        let mut parts = Vec::new();
        for kind in [Activations::Recompute, Activations::Offload, Activations::Keep] {
            let of_kind: Vec<&Segment> = self.segments.iter().filter(|segment| segment.activations == kind).collect();
            let blocks: usize = of_kind.iter().map(|segment| segment.blocks.len()).sum();
            let longest = of_kind.iter().map(|segment| segment.blocks.len()).max().unwrap_or(0);
            if blocks == 0 {
                continue;
            }
            // What is kept is kept block by block, however the segments are cut.
            let groups = match kind {
                Activations::Recompute | Activations::Offload if longest > 1 => format!(" in groups of {longest}"),
                _ => String::new(),
            };
            parts.push(format!("{kind} {blocks} of {layers} blocks{groups}"));
        }
        let on_host: usize =
            self.segments.iter().filter(|it| it.parameters == Placement::Host).map(|it| it.blocks.len()).sum();
        if on_host > 0 {
            parts.push(format!("parameters of {on_host} blocks on the host"));
        }
        if self.embedding == Placement::Host {
            parts.push("embedding on the host".into());
        }
        if self.head == Placement::Host {
            parts.push("head on the host".into());
        }
        f.write_str(&parts.join(", "))
    }
}

impl fmt::Display for Activations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Keep => "keep",
            Self::Recompute => "recompute",
            Self::Offload => "offload",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_told_in_words() {
        let segment = |blocks, activations| Segment { blocks, activations, parameters: Placement::Device };
        let mut policy = Policy::keep(12);
        assert_eq!(policy.to_string(), "keep 12 of 12 blocks");
        policy.segments = vec![
            segment(0..4, Activations::Keep),
            segment(4..6, Activations::Recompute),
            segment(6..12, Activations::Offload),
        ];
        policy.head = Placement::Host;
        assert_eq!(
            policy.to_string(),
            "recompute 2 of 12 blocks in groups of 2, offload 6 of 12 blocks in groups of 6, keep 4 of 12 blocks, \
             head on the host"
        );
    }

    /// Every policy's sentence names each kind once, and the numbers of blocks add up.
    #[test]
    fn the_words_account_for_every_block() {
        let kinds = [Activations::Keep, Activations::Recompute, Activations::Offload];
        for number in 0..3usize.pow(4) * 8 {
            // Four segments, of one block or two, each of any kind.
            let (mut segments, mut start) = (Vec::new(), 0);
            for at in 0..4 {
                let length = 1 + (((number / 81) >> at.min(2)) & 1);
                let activations = kinds[number / 3usize.pow(at as u32) % 3];
                segments.push(Segment { blocks: start..start + length, activations, parameters: Placement::Device });
                start += length;
            }
            let policy = Policy { embedding: Placement::Device, segments, head: Placement::Device };
            let text = policy.to_string();
            let mut told = 0;
            for part in text.split(", ") {
                let words: Vec<&str> = part.split(' ').collect();
                assert_eq!(words[2..5], ["of", start.to_string().as_str(), "blocks"], "{text}");
                let of_kind = policy.segments.iter().filter(|it| it.activations.to_string() == words[0]);
                let grouped = words[0] != "keep" && of_kind.map(|it| it.blocks.len()).max() == Some(2);
                assert_eq!(part.ends_with(" in groups of 2"), grouped, "{text}");
                told += words[1].parse::<usize>().unwrap();
            }
            assert_eq!(told, policy.blocks(), "{text}");
        }
    }
}
