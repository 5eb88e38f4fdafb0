//! Files that Hearth writes, read back.

use std::{fs, path::Path};

use hearth_gguf::{Gguf, GgufError, GgufWriter, MetadataArray, MetadataValue, NewTensor, TensorType};

fn new(name: &str, shape: &[usize], tensor_type: TensorType) -> NewTensor {
    NewTensor { name: name.to_string(), shape: shape.to_vec(), tensor_type }
}

fn names(folder: &Path) -> Vec<String> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// Values that every type stores as they are.
fn exact(count: usize) -> Vec<f32> {
    (0..count).map(|index| (index * 7 % 255) as f32 - 127.0).map(|value| value.clamp(-127.0, 127.0)).collect()
}

#[test]
fn metadata_of_gguf_py_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("copy.gguf");
    let golden = Gguf::open(&crate::blocks::golden()).unwrap();
    let metadata: Vec<_> = golden.metadata_pairs().map(|(key, value)| (key.to_string(), value.clone())).collect();
    let more = [
        ("u16s", MetadataArray::U16(vec![1])),
        ("i16s", MetadataArray::I16(vec![-1])),
        ("i8s", MetadataArray::I8(vec![-1])),
        ("u32s", MetadataArray::U32(vec![])),
        ("u64s", MetadataArray::U64(vec![u64::MAX])),
        ("i64s", MetadataArray::I64(vec![i64::MIN])),
        ("f64s", MetadataArray::F64(vec![0.1])),
    ];
    let more = more.map(|(key, array)| (key.to_string(), MetadataValue::Array(array)));
    let metadata = [metadata, more.to_vec()].concat();
    GgufWriter::create(&path, &metadata, &[]).unwrap().finish().unwrap();
    let copy = Gguf::open(&path).unwrap();
    assert!(copy.metadata_pairs().map(|(key, value)| (key.to_string(), value.clone())).eq(metadata));
    assert_eq!(names(folder.path()), ["copy.gguf"]);
}

#[test]
fn tensors_of_every_written_type_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tensors.gguf");
    fs::write(&path, "an older file").unwrap();
    let tensors = [
        new("f32", &[3], TensorType::F32),
        new("f16", &[5, 7], TensorType::F16),
        new("bf16", &[2, 3, 5], TensorType::BF16),
        new("q8_0", &[2, 2, 150, 64], TensorType::Q8_0),
        new("last", &[1], TensorType::F16),
    ];
    let mut writer = GgufWriter::create(&path, &[], &tensors).unwrap();
    for tensor in &tensors {
        writer.write(&tensor.name, &exact(tensor.shape.iter().product())).unwrap();
    }
    assert_eq!(fs::read(&path).unwrap(), b"an older file");
    writer.finish().unwrap();
    let file = Gguf::open(&path).unwrap();
    for (tensor, info) in tensors.iter().zip(file.tensors()) {
        assert_eq!((info.name(), info.shape()), (tensor.name.as_str(), tensor.shape.as_slice()));
        assert_eq!(info.tensor_type(), tensor.tensor_type);
        let (values, expected) = (file.read_f32(&tensor.name).unwrap(), exact(info.elements()));
        let largest = values.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        // Scales of Q8_0 are 1 where a block has 127, and else as near as f16 comes.
        assert!(
            largest <= if tensor.tensor_type == TensorType::Q8_0 { 0.5 } else { 0.0 },
            "{}: {largest}",
            tensor.name
        );
    }
    assert_eq!(fs::metadata(&path).unwrap().len() % 32, 0);
}

#[test]
fn a_writer_that_is_dropped_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.gguf");
    let mut writer = GgufWriter::create(&path, &[], &[new("t", &[2], TensorType::F32)]).unwrap();
    assert_eq!(names(folder.path()), ["a.gguf.part"]);
    writer.write("t", &[1.0, 2.0]).unwrap();
    drop(writer);
    assert!(names(folder.path()).is_empty());
}

/// The sentence, without the path before it.
fn message(error: GgufError) -> String {
    error.to_string().strip_prefix(&format!("{}: ", error.path.display())).unwrap().to_string()
}

#[test]
fn what_no_file_can_begin_with_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.gguf");
    let create = |tensors: &[NewTensor]| GgufWriter::create(&path, &[], tensors);
    let refused = |tensor| message(create(&[tensor]).unwrap_err());
    let pair = |key: &str| (key.to_string(), MetadataValue::U32(32));
    let with = |metadata: &[_]| message(GgufWriter::create(&path, metadata, &[]).unwrap_err());

    for (found, expected) in [
        (with(&[pair("k"), pair("k")]), "the metadata key \"k\" occurs twice: convert the model again"),
        (
            with(&[pair("general.alignment")]),
            "`general.alignment` is among the metadata, but is always 32: leave it out",
        ),
        (
            refused(new("t", &[256], TensorType::Q4_K)),
            "the tensor \"t\" has the type Q4_K, use one of F32, F16, BF16, Q8_0",
        ),
        (
            refused(new("t", &[33], TensorType::Q8_0)),
            "rows of the tensor \"t\" have 33 elements, which are no whole blocks of 32 as Q8_0 has: use F16",
        ),
        (
            refused(new("t", &[], TensorType::F32)),
            "the tensor \"t\" has 0 dimensions, but must have 1 to 4: convert the model again",
        ),
        (refused(new("t", &[0, 3], TensorType::F32)), "dimension 1 of the tensor \"t\" is 0: leave the tensor out"),
        (
            refused(new("t", &[usize::MAX, 2], TensorType::F32)),
            "the product of the dimensions [2, 18446744073709551615] of the tensor \"t\" overflows: convert the model again",
        ),
        (
            message(
                create(&[new("t", &[usize::MAX / 4], TensorType::F32), new("u", &[8], TensorType::F32)]).unwrap_err(),
            ),
            "the product of the dimensions [4611686018427387903] of the tensor \"t\" overflows: convert the model again",
        ),
        (
            message(create(&[new("t", &[1], TensorType::F32), new("t", &[8], TensorType::F32)]).unwrap_err()),
            "the tensor \"t\" occurs twice: convert the model again",
        ),
    ] {
        assert_eq!(found, expected);
    }
    assert!(names(folder.path()).is_empty(), "{:?}", names(folder.path()));
    let error = GgufWriter::create(&folder.path().join("no/a"), &[], &[]).unwrap_err().to_string();
    assert!(error.contains("no/a: it cannot be written"), "{error}");
}

#[test]
fn what_cannot_be_written_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.gguf");
    let tensors = [new("a", &[1, 32], TensorType::Q8_0), new("b", &[20_000], TensorType::F16)];
    let begun = || GgufWriter::create(&path, &[], &tensors).unwrap();
    let mut half = begun();
    half.write("a", &[0.0; 32]).unwrap();
    let mut large = vec![0.0; 20_000];
    large[19_999] = 7e4;

    for (found, expected) in [
        (
            message(begun().write("b", &[0.0]).unwrap_err()),
            "the tensor \"b\" was given where \"a\" is next: give tensors in the order that the writer was made with",
        ),
        (
            message(begun().write("a", &[0.0]).unwrap_err()),
            "the tensor \"a\" of shape [1, 32] was given 1 values: give the product of the shape",
        ),
        (
            message(begun().write("a", &[f32::NAN; 32]).unwrap_err()),
            "element 0 of the tensor \"a\" is NaN, which Q8_0 cannot hold: use F32 or BF16",
        ),
        (
            message(half.write("a", &[0.0; 32]).unwrap_err()),
            "the tensor \"a\" was given where \"b\" is next: give tensors in the order that the writer was made with",
        ),
        (
            message(half.write("b", &large).unwrap_err()),
            "element 19999 of the tensor \"b\" is 70000, which F16 cannot hold: use F32 or BF16",
        ),
        (
            message(half.write("b", &[0.0; 20_000]).unwrap_err()),
            "the tensor \"b\" was written in part when it failed: begin the file again",
        ),
        (
            message(half.finish().unwrap_err()),
            "the tensor \"b\" was written in part when it failed: begin the file again",
        ),
        (message(begun().finish().unwrap_err()), "the tensor \"a\" was not given: give all tensors, then finish"),
    ] {
        assert_eq!(found, expected);
    }
    assert!(names(folder.path()).is_empty(), "{:?}", names(folder.path()));
}
