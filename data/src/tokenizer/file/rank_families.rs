//! What rank files do not say of themselves, for those whose content is known.

use crate::tokenizer::byte_level::END_OF_TEXT;
use crate::tokenizer::patterns::{CL100K, GPT2, LLAMA3, O200K};

/// A published rank file, known by its number of ranks and by its first tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    /// GPT-2 and GPT-3.
    R50k,
    /// Codex: GPT-2's with runs of spaces, behind its `<|endoftext|>`.
    P50k,
    /// GPT-3.5 and GPT-4.
    Cl100k,
    /// GPT-4o.
    O200k,
    /// Llama-3 to 3.3: GPT-4's with more behind them.
    Llama3,
}

/// Tokens that tell one family from another, and from a file that has only the number of ranks in common.
const FIRST: usize = 50_000;
/// BLAKE3 of the first tokens, each behind its rank in four bytes, little endian.
const OF_R50K: &str = "d41896bc08aff4bb94bac757feae7cd2808620e5691c2ac2f79ca25ba5e965d8";
const OF_CL100K: &str = "b9e4c27dc43cc3dcea47323483dd94c1f8291c026d7bb34097929cb55c3d668d";
const OF_O200K: &str = "2fdaee0259495bada468faab2f8db5155e595aa682561ec637eca9d40ee007bc";
const LLAMA3_NAMED: [&str; 11] = [
    "<|begin_of_text|>",
    "<|end_of_text|>",
    "<|reserved_special_token_0|>",
    "<|reserved_special_token_1|>",
    "<|finetune_right_pad_id|>",
    "<|reserved_special_token_2|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|eom_id|>",
    "<|eot_id|>",
    "<|python_tag|>",
];
const LLAMA3_RANKS: u32 = 128_000;
const LLAMA3_SPECIALS: usize = 256;

impl Family {
    /// The family that has these `tokens`, which are sorted by rank.
    pub(super) fn of(tokens: &[(u32, Vec<u8>)]) -> Option<Self> {
        let (family, first) = match tokens.len() {
            50_256 => (Self::R50k, OF_R50K),
            50_280 => (Self::P50k, OF_R50K),
            100_256 => (Self::Cl100k, OF_CL100K),
            199_998 => (Self::O200k, OF_O200K),
            128_000 => (Self::Llama3, OF_CL100K),
            _ => return None,
        };
        let mut hasher = blake3::Hasher::new();
        for (rank, token) in &tokens[..FIRST] {
            hasher.update(&rank.to_le_bytes()).update(token);
        }
        (hasher.finalize().to_hex().as_str() == first).then_some(family)
    }

    /// What cuts a text into words.
    pub(super) fn pattern(self) -> &'static str {
        match self {
            Self::R50k | Self::P50k => GPT2,
            Self::Cl100k => CL100K,
            Self::O200k => O200K,
            Self::Llama3 => LLAMA3,
        }
    }

    /// The special tokens with their ids.
    pub(super) fn specials(self) -> Vec<(String, u32)> {
        let named: &[(&str, u32)] = match self {
            Self::R50k | Self::P50k => &[(END_OF_TEXT, 50_256)],
            Self::Cl100k => &[
                (END_OF_TEXT, 100_257),
                ("<|fim_prefix|>", 100_258),
                ("<|fim_middle|>", 100_259),
                ("<|fim_suffix|>", 100_260),
                ("<|endofprompt|>", 100_276),
            ],
            Self::O200k => &[(END_OF_TEXT, 199_999), ("<|endofprompt|>", 200_018)],
            Self::Llama3 => return llama3_specials(),
        };
        named.iter().map(|&(name, id)| (name.to_owned(), id)).collect()
    }
}

/// As `tokenizer.json` of Llama-3.1 names them; those of Llama-3 differ in tokens that it does not use.
fn llama3_specials() -> Vec<(String, u32)> {
    let named = LLAMA3_NAMED.iter().map(|&name| name.to_owned());
    let reserved = (3..).map(|number| format!("<|reserved_special_token_{number}|>"));
    named.chain(reserved).take(LLAMA3_SPECIALS).zip(LLAMA3_RANKS..).collect()
}
