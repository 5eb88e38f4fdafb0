//! Memory that a step may take, and how it is saved.

use std::ops::Range;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::walk::{Activations, Placement, Policy, Segment};

/// Memory that a step may take, and how it is saved. `memory = "recompute"` is short for `memory.policy = "recompute"`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct MemoryConfig {
    /// What is held for the backward pass: `auto` (default), `keep`, `recompute` or `offload`.
    pub policy: PolicyKind,
    /// Device memory that a step may take, in MiB. 0 (default): nine tenths of what the device has, where that can be
    /// known.
    pub budget_mib: u64,
    /// Blocks that are recomputed together, under `recompute` and `offload`. Default 1.
    pub group: usize,
    /// Where parameters and optimizer state live, `device` (default) or `host`; under `auto` the planner decides.
    pub parameters: Placement,
    /// Segments that have a policy of their own; not under `auto`. Default: none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub segments: Vec<SegmentRule>,
}

/// What is held for the backward pass, or that the planner decides it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum PolicyKind {
    /// The planner: the fastest that fits. It may lower `batch.micro_batch`, and raises `batch.accumulation` for it.
    #[default]
    Auto,
    /// Everything is kept.
    Keep,
    /// Blocks are computed again in the backward pass.
    Recompute,
    /// As `recompute`, with their inputs in host memory.
    Offload,
}

/// The policy of one segment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SegmentRule {
    /// The segment: `embedding`, `head`, `blocks.N` or `blocks.N-M`.
    pub segment: String,
    /// What is held of its blocks: `keep`, `recompute` or `offload`. Default: what `policy` says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activations: Option<Activations>,
    /// Where its parameters live: `device` or `host`. Default: what `parameters` says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<Placement>,
}

impl Default for MemoryConfig {
    fn default() -> Self {
        Self { policy: PolicyKind::Auto, budget_mib: 0, group: 1, parameters: Placement::Device, segments: Vec::new() }
    }
}

impl MemoryConfig {
    /// The policy for a model of `layers` blocks; `None` where the planner decides.
    ///
    /// # Errors
    /// The field, its value and what is wrong with it, as one sentence.
    pub fn policy(&self, layers: usize) -> Result<Option<Policy>, String> {
        if self.group == 0 {
            return Err("memory.group = 0: must be at least 1".into());
        }
        let activations = match self.policy {
            PolicyKind::Auto if self.segments.is_empty() => return Ok(None),
            PolicyKind::Auto => {
                return Err("memory.segments: set memory.policy to keep, recompute or offload beside it, for auto \
                            decides every segment itself"
                    .into());
            }
            PolicyKind::Keep => Activations::Keep,
            PolicyKind::Recompute => Activations::Recompute,
            PolicyKind::Offload => Activations::Offload,
        };
        let mut policy = Policy { embedding: self.parameters, segments: Vec::new(), head: self.parameters };
        for rule in &self.segments {
            let parameters = rule.parameters.unwrap_or(self.parameters);
            match rule.segment.as_str() {
                "embedding" => policy.embedding = rule.for_parameters_alone(parameters)?,
                "head" => policy.head = rule.for_parameters_alone(parameters)?,
                _ => {
                    let blocks = rule.blocks(layers, &policy.segments)?;
                    let activations = rule.activations.unwrap_or(activations);
                    policy.segments.push(Segment { blocks, activations, parameters });
                }
            }
        }
        policy.segments = self.fill(policy.segments, layers, activations);
        Ok(Some(policy))
    }

    /// All blocks in order: the segments that rules name, and groups of the others between them.
    fn fill(&self, mut ruled: Vec<Segment>, layers: usize, activations: Activations) -> Vec<Segment> {
        ruled.sort_by_key(|segment| segment.blocks.start);
        let groups = |start: usize, end: usize| {
            let groups = Policy::uniform(end - start, self.group, activations, self.parameters).segments.into_iter();
            groups.map(move |it| Segment { blocks: it.blocks.start + start..it.blocks.end + start, ..it })
        };
        let mut segments = Vec::new();
        let mut next = 0;
        for segment in ruled {
            segments.extend(groups(next, segment.blocks.start));
            next = segment.blocks.end;
            segments.push(segment);
        }
        segments.extend(groups(next, layers));
        segments
    }
}

impl SegmentRule {
    /// `parameters`, for a segment that has nothing else to choose for.
    fn for_parameters_alone(&self, parameters: Placement) -> Result<Placement, String> {
        match self.activations {
            None => Ok(parameters),
            Some(_) => Err(self.refuse("has no activations to choose for, only parameters".into())),
        }
    }

    /// The blocks that the rule is for: blocks of a model of `layers`, and none of those that `others` are for.
    fn blocks(&self, layers: usize, others: &[Segment]) -> Result<Range<usize>, String> {
        let numbers = self.segment.strip_prefix("blocks.").and_then(|text| {
            let (first, last) = text.split_once('-').unwrap_or((text, text));
            Some((first.parse::<usize>().ok()?, last.parse::<usize>().ok()?))
        });
        let Some((first, last)) = numbers else {
            return Err(self.refuse("is no segment: give embedding, head, blocks.N or blocks.N-M".into()));
        };
        if first > last || last >= layers {
            return Err(self.refuse(format!("is not there: this model has blocks.0 to blocks.{}", layers - 1)));
        }
        if let Some(other) = others.iter().find(|it| it.blocks.start <= last && first < it.blocks.end) {
            let (start, end) = (other.blocks.start, other.blocks.end - 1);
            return Err(self.refuse(format!("overlaps the segment of blocks {start} to {end}")));
        }
        Ok(first..last + 1)
    }

    fn refuse(&self, reason: String) -> String {
        format!("memory.segments: \"{}\" {reason}", self.segment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(segment: &str, activations: Option<Activations>, parameters: Option<Placement>) -> SegmentRule {
        SegmentRule { segment: segment.into(), activations, parameters }
    }

    #[test]
    fn rules_stand_between_groups_of_the_rest() {
        let config = MemoryConfig {
            policy: PolicyKind::Recompute,
            group: 2,
            segments: vec![
                rule("blocks.3-4", Some(Activations::Keep), None),
                rule("blocks.0", None, Some(Placement::Host)),
                rule("head", None, Some(Placement::Host)),
            ],
            ..MemoryConfig::default()
        };
        let policy = config.policy(7).unwrap().unwrap();
        let found: Vec<_> =
            policy.segments.iter().map(|it| (it.blocks.clone(), it.activations, it.parameters)).collect();
        assert_eq!(
            found,
            [
                (0..1, Activations::Recompute, Placement::Host),
                (1..3, Activations::Recompute, Placement::Device),
                (3..5, Activations::Keep, Placement::Device),
                (5..7, Activations::Recompute, Placement::Device),
            ]
        );
        assert_eq!((policy.embedding, policy.head), (Placement::Device, Placement::Host));
    }

    #[test]
    fn segments_that_are_not_there_are_refused() {
        let error = |policy: PolicyKind, segments: Vec<SegmentRule>| {
            MemoryConfig { policy, segments, ..MemoryConfig::default() }.policy(4).unwrap_err()
        };
        let one = |segment: &str| error(PolicyKind::Keep, vec![rule(segment, Some(Activations::Keep), None)]);
        assert_eq!(one("blocks.4"), "memory.segments: \"blocks.4\" is not there: this model has blocks.0 to blocks.3");
        assert!(one("blocks.2-9").contains("blocks.0 to blocks.3"));
        assert!(one("blocks.3-2").contains("is not there"));
        for nonsense in ["block.1", "blocks.", "blocks.-1", "blocks.1-x", "tail"] {
            assert!(one(nonsense).contains("is no segment"), "{nonsense}");
        }
        assert!(one("head").contains("only parameters"));
        let both = vec![rule("blocks.0-2", None, None), rule("blocks.2", None, None)];
        assert!(error(PolicyKind::Keep, both.clone()).contains("overlaps the segment of blocks 0 to 2"));
        assert!(error(PolicyKind::Auto, both).contains("auto decides every segment itself"));
    }
}
