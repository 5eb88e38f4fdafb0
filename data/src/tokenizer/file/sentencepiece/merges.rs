//! The merges of a BPE model, which SentencePiece does not save: it merges what makes the token of the highest score.

use std::cmp::Reverse;
use std::collections::HashMap;

use super::proto::{Kind, Piece};

/// The pairs that make tokens, the most likely token's first; the order within those of one token is Hugging Face's
/// (`generate_merges` of `convert_slow_tokenizer.py` in transformers).
pub(super) fn merges_of(pieces: &[Piece]) -> Vec<(&str, &str)> {
    let of_text = |piece: &&Piece| matches!(piece.kind(), Kind::Normal | Kind::UserDefined);
    let ids: HashMap<&str, usize> =
        pieces.iter().enumerate().filter(|(_, piece)| of_text(piece)).map(|(id, piece)| (piece.text(), id)).collect();
    let mut merges = Vec::new();
    for piece in pieces.iter().filter(|piece| piece.kind() == Kind::Normal) {
        let mut halves: Vec<_> = piece
            .text()
            .char_indices()
            .skip(1)
            .map(|(at, _)| piece.text().split_at(at))
            .filter_map(|(left, right)| Some((*ids.get(left)?, *ids.get(right)?, left, right)))
            .collect();
        halves.sort_unstable();
        merges.extend(halves.into_iter().map(|(_, _, left, right)| (piece.score(), left, right)));
    }
    let characters = |half: &str| half.chars().count();
    merges.sort_by(|a, b| {
        let key = |&(_, left, right): &(f32, &str, &str)| Reverse((characters(left), characters(right)));
        b.0.total_cmp(&a.0).then_with(|| key(a).cmp(&key(b)))
    });
    merges.into_iter().map(|(_, left, right)| (left, right)).collect()
}
