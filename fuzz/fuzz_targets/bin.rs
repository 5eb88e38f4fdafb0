//! `.bin` files of nanoGPT and llm.c, whose documents end with a token.

#![no_main]

use hearth_data::{EndedFiles, TokenFiles, TokenStream};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let path = hearth_fuzz::file("a.bin", data);
    hearth_fuzz::read_tokens(path.clone());
    let Ok(files) = TokenFiles::open(&[path], None) else { return };
    let Ok(ended) = EndedFiles::new(files, 7) else { return };
    let mut expected = 0;
    for document in 0..ended.document_count() {
        let place = ended.document(document).unwrap();
        assert!(place.start == expected && place.start < place.end, "{document}: {place:?}");
        expected = place.end;
    }
    assert_eq!(expected, ended.token_count());
    let _ = ended.content_hash();
});
