//! Headers that no converter writes, with the sentence that each gets.

use std::{fs, path::Path};

use hearth_gguf::{Gguf, GgufFault};

/// Bytes of a header, field by field.
#[derive(Clone, Default)]
pub(crate) struct Bytes(pub(crate) Vec<u8>);

impl Bytes {
    /// A header of version 3.
    pub(crate) fn header(tensors: u64, pairs: u64) -> Self {
        Self(b"GGUF".to_vec()).u32(3).u64(tensors).u64(pairs)
    }

    pub(crate) fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend(bytes);
        self
    }

    pub(crate) fn u32(self, value: u32) -> Self {
        self.raw(&value.to_le_bytes())
    }

    pub(crate) fn u64(self, value: u64) -> Self {
        self.raw(&value.to_le_bytes())
    }

    pub(crate) fn string(self, value: &[u8]) -> Self {
        self.u64(value.len() as u64).raw(value)
    }

    pub(crate) fn tensor(self, name: &str, dimensions: &[u64], code: u32, offset: u64) -> Self {
        let counted = self.string(name.as_bytes()).u32(dimensions.len() as u32);
        dimensions.iter().fold(counted, |bytes, size| bytes.u64(*size)).u32(code).u64(offset)
    }

    /// A pair `a` of this type.
    fn pair(self, code: u32) -> Self {
        self.string(b"a").u32(code)
    }

    /// Data of so many bytes, where the alignment has them.
    fn data(mut self, bytes: usize) -> Self {
        let start = self.0.len().next_multiple_of(32);
        self.0.resize(start + bytes, 0);
        self
    }
}

/// The sentence that a file of these bytes gets, without the path before it.
fn sentence(folder: &Path, bytes: &[u8]) -> String {
    let path = folder.join("hostile.gguf");
    fs::write(&path, bytes).unwrap();
    let message = Gguf::open(&path).unwrap_err().to_string();
    message.strip_prefix(&format!("{}: ", path.display())).unwrap().to_string()
}

#[track_caller]
fn check(cases: &[(Bytes, &str)]) {
    let folder = tempfile::tempdir().unwrap();
    for (bytes, expected) in cases {
        assert_eq!(sentence(folder.path(), &bytes.0), *expected);
    }
}

#[test]
fn versions_and_counts() {
    let zeros = [0; 26];
    check(&[
        (
            Bytes::default(),
            "\"GGUF\" takes 4 bytes from byte 0 on, but 0 are left: the file was cut short, download it again",
        ),
        (Bytes(b"ggml....".to_vec()), "it begins with the bytes [67, 67, 6d, 6c], not with \"GGUF\": give a GGUF file"),
        (
            Bytes(b"GGUF".to_vec()).u32(1),
            "its version is 1, but only versions 2 and 3 can be read: convert the model again with a newer llama.cpp",
        ),
        (
            Bytes(b"GGUF".to_vec()).u32(0),
            "its version is 0, but only versions 2 and 3 can be read: convert the model again with a newer llama.cpp",
        ),
        (
            Bytes(b"GGUF".to_vec()).u32(4),
            "its version is 4, but only versions 2 and 3 can be read: convert the model again with a newer llama.cpp",
        ),
        (
            Bytes(b"GGUF".to_vec()).raw(&3u32.to_be_bytes()),
            "its version is 0x03000000, so it is big-endian: convert it to little-endian, with gguf_convert_endian.py",
        ),
        (
            Bytes::header(u64::MAX, 0),
            "the number of tensors is 18446744073709551615, but the 8 bytes after it hold 0 at most: the file was cut short or changed, download it again",
        ),
        (
            Bytes::header(0, u64::MAX / 2),
            "the number of metadata pairs is 9223372036854775807, but the 0 bytes after it hold 0 at most: the file was cut short or changed, download it again",
        ),
        (
            Bytes::header(0, 3).raw(&zeros),
            "the number of metadata pairs is 3, but the 26 bytes after it hold 2 at most: the file was cut short or changed, download it again",
        ),
    ]);
}

#[test]
fn metadata() {
    let long = vec![b'k'; 100];
    let long_key = format!("\"{}\"... of 100 bytes", "k".repeat(80));
    check(&[
        (
            Bytes::header(0, 1).u64(u64::MAX).u32(0).raw(&[0]),
            "the length of the key of metadata pair 0 is 18446744073709551615, but the 5 bytes after it hold 5 at most: the file was cut short or changed, download it again",
        ),
        (
            Bytes::header(0, 1).string(b"a\xff").u32(0).raw(&[0]),
            "the key of metadata pair 0 is not UTF-8 from byte 33 on: convert the model again",
        ),
        (
            Bytes::header(0, 1).pair(8).string(b"ab\xc3"),
            "the value of \"a\" is not UTF-8 from byte 47 on: convert the model again",
        ),
        (
            Bytes::header(0, 1).pair(13).u64(0),
            "the value of \"a\" has the type 13, but types run from 0 to 12: the file was changed, download it again",
        ),
        (
            Bytes::header(0, 1).pair(7).raw(&[2]),
            "the value of \"a\" has a bool of 2, not 0 or 1: the file was changed, download it again",
        ),
        (
            Bytes::header(0, 1).pair(10).raw(&[2]),
            "the value of \"a\" takes 8 bytes from byte 37 on, but 1 are left: the file was cut short, download it again",
        ),
        (
            Bytes::header(0, 2).pair(0).raw(&[2]).pair(0).raw(&[3]),
            "the metadata key \"a\" occurs twice: convert the model again",
        ),
        (
            Bytes::header(0, 1).string(&long).u32(99).raw(&[2]),
            &format!(
                "the value of {long_key} has the type 99, but types run from 0 to 12: the file was changed, download it again"
            ),
        ),
        (
            Bytes::header(0, 1).string(b"\n\x1b[31m").u32(99),
            "the value of \"\\n\\u{1b}[31m\" has the type 99, but types run from 0 to 12: the file was changed, download it again",
        ),
    ]);
}

#[test]
fn arrays_and_alignment() {
    let nested = (0..2).fold(Bytes::header(0, 1).pair(9), |bytes, _| bytes.u32(9).u64(1)).u32(0).u64(0);
    check(&[
        (
            Bytes::header(0, 1).pair(9).u32(12).u64(1 << 61),
            "the length of the array \"a\" is 2305843009213693952, but the 0 bytes after it hold 0 at most: the file was cut short or changed, download it again",
        ),
        (
            Bytes::header(0, 1).pair(9).u32(8).u64(2).string(b"x").u64(9),
            "the length of string 1 of the array \"a\" is 9, but the 0 bytes after it hold 0 at most: the file was cut short or changed, download it again",
        ),
        (
            Bytes::header(0, 1).pair(9).u32(13).u64(0),
            "the value of \"a\" has the type 13, but types run from 0 to 12: the file was changed, download it again",
        ),
        (
            Bytes::header(0, 1).pair(9).u32(7).u64(2).raw(&[1, 255]),
            "the value of \"a\" has a bool of 255, not 0 or 1: the file was changed, download it again",
        ),
        (nested, "the value of \"a\" has arrays nested more than 2 deep: convert the model without this key"),
        (
            Bytes::header(0, 1).string(b"general.alignment").u32(4).u32(0),
            "`general.alignment` is u32 (0), not a u32 that is a power of two: convert the model again",
        ),
        (
            Bytes::header(0, 1).string(b"general.alignment").u32(4).u32(48),
            "`general.alignment` is u32 (48), not a u32 that is a power of two: convert the model again",
        ),
        (
            Bytes::header(0, 1).string(b"general.alignment").u32(10).u64(32),
            "`general.alignment` is u64 (32), not a u32 that is a power of two: convert the model again",
        ),
    ]);
}

#[test]
fn tensors() {
    let one = |dimensions: &[u64], code, offset| Bytes::header(1, 0).tensor("t", dimensions, code, offset);
    check(&[
        (
            Bytes::header(1, 0).string(b"\xff").u32(1).u64(1).u32(0).u64(0),
            "the name of tensor 0 is not UTF-8 from byte 32 on: convert the model again",
        ),
        (one(&[], 0, 0).data(4), "the tensor \"t\" has 0 dimensions, but must have 1 to 4: convert the model again"),
        (
            one(&[1; 5], 0, 0).data(4),
            "the tensor \"t\" has 5 dimensions, but must have 1 to 4: convert the model again",
        ),
        (
            Bytes::header(1, 0).string(b"t").u32(u32::MAX).data(64),
            "the tensor \"t\" has 4294967295 dimensions, but must have 1 to 4: convert the model again",
        ),
        (one(&[4, 0], 0, 0).data(4), "dimension 1 of the tensor \"t\" is 0: leave the tensor out"),
        (
            one(&[1 << 32, 1 << 32], 0, 0),
            "the product of the dimensions [4294967296, 4294967296] of the tensor \"t\" overflows: convert the model again",
        ),
        (
            one(&[u64::MAX], 0, 0),
            "the product of the dimensions [18446744073709551615] of the tensor \"t\" overflows: convert the model again",
        ),
        (
            one(&[1], 4, 0).data(4),
            "the tensor \"t\" has the type 4, which is not known: convert the model to F32, F16, BF16 or Q8_0",
        ),
        (
            one(&[1], u32::MAX, 0).data(4),
            "the tensor \"t\" has the type 4294967295, which is not known: convert the model to F32, F16, BF16 or Q8_0",
        ),
    ]);
}

#[test]
fn data_of_tensors() {
    let one = |dimensions: &[u64], code, offset| Bytes::header(1, 0).tensor("t", dimensions, code, offset);
    check(&[
        (
            one(&[48, 2], 8, 0).data(102),
            "rows of the tensor \"t\" have 48 elements, which are no whole blocks of 32 as Q8_0 has: use F16",
        ),
        (
            one(&[1], 0, 16).data(64),
            "the tensor \"t\" has the offset 16, which is no multiple of the alignment 32: convert the model again",
        ),
        (
            one(&[8], 0, 0).data(31),
            "the tensor \"t\" takes 32 bytes at the offset 0 of the data, which begin at byte 64 of 95: the file was cut short, download it again",
        ),
        (
            one(&[8], 0, u64::MAX - 31).data(32),
            "the tensor \"t\" takes 32 bytes at the offset 18446744073709551584 of the data, which begin at byte 64 of 96: the file was cut short, download it again",
        ),
        (
            one(&[1 << 61], 1, 0).data(32),
            "the tensor \"t\" takes 4611686018427387904 bytes at the offset 0 of the data, which begin at byte 64 of 96: the file was cut short, download it again",
        ),
        (
            Bytes::header(2, 0).tensor("t", &[1], 0, 0).tensor("t", &[1], 0, 32).data(64),
            "the tensor \"t\" occurs twice: convert the model again",
        ),
        (
            Bytes::header(2, 0).tensor("a", &[1], 0, 32).tensor("b", &[9], 0, 0).data(64),
            "the tensors \"b\" and \"a\" overlap at byte 128: convert the model again",
        ),
        (
            Bytes::header(2, 0).tensor("a", &[8], 0, 0).tensor("b", &[8], 0, 0).data(64),
            "the tensors \"a\" and \"b\" overlap at byte 96: convert the model again",
        ),
    ]);
}

#[test]
fn a_file_that_ends_anywhere_is_refused() {
    let golden = fs::read(crate::blocks::golden()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cut.gguf");
    // The last tensor has 24 bytes, after which there is padding.
    let end = golden.len() - 8;
    // Everywhere in the header, and here and there in the data.
    for length in (0..2000).chain((2000..end).step_by(61)).chain([end - 1]) {
        fs::write(&path, &golden[..length]).unwrap();
        let fault = Gguf::open(&path).unwrap_err().fault;
        let of_length =
            matches!(fault, GgufFault::Truncated { .. } | GgufFault::Count { .. } | GgufFault::OutOfRange { .. });
        assert!(of_length, "{length}: {fault:?}");
    }
    fs::write(&path, &golden[..end]).unwrap();
    assert_eq!(Gguf::open(&path).unwrap().tensors().count(), 27);
}

#[test]
fn files_of_other_kinds_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let error = Gguf::open(&folder.path().join("none")).unwrap_err();
    assert!(matches!(error.fault, GgufFault::Missing), "{error}");
    let error = Gguf::open(folder.path()).unwrap_err();
    assert!(matches!(error.fault, GgufFault::NotAFile), "{error}");
}

#[test]
fn version_2_and_files_without_tensors_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("small.gguf");
    fs::write(&path, Bytes(b"GGUF".to_vec()).u32(2).u64(0).u64(0).0).unwrap();
    let file = Gguf::open(&path).unwrap();
    assert_eq!((file.version(), file.tensors().count(), file.metadata_pairs().count()), (2, 0, 0));
}

#[test]
fn another_alignment_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("aligned.gguf");
    let pair = Bytes::header(1, 1).string(b"general.alignment").u32(4).u32(128);
    let mut bytes = pair.tensor("t", &[1], 0, 128).0;
    bytes.resize(128 + 128, 0xff);
    bytes.extend(7f32.to_le_bytes());
    fs::write(&path, bytes).unwrap();
    assert_eq!(Gguf::open(&path).unwrap().read_f32("t").unwrap(), [7.0]);
}
