//! Sliding windows over a text.

use std::ops::Range;

/// A window: its tokens, and those of them that are scored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SlidingWindow {
    pub tokens: Range<usize>,
    pub scored: Range<usize>,
}

/// The windows of `length` tokens over a text of `count`, each `stride` behind the one before. Each scores what none before it
/// did; its own first token, which has none before it, is not scored.
///
/// As in transformers' "Perplexity of fixed-length models".
pub(super) fn sliding_windows(count: usize, length: usize, stride: usize) -> impl Iterator<Item = SlidingWindow> {
    let length = length.max(2);
    let stride = stride.clamp(1, length);
    let last = count.saturating_sub(length).div_ceil(stride);
    (0..=last).map(move |number| {
        let start = number * stride;
        let end = count.min(start + length);
        let before = if number == 0 { 0 } else { start - stride + length };
        SlidingWindow { tokens: start..end, scored: before.max(start + 1).min(end)..end }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scored(count: usize, length: usize, stride: usize) -> Vec<Range<usize>> {
        sliding_windows(count, length, stride).map(|window| window.scored).collect()
    }

    #[test]
    fn each_token_is_scored_once() {
        for (count, length, stride) in
            [(10, 4, 2), (11, 4, 2), (12, 4, 3), (4, 4, 1), (3, 8, 4), (100, 7, 5), (2, 2, 1)]
        {
            let all: Vec<usize> = scored(count, length, stride).into_iter().flatten().collect();
            assert_eq!(all, (1..count).collect::<Vec<_>>(), "{count} {length} {stride}");
            let windows: Vec<_> = sliding_windows(count, length, stride).collect();
            assert!(windows.iter().all(|window| window.tokens.len() <= length && window.tokens.end <= count));
        }
    }

    #[test]
    fn windows_that_stand_apart_leave_their_first_out() {
        assert_eq!(scored(10, 4, 4), [1..4, 5..8, 9..10]);
        // The last has nothing to score.
        assert_eq!(scored(9, 4, 4), [1..4, 5..8, 9..9]);
        assert!(scored(1, 4, 2).iter().all(Range::is_empty));
        assert!(scored(0, 4, 2).iter().all(Range::is_empty));
    }
}
