//! All ways to cut a step, and those of them that nothing beats.

use hearth_model::TransformerConfig;

use super::{Cut, PhaseUsage, Subject, size::F32};
use crate::walk::{Activations, Placement, Policy, Segment};

/// A cut, and what it is predicted to take.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Plan {
    /// How the step is cut.
    pub cut: Cut,
    /// Device memory in the phase of the step that takes most.
    pub peak: PhaseUsage,
    /// Seconds of one step.
    pub seconds: f64,
}

impl Plan {
    /// Bytes of device memory at the peak.
    pub fn peak_bytes(&self) -> u64 {
        self.peak.usage.total()
    }
}

/// Share of another plan's memory that a slower plan may take at most, to be worth its time.
const WORTH_IT: f64 = 0.97;

/// Those of these plans that nothing beats in both memory and time, from the smallest to the fastest.
pub(super) fn frontier(mut found: Vec<Plan>) -> Vec<Plan> {
    found.sort_by(|a, b| a.seconds.total_cmp(&b.seconds).then(a.peak_bytes().cmp(&b.peak_bytes())));
    let mut best: Vec<Plan> = Vec::new();
    for plan in found {
        let smaller = |than: &Plan| (plan.peak_bytes() as f64) < WORTH_IT * than.peak_bytes() as f64;
        if best.last().is_none_or(smaller) {
            best.push(plan);
        }
    }
    best.reverse();
    best
}

/// Micro-batches that divide the batch, chunks of logits, and policies.
pub(super) fn cuts(subject: &Subject<'_>, micro_batch: usize, accumulation: usize, apart: bool) -> Vec<Cut> {
    let Subject { model, time, blocks, .. } = subject;
    let batch = micro_batch * accumulation;
    let policies = policies(blocks.len(), apart);
    let mut cuts = Vec::new();
    for rows in (1..=micro_batch).filter(|rows| batch.is_multiple_of(*rows)) {
        for logits_chunk in logits_chunks(model, rows * time) {
            cuts.extend(policies.iter().map(|policy| Cut {
                micro_batch: rows,
                accumulation: batch / rows,
                logits_chunk,
                policy: policy.clone(),
            }));
        }
    }
    cuts
}

/// Positions that fill 32, 8 and 2 MiB of logits; each once.
fn logits_chunks(model: &TransformerConfig, positions: usize) -> Vec<usize> {
    let of_a_position = F32 * model.vocab_size as u64;
    let mut chunks: Vec<usize> =
        [32, 8, 2].map(|mib: u64| ((mib << 20) / of_a_position).clamp(1, positions as u64) as usize).to_vec();
    chunks.dedup();
    chunks
}

/// The last blocks are kept, for their tapes are used first; the others are recomputed in groups. Host memory is used
/// only where it is `apart` from the device's: for all blocks, and then for the embedding and the head too.
fn policies(layers: usize, apart: bool) -> Vec<Policy> {
    use Placement::{Device, Host};
    let places: &[_] = if apart { &[(Device, Device), (Device, Host), (Host, Host)] } else { &[(Device, Device)] };
    let kinds: &[_] = if apart { &[Activations::Recompute, Activations::Offload] } else { &[Activations::Recompute] };
    let mut policies = Vec::new();
    for &(ends, parameters) in places {
        for recomputed in spread(layers) {
            // Groups much longer than the root of their number only cost memory.
            let groups = (1..=recomputed.max(1)).filter(|group| *group == 1 || group * group <= 4 * recomputed);
            for group in groups {
                // With nothing to recompute the kinds are the same.
                for &activations in &kinds[..if recomputed == 0 { 1 } else { kinds.len() }] {
                    let mut segments = Policy::uniform(recomputed, group, activations, parameters).segments;
                    segments.extend((recomputed..layers).map(|block| Segment {
                        blocks: block..block + 1,
                        activations: Activations::Keep,
                        parameters,
                    }));
                    policies.push(Policy { embedding: ends, segments, head: ends });
                }
            }
        }
    }
    policies
}

/// At most 25 numbers from 0 to `layers`, both included.
fn spread(layers: usize) -> Vec<usize> {
    let step = layers.div_ceil(24).max(1);
    let mut numbers: Vec<usize> = (0..layers).step_by(step).collect();
    numbers.push(layers);
    numbers
}
