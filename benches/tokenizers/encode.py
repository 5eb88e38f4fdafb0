"""How fast the Hugging Face Python package encodes files of text: encode.py TOKENIZER FILE..

TOKENIZER is a tokenizer.json, or the byte-level BPE that `cargo bench -p hearth-data --bench prepare` saved. Prints megabytes and tokens a
second, without reading and writing.
"""

import json
import os
import sys
import time

os.environ.setdefault("RAYON_NUM_THREADS", "2")
os.environ["TOKENIZERS_PARALLELISM"] = "true"

import tokenizers  # noqa: E402  (reads the number of threads)

PIECE = 64 << 10

saved = json.load(open(sys.argv[1], encoding="utf-8"))
if "tokenizer" in saved:
    model = saved["tokenizer"]["model"]
    tokenizer = tokenizers.Tokenizer(
        tokenizers.models.BPE(vocab=model["vocab"], merges=[tuple(pair) for pair in model["merges"]])
    )
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
else:
    tokenizer = tokenizers.Tokenizer.from_file(sys.argv[1])
text = "".join(open(path, encoding="utf-8", errors="ignore", newline="").read() for path in sys.argv[2:])
pieces = [text[start : start + PIECE] for start in range(0, len(text), PIECE)]
megabytes = len(text.encode()) / 1e6
for name, encode in [("encode_batch_fast", tokenizer.encode_batch_fast), ("encode_batch", tokenizer.encode_batch)]:
    start = time.perf_counter()
    tokens = 0
    for first in range(0, len(pieces), 64):
        tokens += sum(len(ids) for ids in encode(pieces[first : first + 64], add_special_tokens=False))
    seconds = time.perf_counter() - start
    print(
        f"tokenizers {tokenizers.__version__} {name}, {os.environ['RAYON_NUM_THREADS']} threads: "
        f"{megabytes:.1f} MB, {megabytes / seconds:.1f} MB/s, {tokens / seconds / 1e6:.2f} Mtokens/s"
    )
