"""gguf/NAME.gguf: small tokenizers as llama.cpp's converter writes them, and gguf.json: the ids that Hugging Face's library gives.

    pip install gguf tokenizers
    python3 gguf.py

Byte-level BPE learned from a few sentences, with the words of SmolLM, Llama-3, Qwen2 and GPT-2. SmolLM's has no token for bytes that
those sentences do not have.
"""

import json
import pathlib
import sys

sys.path = sys.path[1:]  # this file's own name
import gguf
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

FOLDER = pathlib.Path(__file__).parent
CORPUS = ["Once upon a time there were 1234 little foxes, who'd said: \"Let's go!\"\n\n", "Überall 42 Häuser  und   Bäume; x = y + 10\n"] * 4
TEXTS = ["Once upon a time", " there were 4321 foxes\n\nwho  said", "Häuser über 7\tx", "é \u00e9 e\u0301 <|im_start|>", "", "12345", "\x04 fox"]
LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN2 = LLAMA3.replace("{1,3}", "")


def splitting(pattern):
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    return pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(pattern), "isolated"), byte_level])


WORDS = {
    "smollm": pre_tokenizers.Sequence([pre_tokenizers.Digits(True), pre_tokenizers.ByteLevel(add_prefix_space=False)]),
    "llama-bpe": splitting(LLAMA3),
    "qwen2": splitting(QWEN2),
    "gpt-2": pre_tokenizers.ByteLevel(add_prefix_space=False),
}


def main():
    out = {}
    for name, words in WORDS.items():
        tokenizer = Tokenizer(models.BPE(ignore_merges=name == "llama-bpe"))
        tokenizer.pre_tokenizer = words
        tokenizer.decoder = decoders.ByteLevel()
        if name == "qwen2":
            tokenizer.normalizer = normalizers.NFC()
        alphabet = [] if name == "smollm" else pre_tokenizers.ByteLevel.alphabet()
        specials = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
        trainer = trainers.BpeTrainer(vocab_size=380, special_tokens=specials, initial_alphabet=alphabet, show_progress=False)
        tokenizer.train_from_iterator(CORPUS, trainer)
        write(name, tokenizer, len(specials))
        # Names of special tokens are text like any other, as Hearth's `encode` takes them.
        tokenizer.encode_special_tokens = True
        out[name] = [tokenizer.encode(text, add_special_tokens=False).ids for text in TEXTS]
    (FOLDER / "gguf.json").write_text(json.dumps({"texts": TEXTS, "ids": out}, ensure_ascii=True, indent=1) + "\n")


def write(name, tokenizer, specials):
    writer = gguf.GGUFWriter(FOLDER / f"gguf/{name}.gguf", "llama")
    by_id = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(name)
    writer.add_token_list([token for token, _ in by_id])
    writer.add_token_types([3 if at < specials else 1 for _, at in by_id])
    merges = json.loads(tokenizer.to_str())["model"]["merges"]
    writer.add_token_merges([merge if isinstance(merge, str) else " ".join(merge) for merge in merges])
    writer.add_eos_token_id(2)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    main()
