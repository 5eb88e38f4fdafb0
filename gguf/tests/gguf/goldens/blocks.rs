//! Files that gguf-py 0.19.0 made (`blocks.py`): its metadata, and what it dequantises each type to, to the bit.

use std::path::{Path, PathBuf};

use hearth_gguf::{Gguf, GgufWriter, MetadataArray, MetadataValue, NewTensor, TensorType};

pub(crate) fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/gguf/goldens/blocks.gguf")
}

fn expected() -> Vec<f32> {
    let bytes = std::fs::read(golden().with_extension("f32")).unwrap();
    bytes.as_chunks().0.iter().map(|word| f32::from_le_bytes(*word)).collect()
}

/// Bits, all of what is not a number alike.
fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| if value.is_nan() { f32::NAN.to_bits() } else { value.to_bits() }).collect()
}

#[test]
fn every_type_is_dequantised_to_the_bits_of_gguf_py() {
    let file = Gguf::open(&golden()).unwrap();
    let expected = expected();
    let (mut rest, mut types) = (expected.as_slice(), Vec::new());
    for tensor in file.tensors().filter(|tensor| tensor.tensor_type() != TensorType::I32) {
        let (here, after) = rest.split_at(tensor.elements());
        let values = file.read_f32(tensor.name()).unwrap();
        assert!(bits(&values) == bits(here), "{}: {values:?} is not {here:?}", tensor.name());
        (rest, types) = (after, [types, vec![tensor.tensor_type()]].concat());
    }
    assert!(rest.is_empty(), "{} values are left", rest.len());
    let first_17: Vec<_> = TensorType::all().take(17).collect();
    assert!(first_17.iter().all(|it| types.contains(it)), "{types:?}");
}

#[test]
fn weights_are_quantised_to_the_bits_of_gguf_py() {
    let file = Gguf::open(&golden()).unwrap();
    let weights = file.read_f32("weights").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("quantised.gguf");
    let types = [TensorType::F32, TensorType::F16, TensorType::BF16, TensorType::Q8_0];
    for (tensor_type, name) in types.into_iter().zip(["weights", "f16.weights", "bf16.weights", "q8_0.weights"]) {
        let tensor = NewTensor { name: name.to_string(), shape: vec![6, 96], tensor_type };
        let mut writer = GgufWriter::create(&path, &[], &[tensor]).unwrap();
        writer.write(name, &weights).unwrap();
        writer.finish().unwrap();
        let (ours, theirs) = (Gguf::open(&path).unwrap().read_f32(name).unwrap(), file.read_f32(name).unwrap());
        assert_eq!(file.tensor(name).unwrap().tensor_type(), tensor_type);
        assert!(bits(&ours) == bits(&theirs), "{name}: {ours:?} is not {theirs:?}");
    }
}

#[test]
fn rows_are_those_of_the_tensor() {
    let file = Gguf::open(&golden()).unwrap();
    for tensor in file.tensors().filter(|tensor| tensor.tensor_type() != TensorType::I32) {
        let (name, rows) = (tensor.name(), tensor.shape()[0]);
        let row = tensor.elements() / rows;
        let values = file.read_f32(name).unwrap();
        for (start, end) in [(0, 0), (0, 1), (1, rows), (rows - 1, rows), (rows, rows)] {
            let part = file.read_f32_rows(name, start..end).unwrap();
            assert_eq!(bits(&part), bits(&values[start * row..end * row]), "{name} {start}..{end}");
        }
    }
}

#[test]
fn shapes_are_in_row_major_order() {
    let file = Gguf::open(&golden()).unwrap();
    let shape = |name| file.tensor(name).unwrap().shape().to_vec();
    assert_eq!(shape("f32"), [2, 3, 5]);
    assert_eq!(shape("f16"), [2, 1, 3, 64]);
    assert_eq!(shape("q4_k"), [4, 512]);
    assert_eq!(shape("f64"), [47]);
    let names = file.tensors().map(|tensor| tensor.name()).collect::<Vec<_>>();
    assert_eq!((names.len(), names[0], names[4], names[26]), (27, "f32", "q4_0", "i32"));
    assert!(file.tensor("q4").is_none());
}

#[test]
fn metadata_of_every_type_are_read() {
    use MetadataValue::*;
    let file = Gguf::open(&golden()).unwrap();
    let string = "größer \u{2581} \u{1f525}";
    let arrays = [
        ("strings", MetadataArray::String(["<s>", "", "ü"].map(str::to_string).to_vec())),
        ("i32s", MetadataArray::I32(vec![1, -2, 3])),
        ("f32s", MetadataArray::F32(vec![0.5, -1.5])),
        ("bools", MetadataArray::Bool(vec![true, false])),
        ("u8s", MetadataArray::U8(vec![0, 255])),
        (
            "nested",
            MetadataArray::Array(
                [vec!["a", "b"], vec!["c"]]
                    .map(|it| MetadataArray::String(it.into_iter().map(str::to_string).collect()))
                    .to_vec(),
            ),
        ),
    ];
    let scalars = [
        ("general.architecture", String("golden".to_string())),
        ("u8", U8(u8::MAX)),
        ("i8", I8(i8::MIN)),
        ("u16", U16(u16::MAX)),
        ("i16", I16(i16::MIN)),
        ("u32", U32(u32::MAX)),
        ("i32", I32(i32::MIN)),
        ("u64", U64(u64::MAX)),
        ("i64", I64(i64::MIN)),
        ("f32", F32(1e-5)),
        ("f64", F64(0.1)),
        ("bool", Bool(true)),
        ("string", String(string.to_string())),
    ];
    let all = scalars.into_iter().chain(arrays.map(|(key, array)| (key, Array(array)))).collect::<Vec<_>>();
    assert_eq!(file.metadata_pairs().map(|(key, value)| (key, value.clone())).collect::<Vec<_>>(), all);
    assert_eq!((file.version(), file.metadata("u8")), (3, Some(&U8(255))));

    assert_eq!((file.get_u64("u64").unwrap(), file.get_f64("f64").unwrap()), (u64::MAX, 0.1));
    assert_eq!((file.get_str("string").unwrap(), file.get_bool("bool").unwrap()), (string, true));
    assert_eq!(file.get_strings("strings").unwrap(), ["<s>", "", "ü"]);
    assert_eq!(file.get_u64s("u8s").unwrap(), [0, 255]);
    assert_eq!(file.get_f64s("f32s").unwrap(), [0.5, -1.5]);
}

#[test]
fn what_is_asked_for_and_not_there_is_named() {
    let file = Gguf::open(&golden()).unwrap();
    let message = |error: hearth_gguf::GgufError| {
        error.to_string().strip_prefix(&format!("{}: ", golden().display())).unwrap().to_string()
    };
    let known =
        "F32, F16, BF16, F64, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K, IQ4_NL, IQ4_XS, MXFP4";
    for (found, expected) in [
        (
            message(file.get_u64("i8").unwrap_err()),
            "the value of \"i8\" is of the type i8 (-128), not a non-negative integer: convert the model again",
        ),
        (
            message(file.get_strings("i32s").unwrap_err()),
            "the value of \"i32s\" is of the type array of i32, not array of string: convert the model again",
        ),
        (
            message(file.get_str("none").unwrap_err()),
            "the metadata have no key \"none\": give a model of an architecture that has it",
        ),
        (
            message(file.read_f32("none").unwrap_err()),
            "there is no tensor \"none\": give a model of an architecture that has it",
        ),
        (
            message(file.read_f32("i32").unwrap_err()),
            &format!("the tensor \"i32\" has the type I32, use one of {known}"),
        ),
        (
            message(file.read_f32_rows("q4_0", 5..7).unwrap_err()),
            "rows 5..7 of the tensor \"q4_0\" of 6 are not to be had: give a range inside of them, in steps of 1",
        ),
    ] {
        assert_eq!(found, expected);
    }
}
