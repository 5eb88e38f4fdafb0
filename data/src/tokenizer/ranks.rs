//! tiktoken's rank files: a line a token, `base64 rank`, in the order in which BPE learned them.

use std::collections::HashMap;

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::Value;

use super::byte_level::{spell, tokenizer_json};
use super::fault::broken;
use crate::DataError;

/// The `tokenizer.json` of a rank file's `text`, with GPT-2's word splitting and `<|endoftext|>` as the id after the
/// last rank.
///
/// # Errors
/// When a line is no token with its rank, the ranks are not `0..n`, each once, a token stands there twice, or one of
/// the 256 bytes is no token.
pub(super) fn parse(text: &str) -> Result<Value, DataError> {
    let tokens = tokens_by_rank(text)?;
    let mut ranks = HashMap::with_capacity(tokens.len());
    for (rank, token) in (0..).zip(&tokens) {
        if let Some(first) = ranks.insert(token.as_slice(), rank) {
            return Err(broken(format!("ranks {first} and {rank} are the same token")));
        }
    }
    if let Some(byte) = (0..=u8::MAX).find(|&byte| !ranks.contains_key([byte].as_slice())) {
        return Err(broken(format!("byte {byte:#04x} has no rank")));
    }

    let merges = (0..).zip(&tokens).filter_map(|(rank, token)| {
        let middle = last_merge(token, rank, &ranks)?;
        Some((spell(&token[..middle]), spell(&token[middle..])))
    });
    let vocabulary = (0..).zip(&tokens).map(|(rank, token)| (spell(token), rank));
    Ok(tokenizer_json(vocabulary, merges.collect(), tokens.len() as u32, true))
}

fn tokens_by_rank(text: &str) -> Result<Vec<Vec<u8>>, DataError> {
    let mut ranked = Vec::new();
    for (line, number) in text.lines().zip(1..).filter(|(line, _)| !line.trim().is_empty()) {
        ranked.push(token_and_rank(line).ok_or_else(|| broken(format!("line {number} is not `base64 rank`")))?);
    }
    ranked.sort_unstable();
    for (expected, (rank, _)) in (0..).zip(&ranked) {
        if *rank != expected {
            let fault = if *rank < expected { "stands there twice" } else { "is missing" };
            return Err(broken(format!("rank {} {fault}", expected.min(*rank))));
        }
    }
    Ok(ranked.into_iter().map(|(_, token)| token).collect())
}

fn token_and_rank(line: &str) -> Option<(u32, Vec<u8>)> {
    let (token, rank) = line.trim_end().split_once(' ')?;
    let token = BASE64_STANDARD.decode(token).ok().filter(|token| !token.is_empty())?;
    Some((rank.parse().ok()?, token))
}

/// Where the merge that makes `token` joins its two halves: what BPE with the ranks below `rank` leaves of its bytes.
/// None for a single byte, and for a token that these merges do not lead to.
fn last_merge(token: &[u8], rank: u32, ranks: &HashMap<&[u8], u32>) -> Option<usize> {
    let mut cuts: Vec<usize> = (0..=token.len()).collect();
    while cuts.len() > 3 {
        let merged = |at: &usize| ranks.get(&token[cuts[at - 1]..cuts[at + 1]]).filter(|&&merged| merged < rank);
        let best = (1..cuts.len() - 1).filter(|at| merged(at).is_some()).min_by_key(merged)?;
        cuts.remove(best);
    }
    (cuts.len() == 3).then(|| cuts[1])
}
