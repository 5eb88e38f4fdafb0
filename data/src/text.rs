//! Reading a text file whole.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use crate::DataError;
use crate::encoding::{BYTE_ORDER_MARK, wide_encoding};

/// The whole of the UTF-8 text file at `path`, unchanged but for a byte order mark, which is left out.
///
/// # Errors
/// When there is no such file, it is a directory, it cannot be read, it is not UTF-8 (the error names UTF-16, or the
/// byte), or it is empty.
pub fn read_text(path: impl AsRef<Path>) -> Result<String, DataError> {
    let path = path.as_ref();
    // Asked beforehand because platforms differ in the error that reading a directory gives.
    if path.is_dir() {
        return Err(DataError::Directory { path: path.into() });
    }
    let bytes = fs::read(path).map_err(|cause| match cause.kind() {
        ErrorKind::NotFound => DataError::Missing { path: path.into() },
        _ => DataError::Unreadable { path: path.into(), cause },
    })?;
    decode_text(bytes, path)
}

/// The UTF-8 text of `bytes`, which came from `path`; a byte order mark is left out.
///
/// # Errors
/// When it is not UTF-8 (the error names UTF-16, or the byte), or it is empty.
pub fn decode_text(bytes: Vec<u8>, path: impl AsRef<Path>) -> Result<String, DataError> {
    let path = path.as_ref();
    if let Some(encoding) = wide_encoding(&bytes) {
        return Err(DataError::OtherEncoding { path: path.into(), encoding });
    }
    let mut text = String::from_utf8(bytes)
        .map_err(|error| DataError::NotUtf8 { path: path.into(), offset: error.utf8_error().valid_up_to() })?;
    if text.starts_with(BYTE_ORDER_MARK) {
        text.drain(..BYTE_ORDER_MARK.len());
    }
    if text.is_empty() { Err(DataError::EmptyFile { path: path.into() }) } else { Ok(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_text_or_says_what_is_wrong_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            fs::write(&path, bytes).unwrap();
            path
        };

        assert_eq!(read_text(file("good.txt", "né\r\n".as_bytes())).unwrap(), "né\r\n");
        assert!(matches!(read_text(file("empty.txt", b"")), Err(DataError::EmptyFile { .. })));
        assert!(matches!(read_text(file("latin1.txt", b"caf\xe9!")), Err(DataError::NotUtf8 { offset: 3, .. })));
        assert_eq!(read_text(file("mark.txt", b"\xef\xbb\xbfa\xef\xbb\xbf")).unwrap(), "a\u{feff}");
        assert_eq!(decode_text(b"\xef\xbb\xbfa".to_vec(), "standard input").unwrap(), "a");
        let error = decode_text(b"caf\xe9".to_vec(), "standard input").unwrap_err().to_string();
        assert!(error.starts_with("standard input is not UTF-8 from byte 3"), "{error}");
        assert!(matches!(read_text(file("only-mark.txt", b"\xef\xbb\xbf")), Err(DataError::EmptyFile { .. })));
        let error = read_text(file("wide.txt", b"\xff\xfea\0")).unwrap_err().to_string();
        assert!(error.contains("wide.txt is UTF-16") && error.contains("iconv -f UTF-16"), "{error}");
        assert!(matches!(read_text(folder.path()), Err(DataError::Directory { .. })));

        let missing = folder.path().join("missing.txt");
        let error = read_text(&missing).unwrap_err();
        assert!(matches!(&error, DataError::Missing { path } if *path == missing));
        assert!(error.to_string().contains("missing.txt"), "{error}");
    }
}
