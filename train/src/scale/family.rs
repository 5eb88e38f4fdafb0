//! Models of one shape in many sizes.

use std::ops::Range;

use hearth_model::{Flops, ParameterCount, TransformerConfig};

/// Models of one shape: heads are as wide as those of the model that it is of, and blocks as many to the width, rounded.
#[derive(Clone, Copy, Debug)]
pub struct Family<'a> {
    model: &'a TransformerConfig,
}

/// A model of a family.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Member {
    /// Its configuration.
    pub model: TransformerConfig,
    /// Parameters that a token uses: all, but for the experts that it is not sent to.
    pub parameters: f64,
    /// Floating-point operations of training on one token, in windows of `model.context_length`: those that the layers tell.
    pub flops_per_token: f64,
}

impl<'a> Family<'a> {
    /// The family of `model`, which must be valid.
    pub fn of(model: &'a TransformerConfig) -> Self {
        Self { model }
    }

    /// The member with so many heads; the family's own model is the one with as many as it has. It need not be valid.
    pub fn member(&self, heads: usize) -> Member {
        let from = self.model;
        let scaled = |size: usize| (size as f64 * heads as f64 / from.heads as f64).round() as usize;
        // A width that no one divides keeps heads as wide by saying so.
        let width = heads * from.width.checked_div(from.heads).unwrap_or(0).max(1);
        let layers = scaled(from.layers).max(1);
        let set =
            |size: usize, multiple: usize| if size == 0 { 0 } else { scaled(size).max(1).next_multiple_of(multiple) };
        // Groups of heads as large as they were, where the heads can be cut so.
        let group = from.heads / from.kv_heads().max(1);
        let kv_heads = if heads.is_multiple_of(group.max(1)) { heads / group.max(1) } else { heads };
        let model = TransformerConfig {
            layers,
            kv_heads: if from.kv_heads == 0 { 0 } else { kv_heads },
            head_width: from.head_width,
            kv_rank: set(from.kv_rank, 1),
            query_rank: set(from.query_rank, 1),
            ffn_width: set(from.ffn_width, 8),
            expert_width: set(from.expert_width, 8),
            dense_layers: scaled(from.dense_layers).min(layers),
            sliding_window: from.sliding_window.iter().copied().cycle().take(layers).collect(),
            ..from.clone().with_width(width, heads)
        };
        let model = if heads == from.heads { from.clone() } else { model };
        let parameters = ParameterCount::of(&model).active as f64;
        let time = model.context_length;
        let flops_per_token = Flops::per_sequence(&model, time).training / time as f64;
        Member { model, parameters, flops_per_token }
    }

    /// `count` members, of which that with `largest` heads is the largest, and each has about half the parameters of the next,
    /// from the smallest on; none where the family has too few below it.
    pub fn ladder(&self, largest: usize, count: usize) -> Option<Vec<Member>> {
        let top = self.member(largest);
        let mut heads = vec![largest];
        for rung in 1..count {
            let wanted = top.parameters * 0.5_f64.powi(rung as i32);
            let off = |heads: &usize| (self.member(*heads).parameters / wanted).ln().abs();
            // As many must be left as are to come below.
            let (first, end) = (count - rung, heads[rung - 1]);
            let beyond = self.first_of(first..end, wanted);
            let near = (beyond.max(first + 1) - 1..=beyond).filter(|heads| (first..end).contains(heads));
            heads.push(near.min_by(|one, other| off(one).total_cmp(&off(other)))?);
        }
        Some(heads.into_iter().rev().map(|heads| self.member(heads)).collect())
    }

    /// The fewest heads of a range whose member has so many parameters, or the range's end: more heads have more of them.
    fn first_of(&self, range: Range<usize>, parameters: f64) -> usize {
        let (mut first, mut end) = (range.start, range.end);
        while first < end {
            let middle = first + (end - first) / 2;
            if self.member(middle).parameters < parameters { first = middle + 1 } else { end = middle }
        }
        first
    }
}

#[cfg(test)]
mod tests {
    use hearth_model::preset;

    use super::*;

    #[test]
    fn members_keep_head_width_and_aspect() {
        let gpt2 = preset("gpt2").unwrap();
        let family = Family::of(&gpt2);
        assert_eq!(family.member(12).model, gpt2);
        for heads in [1, 3, 8, 25] {
            let Member { model, parameters, flops_per_token } = family.member(heads);
            model.validate().unwrap();
            assert_eq!((model.head_width(), model.width, model.layers), (64, 64 * heads, heads), "{heads}");
            // Attention's scores and the tied head are there as well.
            assert!(flops_per_token > 6.0 * (parameters - 1024.0 * model.width as f64), "{heads}");
        }
    }

    #[test]
    fn what_is_set_stays_in_proportion() {
        let smol = preset("smollm2-135m").unwrap();
        let half = Family::of(&smol).member(6).model;
        half.validate().unwrap();
        assert_eq!((half.width, half.layers, half.kv_heads, half.ffn_width), (384, 20, 2, 1024));
        assert_eq!(Family::of(&smol).member(4).model.kv_heads, 4);
        let windows =
            TransformerConfig { sliding_window: vec![8, 0, 8, 0], ..TransformerConfig::llama(65, 64, 4, 64, 4) };
        let twice = Family::of(&windows).member(6).model;
        twice.validate().unwrap();
        assert_eq!(twice.sliding_window, [8, 0, 8, 0, 8, 0]);
    }

    #[test]
    fn a_ladder_halves_from_step_to_step() {
        let model = TransformerConfig::llama(65, 64, 8, 128, 16);
        let family = Family::of(&model);
        let ladder = family.ladder(32, 5).unwrap();
        assert_eq!(ladder.len(), 5);
        for pair in ladder.windows(2) {
            let ratio = pair[1].parameters / pair[0].parameters;
            assert!((1.6..2.5).contains(&ratio), "{ratio}");
        }
        // Neighbours, where there are no more.
        let heads: Vec<_> = family.ladder(3, 3).unwrap().iter().map(|it| it.model.heads).collect();
        assert_eq!(heads, [1, 2, 3]);
        assert_eq!(family.ladder(3, 4), None);
    }
}
