//! Files of tokenizers, whose content says what they are: `tokenizer.json`, SentencePiece's models, tiktoken's ranks.

#![no_main]

use hearth_data::{TextStream, Tokenizer, TokenizerOptions};
use libfuzzer_sys::fuzz_target;

const TEXT: &str =
    "To be, or not to be:\n  that's 12345 caf\u{e9}s \u{4e2d}\u{6587} \u{1f600}</s><|endoftext|> \u{2581}x";
/// For ranks, which have none.
const PATTERN: &str = r"\p{L}+| ?\p{N}{1,3}|\s+|[^\s\p{L}\p{N}]+";

fuzz_target!(|data: &[u8]| {
    let path = hearth_fuzz::file("tokenizer.json", data);
    let options = TokenizerOptions { pattern: Some(PATTERN.to_owned()), end_of_text: None };
    let Ok(tokenizer) = Tokenizer::open(path, &options) else { return };
    let size = tokenizer.vocab_size();
    for ids in [tokenizer.encode(TEXT), tokenizer.encode_with_special(TEXT), tokenizer.encode_rest(TEXT)] {
        let Ok(ids) = ids else { continue };
        assert!(ids.iter().all(|&id| (id as usize) < size), "{ids:?} of {size}");
        let _ = tokenizer.decode(&ids);
        let Ok(mut stream) = TextStream::after(&tokenizer, &ids[..ids.len() / 2]) else { continue };
        ids[ids.len() / 2..].iter().for_each(|&id| drop(stream.push(id)));
        let _ = stream.finish();
    }
    let _ = (tokenizer.may_cut(&TEXT[..21], &TEXT[21..]), tokenizer.id_of("a"), tokenizer.decode(&[0, 7, u32::MAX]));
    assert!(tokenizer.end_of_text().is_none_or(|id| (id as usize) < size));
    let saved: Tokenizer = serde_json::from_str(&serde_json::to_string(&tokenizer).unwrap()).unwrap();
    assert_eq!((saved.hash(), saved.encode(TEXT).ok()), (tokenizer.hash(), tokenizer.encode(TEXT).ok()));
});
