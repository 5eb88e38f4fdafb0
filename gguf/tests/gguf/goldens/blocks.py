"""Makes blocks.gguf and blocks.f32: random blocks of every type that can be read, and what gguf-py dequantises them to.

    python3 blocks.py      (pip install gguf==0.19.0 numpy)

blocks.f32 has the elements of all tensors as little-endian f32, in the file's order.
"""

from pathlib import Path

import numpy as np
from gguf import GGMLQuantizationType as T
from gguf import GGUFReader, GGUFValueType, GGUFWriter
from gguf.constants import GGML_QUANT_SIZES
from gguf.quants import dequantize, quantize

HERE = Path(__file__).parent
rng = np.random.default_rng(20)

# Where in a block the f16 scales are, by type.
SCALES = {
    T.Q4_0: [0], T.Q4_1: [0, 2], T.Q5_0: [0], T.Q5_1: [0, 2], T.Q8_0: [0],
    T.Q2_K: [80, 82], T.Q3_K: [108], T.Q4_K: [0, 2], T.Q5_K: [0, 2], T.Q6_K: [208],
    T.IQ4_NL: [0], T.IQ4_XS: [0], T.MXFP4: [],
}
# Zero, subnormal, smallest normal, largest, infinite, not a number.
SPECIAL = np.array([0x0000, 0x8000, 0x0001, 0x83FF, 0x0400, 0x7BFF, 0xFC00, 0x7E00], dtype="<u2")


def random_blocks(tensor_type, rows, blocks):
    """Random bytes, with scales that are mostly of the size of weights."""
    size = GGML_QUANT_SIZES[tensor_type][1]
    data = rng.integers(0, 256, (rows * blocks, size), dtype=np.uint8)
    for at in SCALES[tensor_type]:
        scales = (rng.standard_normal(rows * blocks) * 0.02).astype("<f2").view("<u2")
        scales[: len(SPECIAL) // 2] = rng.choice(SPECIAL, len(SPECIAL) // 2, replace=False)
        data[:, at : at + 2] = scales.view(np.uint8).reshape(-1, 2)
    if tensor_type == T.MXFP4:
        data[:, 0] = rng.integers(110, 140, rows * blocks)
        data[:6, 0] = [0, 1, 2, 253, 254, 255]
    return data.reshape(rows, blocks * size)


def add(writer, name, data, raw_dtype=None):
    writer.add_tensor(name, data, raw_dtype=raw_dtype)


def main():
    writer = GGUFWriter(HERE / "blocks.gguf", "golden")
    add_metadata(writer)
    add(writer, "f32", rng.standard_normal((2, 3, 5)).astype(np.float32))
    bits = rng.integers(0, 1 << 16, (2, 1, 3, 64), dtype=np.uint16)
    bits[0, 0, 0, : len(SPECIAL)] = SPECIAL
    add(writer, "f16", bits.view(np.float16))
    add(writer, "bf16", bits.view(np.uint8), T.BF16)
    wide = rng.standard_normal(40) * 10.0 ** rng.integers(-50, 45, 40)
    add(writer, "f64", np.concatenate([wide, [0.0, -0.0, np.inf, -np.inf, np.nan, 1 + 2**-24, 1 + 2**-24 + 2**-50]]))
    for tensor_type in SCALES:
        rows, blocks = (4, 2) if GGML_QUANT_SIZES[tensor_type][0] == 256 else (6, 3)
        add(writer, tensor_type.name.lower(), random_blocks(tensor_type, rows, blocks), tensor_type)
    add_weights(writer)
    add(writer, "i32", np.arange(6, dtype=np.int32).reshape(2, 3))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    write_expected()


def add_weights(writer):
    """The same weights in every type that gguf-py quantises to."""
    weights = (rng.standard_normal((6, 96)) * 0.02).astype(np.float32)
    weights[0, :32] = 0
    weights[1, :8] = [127, 0.5, -0.5, 1.5, 2.5, -2.5, 126.5, -126.5]
    weights[2, :32] *= 1e-6
    weights[3, :3] = [65504, -65519.9, 2**-25]
    add(writer, "weights", weights)
    add(writer, "f16.weights", weights.astype(np.float16))
    for tensor_type in (T.BF16, T.Q8_0, T.Q4_0, T.Q4_1, T.Q5_0, T.Q5_1, T.MXFP4):
        add(writer, tensor_type.name.lower() + ".weights", quantize(weights, tensor_type), tensor_type)


def add_metadata(writer):
    writer.add_uint8("u8", 255)
    writer.add_int8("i8", -128)
    writer.add_uint16("u16", 65535)
    writer.add_int16("i16", -32768)
    writer.add_uint32("u32", 2**32 - 1)
    writer.add_int32("i32", -(2**31))
    writer.add_uint64("u64", 2**64 - 1)
    writer.add_int64("i64", -(2**63))
    writer.add_float32("f32", 1e-5)
    writer.add_float64("f64", 0.1)
    writer.add_bool("bool", True)
    writer.add_string("string", "größer \u2581 \U0001f525")
    writer.add_array("strings", ["<s>", "", "ü"])
    writer.add_array("i32s", [1, -2, 3])
    writer.add_array("f32s", [0.5, -1.5])
    writer.add_array("bools", [True, False])
    writer.add_key_value("u8s", b"\x00\xff", GGUFValueType.ARRAY, sub_type=GGUFValueType.UINT8)
    writer.add_array("nested", [["a", "b"], ["c"]])


def write_expected():
    expected = []
    with np.errstate(all="ignore"):
        for tensor in GGUFReader(HERE / "blocks.gguf").tensors:
            if tensor.tensor_type == T.I32:
                continue
            if tensor.tensor_type == T.F64:
                values = tensor.data.astype("<f4")
            else:
                values = dequantize(tensor.data, tensor.tensor_type)
            assert values.size == tensor.n_elements, tensor.name
            expected.append(values.astype("<f4").ravel())
    np.concatenate(expected).tofile(HERE / "blocks.f32")


main()
