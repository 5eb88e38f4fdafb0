//! tiktoken's rank files: a line a token, `base64 rank`, in the order in which BPE learned them.

use std::collections::HashMap;

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::Value;

use super::rank_families::Family;
use crate::DataError;
use crate::tokenizer::byte_level::{ByteLevelBpe, END_OF_TEXT, spell};
use crate::tokenizer::fault::broken;

/// Whether `line` is a token with its rank.
pub(super) fn is_rank(line: &str) -> bool {
    token_and_rank(line).is_some()
}

/// The `tokenizer.json` of a rank file's `text`. What it does not say, how a text is cut into words and which special
/// tokens there are, is that of the family that has these ranks; with a `pattern`, `<|endoftext|>` is the id after the
/// last rank. None where the family is not known and there is no `pattern`.
///
/// # Errors
/// When a line is no token with its rank, ranks are missing or stand there twice, a token does, or one of the 256 bytes
/// is no token.
pub(super) fn parse(text: &str, pattern: Option<&str>) -> Result<Option<Value>, DataError> {
    let ranked = ranked_tokens(text)?;
    let family = Family::of(&ranked);
    check_ranks(&ranked, family)?;
    let mut ranks = HashMap::with_capacity(ranked.len());
    for (rank, token) in &ranked {
        if let Some(first) = ranks.insert(token.as_slice(), *rank) {
            return Err(broken(format!("ranks {first} and {rank} are the same token")));
        }
    }
    if let Some(byte) = (0..=u8::MAX).find(|&byte| !ranks.contains_key([byte].as_slice())) {
        return Err(broken(format!("byte {byte:#04x} has no rank")));
    }
    let next = ranked.len() as u32;
    let (specials, pattern) = match (pattern, family) {
        (Some(pattern), _) => (vec![(END_OF_TEXT.to_owned(), next)], pattern),
        (None, Some(family)) => (family.specials(), family.pattern()),
        (None, None) => return Ok(None),
    };

    let merges = ranked.iter().filter_map(|(rank, token)| {
        let middle = last_merge(token, *rank, &ranks)?;
        Some((spell(&token[..middle]), spell(&token[middle..])))
    });
    let vocabulary = ranked.iter().map(|(rank, token)| (spell(token), *rank)).collect();
    let bpe = ByteLevelBpe { vocabulary, merges: merges.collect(), specials, pattern, whole_words: true };
    Ok(Some(bpe.tokenizer_json()))
}

/// The tokens with their ranks, rising.
fn ranked_tokens(text: &str) -> Result<Vec<(u32, Vec<u8>)>, DataError> {
    let mut ranked = Vec::new();
    for (line, number) in text.lines().zip(1..).filter(|(line, _)| !line.trim().is_empty()) {
        ranked.push(token_and_rank(line).ok_or_else(|| broken(format!("line {number} is not `base64 rank`")))?);
    }
    ranked.sort_unstable();
    Ok(ranked)
}

fn token_and_rank(line: &str) -> Option<(u32, Vec<u8>)> {
    let (token, rank) = line.trim_end().split_once(' ')?;
    let token = BASE64_STANDARD.decode(token).ok().filter(|token| !token.is_empty())?;
    Some((rank.parse().ok()?, token))
}

/// Ranks run from 0 without a gap, but where a family has a special token among them.
fn check_ranks(ranked: &[(u32, Vec<u8>)], family: Option<Family>) -> Result<(), DataError> {
    let gaps: Vec<u32> = family.map(Family::specials).into_iter().flatten().map(|(_, id)| id).collect();
    let mut expected = 0;
    for (rank, _) in ranked {
        while gaps.contains(&expected) && *rank > expected {
            expected += 1;
        }
        if *rank != expected {
            let fault = if *rank < expected { "stands there twice" } else { "is missing" };
            return Err(broken(format!("rank {} {fault}", expected.min(*rank))));
        }
        expected += 1;
    }
    Ok(())
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
