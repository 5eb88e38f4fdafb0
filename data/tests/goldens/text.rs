//! Texts on which tokenizers differ.

use proptest::prelude::*;

/// Characters where splitting words is delicate, and any others that Unicode 16 has: `tiktoken-rs` and `tokenizers` have
/// tables of two versions, and what one of them does not know is a letter in the other.
pub fn text() -> impl Strategy<Value = String> {
    let delicate: Vec<_> = "  \n\t\r'slmde0aé\u{a0}\u{3000}!\u{301}²中🙂".chars().map(String::from).collect();
    let character = prop_oneof![3 => prop::sample::select(delicate), 1 => r"\P{Cn}"];
    prop::collection::vec(character, 0..60).prop_map(|characters| characters.concat())
}
