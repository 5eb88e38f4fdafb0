"""What other programs make of exported models: transformers, its tokenizers, gguf-py and llama.cpp. It makes no golden; it checks.

    pip install torch transformers gguf sentencepiece protobuf xllamacpp       # 2.15, 5.24, 0.19; xllamacpp carries llama.cpp
    cargo build --bin hearth
    HEARTH_KEEP=/tmp/kept cargo test --test goldens exported && HEARTH_KEEP=/tmp/kept cargo test --test export
    python3 exported.py target/debug/hearth /tmp/kept

It prints the largest difference of each model's logits, as a share of the largest logit, and fails above 1e-5 (llama.cpp's
log-probabilities: above 2e-3, for its GELU is a table of f16).
"""

import json
import math
import pathlib
import shutil
import subprocess
import sys
import urllib.request

sys.path = sys.path[1:]  # this folder's own names
import gguf
import numpy as np
import torch
import transformers as hf
from safetensors.torch import load_file

FOLDER = pathlib.Path(__file__).parent
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789 .,\n"


def main():
    hearth, kept = (pathlib.Path(it).resolve() for it in sys.argv[1:3])
    work = kept / "work"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    transformers_has_the_logits(hearth, kept, work)
    gguf_has_the_tensors(hearth, work)
    tokenizers_have_the_ids(kept)
    llama_has_the_likelihoods(hearth, work)
    trained_models_go_on_as_they_did(hearth, work)


def export(hearth, source, form, out, *more):
    done = subprocess.run([hearth, "export", source, "--to", form, "--out", out, *more], capture_output=True, text=True)
    return done.returncode == 0, (done.stderr or done.stdout).strip()


def difference(own, other):
    return ((own - other).abs().max() / other.abs().max()).item()


@torch.no_grad()
def logits(folder, tokens):
    model = hf.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
    return model.eval()(tokens).logits


def pretrained():
    return sorted(path for path in (FOLDER / "pretrained").iterdir() if path.is_dir())


def transformers_has_the_logits(hearth, kept, work):
    for source in pretrained():
        golden = load_file(source / "golden.safetensors")
        worst = {}
        for dtype in ("f32", "bf16"):
            out = work / f"{source.name}-{dtype}"
            fine, said = export(hearth, source, "hf", out, "--dtype", dtype)
            assert fine, said
            worst[dtype] = difference(logits(out, golden["tokens"].long()), golden["logits"])
        print(f"transformers {source.name:13} f32 {worst['f32']:.1e}  bf16 {worst['bf16']:.1e}")
        assert worst["f32"] < 1e-5 and worst["bf16"] < 3e-2, source
    for folder in sorted((kept / "presets").iterdir()):
        own = torch.tensor(json.loads((folder / "logits.json").read_text()))
        worst = difference(logits(folder, torch.tensor([[3, 7, 29, 0, 12, 7, 7]])).flatten(), own)
        print(f"transformers {folder.name:13} f32 {worst:.1e}")
        assert worst < 1e-5, folder


def fields(reader):
    return {name: field.contents() for name, field in reader.fields.items() if not name.startswith("GGUF.")}


def gguf_has_the_tensors(hearth, work):
    """Names, values and metadata are those of llama.cpp's converter, as pretrained_gguf.py has it."""
    for source in pretrained():
        if not (source / "model.gguf").exists():
            continue
        out = work / f"{source.name}.gguf"
        fine, said = export(hearth, source, "gguf", out)
        if not fine:
            print(f"gguf         {source.name:13} {said}")
            assert source.name == "gemma2", said
            continue
        own, other = gguf.GGUFReader(out), gguf.GGUFReader(source / "model.gguf")
        theirs = {tensor.name: tensor.data for tensor in other.tensors}
        assert {tensor.name for tensor in own.tensors} == set(theirs), source
        for tensor in own.tensors:
            expected = theirs[tensor.name].astype(np.float32)
            assert tensor.data.shape == expected.shape, tensor.name
            np.testing.assert_allclose(tensor.data, expected, rtol=1e-6, atol=1e-6, err_msg=tensor.name)
        mine, metadata = fields(own), fields(other)
        for name, value in metadata.items():
            is_same = mine.get(name) == value or (isinstance(value, float) and math.isclose(mine[name], value, rel_tol=1e-6))
            assert is_same, (source.name, name, value, mine.get(name))
        print(f"gguf         {source.name:13} {len(theirs)} tensors and {len(metadata)} metadata are equal")


def tokenizers_have_the_ids(kept):
    for path in sorted((kept / "tokenizers").glob("*.json")):
        tokenizer = hf.PreTrainedTokenizerFast(tokenizer_file=str(path))
        pairs = json.loads(path.with_suffix(".ids").read_text())
        for text, ids in pairs:
            assert tokenizer.encode(text) == ids, (path.stem, text, tokenizer.encode(text), ids)
        print(f"tokenizer    {path.stem:13} {len(pairs)} texts have the same ids")


class Llama:
    """llama.cpp as a server in this process."""

    def __init__(self, path, context):
        import xllamacpp

        params = xllamacpp.CommonParams()
        params.model.path = str(path)
        params.n_ctx, params.n_parallel, params.n_gpu_layers = context, 1, 0
        params.warmup = False
        params.port = 0
        params.verbosity = 0
        params.fit_params = False
        params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
        params.cache_type_k = params.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
        self.server = xllamacpp.Server(params)

    def post(self, path, body):
        request = urllib.request.Request(
            self.server.listening_address.rstrip("/") + path, json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        return json.loads(urllib.request.urlopen(request).read())

    def ids(self, text):
        return self.post("/tokenize", {"content": text, "add_special": False, "parse_special": True})["tokens"]

    def likelihoods(self, text, count):
        body = {"prompt": text, "n_predict": 1, "temperature": 0, "n_probs": count, "cache_prompt": False}
        found = self.post("/completion", body)["completion_probabilities"][0]["top_logprobs"]
        return {it["id"]: it["logprob"] for it in found}

    def greedy(self, text, count):
        body = {"prompt": text, "n_predict": count, "temperature": 0, "cache_prompt": False, "ignore_eos": True}
        return self.post("/completion", body)["content"]


def with_letters(source, out):
    """A copy of the model with a tokenizer of forty letters."""
    shutil.copytree(source, out, ignore=shutil.ignore_patterns("gradients", "*.gguf", "golden*"))
    (out / "tokenizer.json").write_text(json.dumps({
        "version": "1.0", "added_tokens": [], "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True},
        "decoder": {"type": "ByteLevel"},
        "model": {"type": "BPE", "vocab": {spelled(it): at for at, it in enumerate(LETTERS)}, "merges": []},
    }))  # fmt: skip


def spelled(letter):
    return {" ": "Ġ", "\n": "Ċ"}.get(letter, letter)


def llama_has_the_likelihoods(hearth, work):
    text = "hello there, b9. x"
    for source in pretrained():
        folder, out = work / f"{source.name}-letters", work / f"{source.name}-letters.gguf"
        with_letters(source, folder)
        fine, said = export(hearth, folder, "gguf", out)
        if not fine:
            continue
        ids = [LETTERS.index(it) for it in text]
        expected = torch.log_softmax(logits(work / f"{source.name}-f32", torch.tensor([ids]))[0, -1].double(), -1)
        try:
            llama = Llama(out, 64)
        except Exception as error:
            print(f"llama.cpp    {source.name:13} does not load it: {error}")
            continue
        assert llama.ids(text) == ids, (source.name, llama.ids(text), ids)
        found = llama.likelihoods(text, len(LETTERS))
        worst = max(abs(value - expected[id].item()) for id, value in found.items())
        note = f" ({said.splitlines()[0]})" if "note" in said else ""
        print(f"llama.cpp    {source.name:13} {worst:.1e}{note}")
        assert worst < 2e-3 or "sliding window" in said, source.name


RUN = """
seed = 1
[data]
text = "text.txt"
{data}
[model]
{model}
layers = 2
width = 64
heads = 4
context_length = 128
[batch]
micro_batch = 8
[limits]
steps = 150
[evaluation]
every = 150
batches = 1
[optimizer]
learning_rate = 3e-3
"""


def trained_models_go_on_as_they_did(hearth, work):
    """Runs of a minute, as users have them: the same text from Hearth, transformers and llama.cpp."""
    text = (FOLDER / "../../../examples/shakespeare/input.txt").read_text()[:100_000]
    presets = {"gpt2": 'preset = "gpt2"', "llama": 'preset = "smollm2-135m"\nkv_heads = 2\nffn_width = 160', "stories": 'preset = "stories15m"\nkv_heads = 2\nffn_width = 160'}
    for preset, model in presets.items():
        for kind in ("byte", "char", "bpe"):
            name = f"{preset}-{kind}"
            folder = work / name
            folder.mkdir()
            (folder / "text.txt").write_text(text)
            data = f'tokenizer = "{kind}"'
            if kind == "bpe":
                run(hearth, folder, "prepare", "text.txt", "--vocab-size", "400", "--out", "tokens")
                data = ""
            config = RUN.format(data=data, model=model + "\nvocab_size = 0")
            if kind == "bpe":
                config = config.replace('text = "text.txt"', 'tokens = "tokens"')
            (folder / "run.toml").write_text(config)
            run(hearth, folder, "train", "run.toml", "--device", "cpu")
            prompt, count = "KING: My lord", 60
            own = json.loads(run(hearth, folder, "generate", "runs/run", "--json", "--temperature", "0", "--prompt", prompt, "--tokens", str(count), "--device", "cpu"))["text"]
            for form, out in (("hf", "hub"), ("gguf", "a.gguf")):
                run(hearth, folder, "export", "runs/run", "--to", form, "--out", out)
            tokenizer = hf.AutoTokenizer.from_pretrained(folder / "hub")
            network = hf.AutoModelForCausalLM.from_pretrained(folder / "hub", dtype=torch.float32).eval()
            ids = tokenizer(prompt, return_tensors="pt")
            made = network.generate(**ids, max_new_tokens=count, do_sample=False)[0, ids["input_ids"].shape[1] :]
            theirs = tokenizer.decode(made)
            llama = Llama(folder / "a.gguf", 128)
            assert llama.ids(prompt) == ids["input_ids"][0].tolist(), name
            third = llama.greedy(prompt, count)
            print(f"trained      {name:13} transformers {agree(own, theirs)}, llama.cpp {agree(own, third)} characters of {len(own)} are equal")
            assert agree(own, theirs) == len(own), (own, theirs)


def agree(one, other):
    return next((at for at, (a, b) in enumerate(zip(one, other)) if a != b), min(len(one), len(other)))


def run(hearth, folder, *arguments):
    done = subprocess.run([hearth, *arguments], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, (arguments, done.stderr)
    return done.stdout


if __name__ == "__main__":
    main()
