use hearth_data::{ReadOptions, Tokenizer};

use super::files::{Folder, gzip, read, separated, texts, zstd};

/// Lines of words, some blank, some indented, some that end in a space.
fn prose(lines: usize) -> String {
    let line = |n: usize| match n % 7 {
        3 => "\n\n".to_owned(),
        5 => format!("    indented {n}, \n"),
        _ => format!("line {n} of a text that's long é 中 🙂, isn't it?\n"),
    };
    (0..lines).map(line).collect()
}

#[test]
fn long_texts_come_in_pieces_that_join_to_the_whole() {
    let folder = Folder::new();
    let text = prose(20_000);
    for (name, bytes) in
        [("a.txt", text.as_bytes().to_vec()), ("a.gz", gzip(text.as_bytes())), ("a.md.zst", zstd(text.as_bytes()))]
    {
        let path = folder.write(name, &bytes);
        let (pieces, _) = read(&[path], ReadOptions::default()).unwrap();
        assert_eq!(texts(&pieces).concat(), text);
        let (last, others) = pieces.split_last().unwrap();
        assert!(last.ends_document && last.bytes_read == bytes.len() as u64);
        // Small in the beginning, a 64th of what came before, and at most 64 KiB.
        let mut before = 0;
        for piece in others {
            let least = (before / 64).clamp(512, 64 << 10);
            assert!(!piece.ends_document && (least..least + 512).contains(&piece.text.len()), "{}", piece.text.len());
            before += piece.text.len();
        }
        assert_ne!(others[0].key, others[1].key);
    }
}

/// However short: each of its pieces may go to validation, while of several texts each short one stays whole.
#[test]
fn a_text_alone_is_split_and_beside_others_it_is_not() {
    let folder = Folder::new();
    let pieces_of = |paths: &[std::path::PathBuf]| read(paths, ReadOptions::default()).unwrap().0;
    for (name, text) in [("a.txt", prose(1_000)), ("b.txt", "a paragraph\n\n".repeat(4_000))] {
        let alone = folder.write(name, text.as_bytes());
        let pieces = pieces_of(std::slice::from_ref(&alone));
        assert_eq!(texts(&pieces).concat(), text);
        assert!(pieces.len() >= 8, "{name}: {}", pieces.len());
        let longer = folder.write("longer.txt", format!("{text}a line\nmore\n").as_bytes());
        let of_longer = pieces_of(&[longer]);
        let unchanged = &pieces[..pieces.len() - 1];
        assert_eq!(texts(unchanged), texts(&of_longer[..unchanged.len()]));
        let other = folder.write("other.txt", prose(20_000).as_bytes());
        let beside = pieces_of(&[alone, other]);
        assert!(beside[0].text == text && beside[0].ends_document);
        let (_, of_other) = beside[1..].split_last().unwrap();
        assert!(of_other.iter().all(|piece| (64 << 10..65 << 10).contains(&piece.text.len())));
    }
}

#[test]
fn pieces_have_the_tokens_of_the_whole() {
    let folder = Folder::new();
    let text = prose(20_000);
    let tokenizer = Tokenizer::train_bpe(std::iter::once(prose(300)), 1_000).unwrap();
    let (pieces, _) = read(&[folder.write("a.txt", text.as_bytes())], ReadOptions::default()).unwrap();
    let by_piece: Vec<u32> = pieces.iter().flat_map(|piece| tokenizer.encode(&piece.text).unwrap()).collect();
    assert_eq!(by_piece, tokenizer.encode(&text).unwrap());
}

#[test]
fn a_text_without_good_places_is_cut_between_characters() {
    let folder = Folder::new();
    for text in ["x中🙂".repeat(700_000), "blank\n\n".repeat(400_000)] {
        let (pieces, faults) = read(&[folder.write("a.txt", text.as_bytes())], ReadOptions::default()).unwrap();
        assert!(texts(&pieces).concat() == text && faults.total() == 0);
        assert!(pieces.len() > 2 && pieces.iter().all(|piece| piece.text.len() <= 2 << 20));
    }
}

#[test]
fn separators_end_documents() {
    let folder = Folder::new();
    let long = prose(3_000);
    let text =
        format!("<|endoftext|>\none\n<|endoftext|> two\r\n<|endoftext|>\r\n<|endoftext|>\n{long}<|endoftext|>\nend");
    let (pieces, _) = read(&[folder.write("a.txt", text.as_bytes())], separated()).unwrap();

    assert_eq!(pieces[0].text, "one\n<|endoftext|> two\r\n");
    assert!(pieces[0].ends_document);
    let (end, of_long) = pieces[1..].split_last().unwrap();
    assert_eq!((texts(of_long).concat(), end.text.as_str()), (long, "end"));
    let (last, others) = of_long.split_last().unwrap();
    assert!(last.ends_document && end.ends_document && !others.is_empty());
    assert!(others.iter().all(|piece| !piece.ends_document && piece.key == last.key));
    assert_ne!(end.key, last.key);
}
