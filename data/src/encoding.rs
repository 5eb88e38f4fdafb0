//! What the first bytes of a text say of its encoding.

/// UTF-8's byte order mark, as programs for Windows write it. It is no part of the text.
pub(crate) const BYTE_ORDER_MARK: &str = "\u{feff}";

/// Bytes in which every second one must be NUL where no mark names the encoding.
const JUDGED_BYTES: usize = 64;

/// Name of the encoding of two or four bytes a character that `head`, the first bytes of a text, is in: by its byte order
/// mark, or by the NUL beside each Latin letter. None where it may be UTF-8.
pub(crate) fn wide_encoding(head: &[u8]) -> Option<&'static str> {
    match head {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => Some("UTF-32"),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Some("UTF-16"),
        _ => every_second_is_nul(&head[..head.len().min(JUDGED_BYTES)]).then_some("UTF-16"),
    }
}

fn every_second_is_nul(head: &[u8]) -> bool {
    let nul_at = |parity| head.iter().enumerate().all(|(at, &byte)| (byte == 0) == (at % 2 == parity));
    head.len() >= 4 && (nul_at(0) || nul_at(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_encodings_are_known_with_and_without_a_mark() {
        let utf16 = |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_le_bytes).collect() };
        let swapped = |bytes: Vec<u8>| -> Vec<u8> { bytes.chunks(2).flat_map(|pair| [pair[1], pair[0]]).collect() };
        for text in ["\u{feff}中文", "plain words\n", "\u{feff}"] {
            assert_eq!(wide_encoding(&utf16(text)), Some("UTF-16"), "{text:?}");
            assert_eq!(wide_encoding(&swapped(utf16(text))), Some("UTF-16"), "{text:?}");
        }
        assert_eq!(wide_encoding(b"\xff\xfe\0\0a\0\0\0"), Some("UTF-32"));
        assert_eq!(wide_encoding(b"\0\0\xfe\xff\0\0\0a"), Some("UTF-32"));
        for text in ["", "a", "a\0", "\u{feff}text", "text", "a\0\0\0", "é"] {
            assert_eq!(wide_encoding(text.as_bytes()), None, "{text:?}");
        }
    }
}
