//! Files that were valid until bytes of them changed.

use std::{fs, sync::LazyLock};

use hearth_gguf::{Gguf, TensorType};
use proptest::prelude::*;

use crate::{blocks::golden, counted::peak_of};

static GOLDEN: LazyLock<Vec<u8>> = LazyLock::new(|| fs::read(golden()).unwrap());

/// Bytes of the golden file before its data: changes of these are the ones that matter.
const HEADER: usize = 1888;

/// Opens a file of these bytes and reads all of it; memory stays below a multiple of the file's size.
fn use_everything(bytes: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("changed.gguf");
    fs::write(&path, bytes).unwrap();
    let (opened, peak) = peak_of(|| Gguf::open(&path));
    assert!(peak <= 8 * bytes.len() + 8192, "{peak} bytes for {}", bytes.len());
    let Ok(file) = opened else { return };
    for tensor in file.tensors() {
        let (values, peak) = peak_of(|| file.read_f32(tensor.name()));
        assert!(peak <= 16 * bytes.len() + 8192, "{peak} bytes for {}", bytes.len());
        match values {
            Ok(values) => assert_eq!(values.len(), tensor.elements()),
            Err(error) => assert!(error.to_string().contains(" has the type "), "{error}"),
        }
    }
    for (key, _) in file.metadata_pairs() {
        let _ = (file.get_u64(key), file.get_f64(key), file.get_str(key), file.get_strings(key), file.get_u64s(key));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn changed_bytes_do_not_panic(
        changes in prop::collection::vec((0..HEADER, any::<u8>()), 1..6),
        length in prop_oneof![3 => Just(usize::MAX), 1 => 0..20_000usize],
    ) {
        let mut bytes = GOLDEN.clone();
        bytes.truncate(length);
        let end = bytes.len();
        changes.into_iter().filter(|(at, _)| *at < end).for_each(|(at, byte)| bytes[at] = byte);
        use_everything(&bytes);
    }

    #[test]
    fn changed_words_do_not_panic(at in 0..HEADER, word in prop_oneof![
        Just(u64::MAX), Just(i64::MAX as u64), Just(1 << 63), Just(1 << 62), Just(1 << 32), 0..100u64, any::<u64>(),
    ]) {
        let mut bytes = GOLDEN.clone();
        bytes[at..at + 8].copy_from_slice(&word.to_le_bytes());
        use_everything(&bytes);
    }

    #[test]
    fn bytes_of_no_sense_do_not_panic(tail in prop::collection::vec(any::<u8>(), 0..400), tensors in 0..4u8, pairs in 0..4u8) {
        let mut bytes = b"GGUF\x03\0\0\0".to_vec();
        bytes.extend([tensors, 0, 0, 0, 0, 0, 0, 0, pairs, 0, 0, 0, 0, 0, 0, 0]);
        bytes.extend(tail);
        use_everything(&bytes);
    }

    #[test]
    fn any_bytes_are_weights(bytes in prop::collection::vec(any::<u8>(), 1 << 8), kind in 0..17usize) {
        let tensor_type = TensorType::all().nth(kind).unwrap();
        let golden = Gguf::open(&golden()).unwrap();
        let name = golden.tensors().find(|tensor| tensor.tensor_type() == tensor_type).unwrap().name().to_string();
        let mut file = GOLDEN.clone();
        file[HEADER..].chunks_mut(1 << 8).for_each(|chunk| chunk.copy_from_slice(&bytes[..chunk.len()]));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("random.gguf");
        fs::write(&path, file).unwrap();
        Gguf::open(&path).unwrap().read_f32(&name).unwrap();
    }
}
